"""Mistakes around references."""

from accepted.referring import Member

import headwater as hw
from headwater import Id, MutationCtx

hw.references(on_delete="delete")  # error: none of the three
hw.references("cascade")  # error: by name
hw.references()  # error: what happens


def inside(ctx: MutationCtx, member: Id[Member]) -> None:
    found = ctx.db.get(member)
    if found is not None:
        _team: Id[Member] = found["team"]  # error: an id of another table
