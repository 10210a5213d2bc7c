"""References, and what is read along them."""

from typing import Annotated, NotRequired, assert_type

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, Table


class Team(Document["Team"]):
    title: str


class Teams(Table[Team]):
    pass


class Member(Document["Member"]):
    team: Annotated[Id[Team], hw.references(Team, on_delete="cascade")]
    deputy: NotRequired[Annotated[Id["Member"], hw.references(on_delete="set_missing")]]
    sponsor: Annotated[Id["Member"] | None, hw.references(on_delete="restrict")]


class Members(Table[Member]):
    by_team = Index("team")


@hw.mutation
def move(ctx: MutationCtx, member: Id[Member], team: Id[Team]) -> Id[Member]:
    found = ctx.db.get(member)
    if found is None:
        return ctx.db.insert(Members, {"team": team, "sponsor": None})
    assert_type(found["team"], Id[Team])
    assert_type(found["sponsor"], Id[Member] | None)
    ctx.db.patch(member, team=team)
    for cascade in ctx.db.query(hw.Cascades):
        print(cascade["deleted"] + cascade["changed"])
    return found.get("deputy", member)
