"""An application for state machines, with a bug of each kind that can be switched on."""

from typing import Any

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Pot(Document["Pot"]):
    name: str
    coins: int


class Pots(Table[Pot]):
    by_name = Index("name")


class TooMuch(hw.ApplicationError):
    """Less is in the pot."""


@hw.mutation
def create(ctx: MutationCtx, name: str) -> dict[str, Any]:
    return {"pots": [{"id": ctx.db.insert(Pots, {"name": name, "coins": 0})}]}


@hw.mutation
def put(ctx: MutationCtx, pot: Id[Pot]) -> None:
    found = ctx.db.get(pot)
    if found is None:
        raise hw.ApplicationError("no such pot")
    ctx.db.patch(pot, coins=found["coins"] + 1)


@hw.mutation
def take(ctx: MutationCtx, pot: Id[Pot]) -> None:
    found = ctx.db.get(pot)
    if found is None or not found["coins"]:
        raise TooMuch("empty")
    ctx.db.patch(pot, coins=found["coins"] - 1)


@hw.mutation(internal=True)
def steal(ctx: MutationCtx, pot: Id[Pot]) -> None:
    ctx.db.patch(pot, coins=-1)


@hw.query
def coins(ctx: QueryCtx) -> int:
    return sum(pot["coins"] for pot in ctx.db.query(Pots))


@hw.query
def fail(ctx: QueryCtx) -> None:
    raise KeyError("fail")
