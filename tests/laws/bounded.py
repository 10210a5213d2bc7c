"""Functions that go exactly as far as they are told, for the tests of limits."""

from typing import Any

from tests.laws.clocks import StillClock

import headwater as hw
from headwater import MutationCtx, QueryCtx

clock: list[StillClock] = []


@hw.mutation
def write_documents(ctx: MutationCtx, count: int, size: int = 0) -> None:
    for at in range(count):
        ctx.db.insert("blobs", {"at": at, "text": "x" * size})


@hw.mutation
def write_value(ctx: MutationCtx, value: Any) -> None:
    ctx.db.insert("blobs", {"at": 0, "value": value})


@hw.query
def read_documents(ctx: QueryCtx, count: int) -> int:
    return len(ctx.db.query("blobs").take(count))


@hw.query
def read_filtered(ctx: QueryCtx, text: str) -> int:
    return len(ctx.db.query("blobs").filter(lambda row: row["text"] == text).collect())


@hw.query
def read_points(ctx: QueryCtx, ids: list[str]) -> int:
    return sum(1 for one in ids if ctx.db.get(one) is None)


@hw.query
def call_down(ctx: QueryCtx, depth: int) -> int:
    return 0 if depth == 0 else 1 + call_down(ctx, depth=depth - 1)


@hw.query
def take_long(ctx: QueryCtx, seconds: float) -> None:
    clock[0].seconds += seconds
    ctx.db.query("blobs").take(1)


@hw.mutation
def write_long(ctx: MutationCtx, seconds: float) -> None:
    clock[0].seconds += seconds
    ctx.db.insert("blobs", {"at": 1, "text": ""})
