"""Mistakes around jobs."""

from accepted import enqueuing
from accepted.chat import Channel, latest
from accepted.enqueuing import all_sent, count, resize, send, sent

import headwater as hw
from headwater import ActionCtx, Id, Job, JobBatch, MutationCtx, QueryCtx, Queue, SyncActionCtx


def inside(ctx: MutationCtx, query: QueryCtx, batch: Id[JobBatch], job: Id[Job]) -> None:
    ctx.jobs.enqueue(send)  # error: missing argument
    ctx.jobs.enqueue(send, to=5)  # error: argument of the wrong type
    ctx.jobs.enqueue(count, bye=5)  # error: misspelt argument
    ctx.jobs.enqueue(latest, channel=Id[Channel](""))  # error: a query is no job
    ctx.jobs.with_options(delay="5")  # error: no such option
    ctx.jobs.with_options(priority="high")  # error: a priority is a number
    ctx.jobs.with_options(unique_until="never")  # error: no such moment
    ctx.jobs.with_options(on_complete=resize, context="")  # error: an action is not told
    ctx.jobs.with_options(on_complete=all_sent, context=1)  # error: it is told of batches
    ctx.jobs.with_options(on_complete=sent, context=5)  # error: another context
    ctx.jobs.enqueue_many([send])  # error: without arguments
    ctx.jobs.enqueue_many([send.bind(to=5)])  # error: argument of the wrong type
    ctx.jobs.enqueue_many([], on_complete=sent, context="")  # error: it is told of jobs
    ctx.jobs.cancel(batch)  # error: the id of a batch
    ctx.jobs.cancel_batch(job)  # error: the id of a job
    query.jobs.enqueue(count, by=1)  # error: a query enqueues nothing
    ctx.progress(1, 2)  # error: a mutation has no progress
    job_id: Id[JobBatch] = ctx.jobs.enqueue(count, by=1)  # error: it gives the id of a job
    print(job_id)


async def inside_of_a_coroutine(ctx: ActionCtx, sync: SyncActionCtx) -> None:
    await ctx.progress("half")  # error: progress is a number
    await sync.progress(1)  # error: it is not awaited
    enqueuing.send.bind()  # error: missing argument


@hw.job(queue=5)  # error: the name of a queue is a string
def with_a_wrong_queue(ctx: SyncActionCtx) -> None: ...


@hw.job(retry=5)  # error: a policy is more than a number
def with_a_wrong_policy(ctx: SyncActionCtx) -> None: ...


@hw.job  # error: it takes options first
def without_brackets(ctx: SyncActionCtx) -> None: ...


@hw.job()  # error: a query is no job
@hw.query
def as_a_query(ctx: QueryCtx) -> None: ...


Queue("mail", concurrency="4")  # error: a concurrency is a number
Queue("mail", rate=5)  # error: a rate is a limit
