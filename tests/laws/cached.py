"""Functions for the tests of the result cache."""

from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Index, MutationCtx, QueryCtx, Table

runs: list[int] = []


class Item(Document["Item"]):
    group: int
    at: NotRequired[float]


class Items(Table[Item]):
    by_group = Index("group")


@hw.query
def count_runs(ctx: QueryCtx, group: int) -> int:
    runs.append(group)
    return ctx.db.query(Items).with_index(Items.by_group, group).count()


@hw.mutation
def add(ctx: MutationCtx, group: int) -> None:
    ctx.db.insert(Items, {"group": group})


@hw.query
def tell_time(ctx: QueryCtx) -> float:
    return ctx.now


@hw.query
def tell_time_inside(ctx: QueryCtx) -> float:
    return tell_time(ctx)


@hw.query
def draw(ctx: QueryCtx) -> float:
    return ctx.random.random()


@hw.query
def give_list(ctx: QueryCtx) -> list[Any]:
    return [1, [2]]


@hw.query
def tell_type(ctx: QueryCtx, value: Any) -> str:
    return repr(value)


@hw.query
def fail_while_empty(ctx: QueryCtx) -> int:
    found = ctx.db.query(Items).count()
    if not found:
        raise hw.ApplicationError("empty")
    return found


@hw.query
def page_of_the_last_hour(ctx: QueryCtx, options: hw.PaginationOptions) -> Any:
    """A page whose range moves with the time."""
    since = ctx.now - 3_600_000
    return ctx.db.query(Items).with_index("by_creation_time", gte=since).paginate(options)


@hw.query
def page_by_flag(ctx: QueryCtx, options: hw.PaginationOptions) -> Any:
    """A page whose range depends on data."""
    flag = ctx.db.query(Items).with_index(Items.by_group, 99).first()
    query = ctx.db.query(Items).with_index(Items.by_group, 1 if flag else 0)
    return query.paginate(options)
