"""Functions that log, fail, lose and wait."""

import headwater as hw
from headwater import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx


@hw.query
def count(ctx: QueryCtx, table: str = "things") -> int:
    ctx.log.debug("counting")
    return ctx.db.query(table).count()


@hw.query
def quiet(ctx: QueryCtx) -> int:
    return 1


@hw.mutation
def add(ctx: MutationCtx, n: int) -> str:
    ctx.log.info(f"adding {n}")
    return ctx.db.insert("things", {"n": n})


@hw.mutation
def add_twice(ctx: MutationCtx, n: int) -> None:
    add(ctx, n=n)
    add(ctx, n=n + 1)
    ctx.log.warning("twice")


@hw.mutation
def refuse(ctx: MutationCtx, reason: str = "no") -> None:
    ctx.log.error("about to fail")
    raise hw.ApplicationError(reason)


@hw.mutation
def chatter(ctx: MutationCtx, lines: int, length: int = 1) -> None:
    for _ in range(lines):
        ctx.log.info("é" * length)


@hw.mutation
def bump(ctx: MutationCtx, id: str) -> int:
    n = ctx.db.get(id)["n"] + 1
    ctx.log.info(f"bump to {n}")
    ctx.db.patch(id, n=n)
    return n


@hw.action
def work(ctx: SyncActionCtx) -> int:
    ctx.log.info("working")
    ctx.mutate(add, n=1)
    return ctx.query(quiet)


@hw.action
async def work_async(ctx: ActionCtx) -> int:
    ctx.log.info("working")
    await ctx.mutate(add, n=1)
    return await ctx.query(quiet)
