"""Queries over the table of things, whatever its indexes are, to be run on earlier states."""

from typing import Any

import headwater as hw
from headwater import MutationCtx, QueryCtx


@hw.query
def things_by(ctx: QueryCtx, index: str, order: str = "asc", count: int | None = None) -> list[Any]:
    query = ctx.db.query("things").with_index(index).order("desc" if order == "desc" else "asc")
    return query.collect() if count is None else query.take(count)


@hw.query
def page_of_things(ctx: QueryCtx, index: str, options: dict[str, Any]) -> Any:
    query = ctx.db.query("things").with_index(index)
    return query.paginate({"numItems": options["numItems"], "cursor": options["cursor"]})


@hw.query
def thing(ctx: QueryCtx, id: str) -> Any:
    return ctx.db.get(hw.Id(id))


@hw.query
def how_many(ctx: QueryCtx) -> int:
    return ctx.db.query("things").count()


@hw.query
def now_and_random(ctx: QueryCtx) -> list[float]:
    return [ctx.now, ctx.random.random()]


@hw.query
def at_home(ctx: QueryCtx, at: str) -> str:
    return f"at {at}, {how_many(ctx)}"


@hw.mutation
def add_thing(ctx: MutationCtx, fields: dict[str, Any]) -> str:
    return ctx.db.insert("things", fields)
