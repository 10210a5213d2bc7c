"""Functions that say on which thread they run, and coroutines that end at once."""

import threading
from typing import Any

import headwater as hw
from headwater import MutationCtx, QueryCtx


@hw.query
def thread_of_query(ctx: QueryCtx) -> int:
    return threading.get_ident()


@hw.mutation
def thread_of_mutation(ctx: MutationCtx) -> int:
    return threading.get_ident()


@hw.mutation
def put_into(ctx: MutationCtx, table: str) -> int:
    ctx.db.insert(table, {})
    return ctx.db.query(table).count()


@hw.query
def count_of(ctx: QueryCtx, table: str) -> int:
    return ctx.db.query(table).count()


@hw.query
async def give_later(ctx: QueryCtx, value: Any) -> Any:
    return value


@hw.query
async def fail_later(ctx: QueryCtx) -> None:
    raise RuntimeError("of its own")
