"""Mistakes around references."""

from typing import Annotated

from accepted.referring import Member, Team

import headwater as hw
from headwater import Document, Id, MutationCtx


class Guest(Document["Guest"]):
    team: Annotated[Id[Team], hw.references(on_delete="delete")]  # error: none of the three
    host: Annotated[Id[Team], hw.references("cascade")]  # error: by name
    friend: Annotated[Id[Team], hw.references()]  # error: what happens


def inside(ctx: MutationCtx, member: Id[Member]) -> None:
    found = ctx.db.get(member)
    if found is not None:
        _team: Id[Member] = found["team"]  # error: an id of another table
