"""Functions that run later."""

from datetime import UTC, datetime
from typing import assert_type

import headwater as hw
from headwater import ActionCtx, Id, MutationCtx, ScheduledFunction, SyncActionCtx


@hw.mutation
def remind(ctx: MutationCtx, text: str, times: int = 1) -> None:
    if times > 1:
        ctx.scheduler.run_after(60, remind, text, times=times - 1)


@hw.action
async def send(ctx: ActionCtx, text: str) -> bool:
    job = await ctx.scheduler.run_after(0.5, remind, text=text)
    assert_type(job, Id[ScheduledFunction])
    return await ctx.scheduler.cancel(job)


@hw.action
def send_in_a_thread(ctx: SyncActionCtx, text: str) -> None:
    ctx.scheduler.run_at(datetime(2030, 1, 1, tzinfo=UTC), send, text)


def outside(db: hw.Database) -> None:
    job = db.scheduler.run_at(1e12, send, text="x")
    found = db.get(job)
    if found is not None and found["state"]["kind"] == "failed":
        print(found["state"].get("error"), found["scheduledTime"])
    assert_type(db.run_due_jobs(limit=3), int)
