"""The log as a stream, and projections."""

import datetime as dt
from typing import Any, assert_type

from accepted import chat
from accepted.chat import Messages

import headwater as hw
from headwater import Document, Index, Table


class Total(Document["Total"]):
    author: str
    count: int


class Totals(Table[Total]):
    by_author = Index("author", unique=True)


@hw.projection(into=[Totals], of=[Messages])
def totals(state: hw.ProjectionState, event: hw.Change) -> None:
    assert_type(event.before, dict[str, Any] | None)
    if event.after is None or event.kind == "update":
        return
    row = state.query(Totals).with_index(Totals.by_author, event.after["author"]).unique()
    assert_type(row, Total | None)
    if row is None:
        assert_type(state.insert(Totals, {"author": "Ada", "count": 1}), hw.Id[Total])
    else:
        state.patch(row["_id"], count=row["count"] + 1)


@hw.projection(into=[Totals], version=2, feed="later", name="other")
def all_tables(state: hw.ProjectionState, event: hw.Change) -> None:
    assert_type(event.changed, dict[str, tuple[Any, Any]])


def declared(db: hw.Database) -> None:
    assert_type(totals, hw.Projection)
    assert_type(db.projections(), list[hw.ProjectionStatus])
    db.wait_for_projections(timeout_seconds=1.5)


def read(db: hw.Database) -> None:
    for entry in db.log.read(0, limit=10, tables=[Messages, "notes"]):
        assert_type(entry, hw.LogEntry)
        assert_type(entry.origin, hw.Origin)
        for change in entry.changes:
            assert_type(change, hw.Change)
    db.log.read(dt.datetime.now(dt.UTC))
    assert_type(db.log.horizon, int)


def follow(db: hw.Database) -> None:
    with db.log.tail(db.ts, tables=[Messages]) as tail:
        assert_type(tail, hw.LogTail)
        assert_type(tail.next(timeout_seconds=1), hw.LogEntry)
        assert_type(tail.take(), hw.LogEntry | None)
        assert_type(tail.position, int)
        for entry in tail:
            assert_type(entry.ts, int)


async def follow_in_asyncio(db: hw.Database) -> None:
    assert_type(await db.aio.log.read(tables=[Messages]), list[hw.LogEntry])
    async with db.aio.log.tail() as tail:
        async for entry in tail:
            assert_type(entry, hw.LogEntry)
    await db.aio.query(chat.count)
