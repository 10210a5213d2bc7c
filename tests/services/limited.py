"""Functions of these tests that are limited, and those that look at the limits."""

from typing import Any

import headwater as hw
from headwater import Document, MutationCtx, QueryCtx, RateLimit, Table

LIMITS: dict[str, RateLimit] = {}
"""The limits that the tests have declared, by name."""


class Happening(Document["Happening"]):
    key: str


class Happenings(Table[Happening]):
    pass


@hw.mutation
def take(
    ctx: MutationCtx, name: str, key: str | None = None, count: int = 1, reserve: bool = False
) -> list[Any]:
    result = LIMITS[name].limit(ctx, key=key, count=count, reserve=reserve)
    return [result.ok, result.retry_after_seconds, int(ctx.now)]


@hw.mutation
def happen(ctx: MutationCtx, name: str, key: str, fail: bool = False) -> None:
    ctx.db.insert(Happenings, {"key": key})
    LIMITS[name].limit(ctx, key=key, raise_if_exceeded=True)
    if fail:
        raise ValueError("afterwards")


@hw.mutation
def try_and_go_on(ctx: MutationCtx, name: str, key: str) -> bool:
    try:
        happen(ctx, name, key)
    except hw.RateLimitedError:
        return False
    return True


@hw.mutation
def reset(ctx: MutationCtx, name: str, key: str | None = None) -> None:
    LIMITS[name].reset(ctx, key=key)


@hw.query
def check(
    ctx: QueryCtx, name: str, key: str | None = None, count: int = 1, reserve: bool = False
) -> list[Any]:
    result = LIMITS[name].check(ctx, key=key, count=count, reserve=reserve)
    return [result.ok, result.retry_after_seconds]


@hw.query
def value(ctx: QueryCtx, name: str, key: str | None = None) -> float:
    return LIMITS[name].value(ctx, key=key)


@hw.query
def happenings(ctx: QueryCtx) -> int:
    return ctx.db.query(Happenings).count()


@hw.query
def levels(ctx: QueryCtx) -> list[str]:
    return [f"{one['name']}/{one['key']}" for one in ctx.db.query(hw.RateLimits)]
