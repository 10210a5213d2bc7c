"""Rate limits."""

from datetime import UTC, datetime
from typing import assert_type

import headwater as hw
from headwater import MutationCtx, QueryCtx, RateLimit, RateLimitResult

sending = RateLimit.token_bucket("sending", rate=10, per_seconds=60, capacity=20, shards=2)
signing_up = RateLimit.fixed_window(
    "signing up", rate=3, per_seconds=0.5, start=datetime(2024, 1, 1, tzinfo=UTC), max_reserved=3
)


@hw.mutation
def send(ctx: MutationCtx, author: str) -> float:
    allowed = sending.limit(ctx, key=author, count=2, reserve=True, raise_if_exceeded=True)
    assert_type(allowed, RateLimitResult)
    if not allowed:
        return allowed.retry_after_seconds
    signing_up.reset(ctx)
    return signing_up.value(ctx, key=3)


@hw.query
def may_send(ctx: QueryCtx, author: str) -> bool:
    for level in ctx.db.query(hw.RateLimits).with_index(hw.RateLimits.by_key, "sending"):
        print(level["parts"] / level["parts_per_token"])
    return sending.check(ctx, key=author).ok
