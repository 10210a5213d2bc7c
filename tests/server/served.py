"""An application with functions for clients."""

from typing import Annotated, Any, Literal

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    Table,
)


class Note(Document["Note"]):
    text: str
    count: int


class Notes(Table[Note]):
    by_text = Index("text")


@hw.mutation
def write_note(ctx: MutationCtx, text: str, count: int = 0) -> Id[Note]:
    ctx.log.info(f"writes {text}")
    return ctx.db.insert(Notes, {"text": text, "count": count})


@hw.query
def list_(ctx: QueryCtx) -> list[str]:
    ctx.log.warning("lists")
    return [note["text"] for note in ctx.db.query(Notes)]


@hw.query
def default(ctx: QueryCtx) -> str:
    return "the default one"


@hw.query
def echo(ctx: QueryCtx, value: Any = None) -> Any:
    return value


@hw.query
def kinds(
    ctx: QueryCtx,
    whole: int = 0,
    number: float = 0.0,
    big: hw.Int64 | None = None,
    maybe: list[int] | None = None,
    either: int | hw.Int64 | str = 0,
    level: Literal[1, 2] = 1,
    note: Id[Note] | None = None,
    renamed: Annotated[int, hw.Wire("newName")] = 0,
) -> list[str]:
    values = (whole, number, big, maybe, either, level, note, renamed)
    return [repr(value) for value in values]


@hw.query
def who(ctx: QueryCtx) -> Any:
    identity = ctx.identity
    return None if identity is None else [identity.subject, identity.issuer, identity.claims]


@hw.query(internal=True)
def secret(ctx: QueryCtx) -> str:
    return "of the house"


@hw.mutation
def fail(ctx: MutationCtx, how: str) -> None:
    ctx.log.error("fails")
    ctx.db.insert(Notes, {"text": "never", "count": 0})
    if how == "data":
        raise hw.ApplicationError({"code": "SOLD_OUT", "left": 0, "token": b"\x01"})
    if how == "text":
        raise hw.ApplicationError("sold out")
    if how == "null":
        raise hw.ApplicationError(None)
    if how == "no value":
        raise hw.ApplicationError({"at": object()})
    if how == "closed":
        raise hw.ClosedError("the snapshot has ended")
    if how == "rate":
        raise hw.RateLimitedError(1.5, name="requests")
    raise KeyError("the secret of the house")


@hw.query
def refusing(ctx: QueryCtx) -> int:
    count = len(ctx.db.query(Notes).collect())
    if count == 0:
        raise hw.ApplicationError("nothing there")
    return count


@hw.action
async def act(ctx: ActionCtx, text: str) -> list[str]:
    await ctx.mutate(write_note, text=text)
    return await ctx.query(list_)


@hw.action
def act_on_thread(ctx: SyncActionCtx, text: str) -> list[str]:
    ctx.mutate(write_note, text=text)
    return ctx.query(list_)
