"""Actions that fail a number of times."""

import headwater as hw
from headwater import ActionCtx, MutationCtx, Retry, SyncActionCtx, Table

POLICY = Retry(attempts=4, initial_seconds=10, base=3, max_seconds=60, jitter=0)


class RefusedError(Exception):
    """By those who are asked."""


class Attempt(hw.Document["Attempt"]):
    at: float


class Attempts(Table[Attempt]):
    pass


failures: list[BaseException] = []
"""What the next attempts raise."""


@hw.mutation
def note(ctx: MutationCtx) -> int:
    ctx.db.insert(Attempts, {"at": ctx.now})
    return ctx.db.query(Attempts).count()


@hw.query
def times(ctx: hw.QueryCtx) -> list[float]:
    return [attempt["at"] for attempt in ctx.db.query(Attempts)]


def fail() -> None:
    if failures:
        raise failures.pop(0)


@hw.action(retry=POLICY)
def work(ctx: SyncActionCtx, items: list[int]) -> list[int]:
    items.append(ctx.mutate(note))
    fail()
    return items


@hw.action(retry=POLICY)
async def work_async(ctx: ActionCtx, items: list[int]) -> list[int]:
    items.append(await ctx.mutate(note))
    fail()
    return items


@hw.action
def outer(ctx: SyncActionCtx, items: list[int]) -> list[int]:
    return ctx.act(work, items=items)


@hw.action
async def outer_async(ctx: ActionCtx, items: list[int]) -> list[int]:
    return await ctx.act(work, items=items) if items else await ctx.act(work_async, items=items)


@hw.action(retry=POLICY, timeout_seconds=15)
def work_in_time(ctx: SyncActionCtx) -> None:
    ctx.mutate(note)
    fail()


@hw.action(retry=POLICY, timeout_seconds=15)
async def work_in_time_async(ctx: ActionCtx) -> None:
    await ctx.mutate(note)
    fail()


@hw.action(retry=Retry(attempts=9, initial_seconds=0, non_retryable=(RefusedError,)))
def be_refused(ctx: SyncActionCtx) -> None:
    ctx.mutate(note)
    fail()


@hw.action(retry=Retry(initial_seconds=0))
def promise_text(ctx: SyncActionCtx) -> str:
    return ctx.mutate(note)  # type: ignore[return-value]
