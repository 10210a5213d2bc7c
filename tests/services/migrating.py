"""An application whose documents are migrated while others write."""

from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Index, MutationCtx, QueryCtx, Table


class Item(Document["Item"]):
    key: int
    n: int
    times: int
    made: NotRequired[bool]


class Items(Table[Item]):
    by_key = Index("key")


class Note(Document["Note"]):
    item: str


class Notes(Table[Note]):
    by_item = Index("item")


@hw.migration(Items, batch_documents=3)
def count_up(ctx: MutationCtx, item: Item) -> dict[str, Any]:
    """Not idempotent: it shows how often it was applied."""
    if item["key"] % 3 == 0:
        ctx.db.insert(Notes, {"item": item["_id"]})
    if item["key"] % 5 == 4:
        ctx.db.insert(Items, {"key": item["key"], "n": 0, "times": 0, "made": True})
    return {"times": item["times"] + 1}


@hw.mutation
def insert(ctx: MutationCtx, key: int) -> str:
    return ctx.db.insert(Items, {"key": key, "n": 0, "times": 0})


@hw.mutation
def insert_many(ctx: MutationCtx, key: int) -> None:
    """More than a batch takes."""
    ctx.db.insert_many(Items, [{"key": key, "n": n, "times": 0} for n in range(5)])


@hw.mutation
def patch(ctx: MutationCtx, place: int) -> None:
    items = ctx.db.query(Items).collect()
    if items:
        item = items[place % len(items)]
        ctx.db.patch(item["_id"], n=item["n"] + 1)


@hw.mutation
def delete(ctx: MutationCtx, place: int) -> None:
    items = ctx.db.query(Items).collect()
    if items:
        ctx.db.delete(items[place % len(items)]["_id"])


@hw.query
def progress(ctx: QueryCtx) -> Any:
    run = ctx.db.query(hw.Migrations).with_index(hw.Migrations.by_name, "count_up").first()
    return None if run is None else [run["state"], run["processed"], run["total"]]
