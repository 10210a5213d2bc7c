"""Jobs and queues."""

from datetime import UTC, datetime
from typing import assert_type

import headwater as hw
from headwater import (
    ActionCtx,
    BatchResult,
    Id,
    Job,
    JobBatch,
    JobResult,
    Mutation,
    MutationCtx,
    QueryCtx,
    Queue,
    RateLimit,
    Retry,
    SyncActionCtx,
)

mail = Queue("mail", concurrency=4, rate=RateLimit.token_bucket("mail", rate=5, per_seconds=1))


@hw.job(queue="mail", retry=Retry(attempts=3), timeout_seconds=30, priority=5)
async def send(ctx: ActionCtx, to: str, text: str = "") -> int:
    await ctx.progress(1, 2, "half")
    id = await ctx.jobs.with_options(priority=1).enqueue(resize, path=to)
    assert_type(id, Id[Job])
    assert_type(ctx.job_id, Id[Job] | None)
    assert_type(await ctx.jobs.cancel(id), bool)
    return ctx.attempt


@hw.job()
def resize(ctx: SyncActionCtx, path: str) -> None:
    ctx.progress(0.5, note=path)
    if not ctx.is_canceled:
        ctx.jobs.enqueue(send, to=path)


@hw.job(queue="mail")
@hw.mutation
def count(ctx: MutationCtx, by: int) -> int:
    return by


@hw.mutation
def sent(ctx: MutationCtx, job: Id[Job], context: str, result: JobResult) -> None:
    if result["kind"] == "success":
        print(result["value"])
    elif result["kind"] == "failure":
        print(result["error"])


@hw.mutation
def all_sent(ctx: MutationCtx, batch: Id[JobBatch], context: int, result: BatchResult) -> None:
    print(result["success"] / result["total"])


@hw.mutation
def begin(ctx: MutationCtx, to: str) -> Id[Job]:
    jobs = ctx.jobs.with_options(
        delay_seconds=5, unique_key=to, unique_until="finished", on_complete=sent, context=to
    )
    batch = jobs.enqueue_many([send.bind(to=to), count.bind(by=1)], on_complete=all_sent, context=3)
    assert_type(batch, Id[JobBatch])
    ctx.jobs.enqueue(count, 5)
    return jobs.enqueue(send, to, text="hello")


@hw.query
def progress(ctx: QueryCtx, id: Id[Job]) -> float:
    job = ctx.db.get(id)
    shown = None if job is None else job.get("progress")
    return 0.0 if shown is None else shown["done"]


async def outside(db: hw.Database, batch: Id[JobBatch], job: Id[Job]) -> None:
    assert_type(db.act(send, to="a"), int)
    assert_type(db.mutate(count, by=1), int)
    kept: Mutation[..., int] = count
    print(kept)
    assert_type(db.jobs.redrive_all("mail"), int)
    db.jobs.with_options(run_at=datetime(2030, 1, 1, tzinfo=UTC)).enqueue(send, to="a")
    assert_type(await db.aio.jobs.enqueue(send, to="a"), Id[Job])
    assert_type(await db.aio.jobs.cancel_batch(batch), int)
    assert_type(db.jobs.redrive(job), bool)
    db.jobs.set_concurrency("mail", None)
