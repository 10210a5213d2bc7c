"""Mistakes around rate limits."""

from accepted.limiting import sending

from headwater import MutationCtx, QueryCtx, RateLimit

RateLimit.token_bucket("a", rate=0.5, per_seconds=1)  # error: a rate is a whole number
RateLimit.token_bucket("a", rate=5)  # error: no period
RateLimit.token_bucket("a", rate=5, per_seconds=1, start=0)  # error: a bucket has no windows
RateLimit.fixed_window("a", rate=5, per_seconds=1, start=0)  # error: a start is a datetime


def inside(ctx: MutationCtx, query: QueryCtx) -> None:
    sending.limit(query, key="ada")  # error: a query takes nothing
    sending.limit(ctx, "ada")  # error: a key is given by name
    sending.limit(ctx, key=1.5)  # error: no key
    sending.reset(query)  # error: a query writes nothing
    print(sending.check(ctx).retry_after)  # error: misspelt
