"""An application whose functions the official clients call; each test has a room of its own."""

import asyncio
from typing import Any

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    MutationCtx,
    PaginationOptions,
    PaginationResult,
    QueryCtx,
    SyncActionCtx,
    Table,
)


class Line(Document["Line"]):
    room: str
    rank: float
    text: str


class Lines(Table[Line]):
    by_room = Index("room", "rank")


class Kept(Document["Kept"]):
    room: str
    value: Any


class KeptValues(Table[Kept]):
    by_room = Index("room")


@hw.mutation
def say(ctx: MutationCtx, room: str, text: str, rank: float = 0.0) -> Id[Line]:
    return ctx.db.insert(Lines, {"room": room, "rank": rank, "text": text})


@hw.mutation
def say_together(ctx: MutationCtx, room: str, texts: list[str]) -> None:
    for rank, text in enumerate(texts):
        ctx.db.insert(Lines, {"room": room, "rank": float(rank), "text": text})


@hw.mutation
def unsay(ctx: MutationCtx, line: Id[Line]) -> None:
    ctx.db.delete(line)


@hw.query
def lines(ctx: QueryCtx, room: str) -> list[Line]:
    return ctx.db.query(Lines).with_index(Lines.by_room, room).collect()


@hw.query
def texts(ctx: QueryCtx, room: str) -> list[str]:
    return [line["text"] for line in lines(ctx, room=room)]


@hw.query
def count(ctx: QueryCtx, room: str) -> int:
    return len(lines(ctx, room=room))


@hw.query
def page(ctx: QueryCtx, room: str, options: PaginationOptions) -> PaginationResult[Line]:
    return ctx.db.query(Lines).with_index(Lines.by_room, room).paginate(options)


@hw.action
def say_by_action(ctx: SyncActionCtx, room: str, text: str) -> int:
    ctx.mutate(say, room=room, text=text)
    return ctx.query(count, room=room)


@hw.mutation
def refuse(ctx: MutationCtx, room: str, data: Any) -> None:
    ctx.db.insert(Lines, {"room": room, "rank": 0.0, "text": "never"})
    raise hw.ApplicationError(data)


@hw.query
def first(ctx: QueryCtx, room: str) -> str:
    line = ctx.db.query(Lines).with_index(Lines.by_room, room).first()
    if line is None:
        raise hw.ApplicationError({"code": "SILENT", "room": room})
    return line["text"]


@hw.mutation
def keep(ctx: MutationCtx, room: str, value: Any) -> None:
    ctx.db.insert(KeptValues, {"room": room, "value": value})


@hw.query
def kept(ctx: QueryCtx, room: str) -> list[Any]:
    found = ctx.db.query(KeptValues).with_index(KeptValues.by_room, room)
    return [document["value"] for document in found]


@hw.query
def who(ctx: QueryCtx) -> str | None:
    return None if ctx.identity is None else ctx.identity.subject


@hw.query(internal=True)
def secret(ctx: QueryCtx) -> str:
    return "of the house"


@hw.action
async def hang(ctx: ActionCtx) -> None:
    await asyncio.Event().wait()
