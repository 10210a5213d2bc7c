"""An application with jobs that wait for what the tests let happen."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    Job,
    JobBatch,
    MutationCtx,
    QueryCtx,
    Queue,
    RateLimit,
    Retry,
    SyncActionCtx,
    Table,
)

pair = Queue("pair", concurrency=2)
lane = Queue("lane", concurrency=1, kept_seconds=60, dead_kept_seconds=600)
paced = Queue("paced", rate=RateLimit.token_bucket("paced", rate=1, per_seconds=10))

STEADY = Retry(attempts=3, initial_seconds=10, base=2, jitter=0)


class Entry(Document["Entry"]):
    text: str


class Entries(Table[Entry]):
    by_text = Index("text")


class Telling(Document["Telling"]):
    of: str
    context: Any
    result: Any


class Tellings(Table[Telling]):
    by_of = Index("of")


before: dict[str, Callable[[], None]] = {}
"""What the next run of a job does first, by its text."""

started: dict[str, threading.Semaphore] = {}


def happen(text: str) -> None:
    act = before.get(text)
    if act is not None:
        act()


@hw.query
def texts(ctx: QueryCtx) -> list[str]:
    return [entry["text"] for entry in ctx.db.query(Entries)]


@hw.query
def tellings(ctx: QueryCtx) -> list[list[Any]]:
    return [[one["of"], one["context"], one["result"]] for one in ctx.db.query(Tellings)]


@hw.query
def states(ctx: QueryCtx) -> dict[str, str]:
    return {job["_id"]: job["state"] for job in ctx.db.query(hw.Jobs)}


@hw.query
def job(ctx: QueryCtx, id: Id[Job]) -> Job | None:
    return ctx.db.get(id)


@hw.query
def batch(ctx: QueryCtx, id: Id[JobBatch]) -> JobBatch | None:
    return ctx.db.get(id)


@hw.mutation
def told(ctx: MutationCtx, job: Id[Job], context: Any, result: hw.JobResult) -> None:
    ctx.db.insert(Tellings, {"of": job, "context": context, "result": result})


@hw.mutation
def told_of_batch(
    ctx: MutationCtx, batch: Id[JobBatch], context: Any, result: hw.BatchResult
) -> None:
    ctx.db.insert(Tellings, {"of": batch, "context": context, "result": result})


@hw.mutation
def told_and_fails(ctx: MutationCtx, job: Id[Job], context: str, result: hw.JobResult) -> None:
    told(ctx, job, context, result)
    raise ValueError("cannot be told")


@hw.mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Entries, {"text": text})


@hw.job(queue="pair", retry=STEADY)
def work(ctx: SyncActionCtx, text: str) -> str:
    happen(text)
    ctx.mutate(write, text=text)
    return f"did {text}"


@hw.job(queue="pair", retry=STEADY)
async def work_async(ctx: ActionCtx, text: str) -> str:
    await ctx.mutate(write, text=text)
    act = before.get(text)
    if act is not None:
        act()
    else:
        await asyncio.sleep(0)
    return f"did {text}"


@hw.job(queue="lane", priority=5)
def once(ctx: SyncActionCtx, text: str) -> str:
    happen(text)
    return f"did {text}"


@hw.job(queue="lane", retry=STEADY)
@hw.mutation
def count(ctx: MutationCtx, text: str) -> int:
    ctx.db.insert(Entries, {"text": text})
    happen(text)
    return ctx.db.query(Entries).count()


@hw.job(queue="paced")
@hw.mutation
def tick(ctx: MutationCtx, text: str) -> float:
    ctx.db.insert(Entries, {"text": text})
    return ctx.now


@hw.mutation
def enqueue_in_mutation(ctx: MutationCtx, text: str, fail: bool = False) -> Id[Job]:
    id = ctx.jobs.enqueue(work, text=text)
    if fail:
        raise hw.ApplicationError("after all")
    return id


@hw.mutation
def told_and_reads_all(ctx: MutationCtx, job: Id[Job], context: str, result: hw.JobResult) -> None:
    ctx.db.query(Entries).collect()


@hw.job()
def huge(ctx: SyncActionCtx, size: int) -> str:
    return "x" * size


@hw.job()
@hw.mutation
def huge_mutation(ctx: MutationCtx, size: int) -> str:
    return "x" * size


@hw.job(retry=STEADY)
def look_at_oneself(ctx: SyncActionCtx, text: str) -> list[Any]:
    happen(text)
    return [ctx.job_id, ctx.attempt, ctx.is_canceled]


@hw.action
def enqueue_in_action(ctx: SyncActionCtx, text: str) -> Id[Job]:
    return ctx.jobs.enqueue(count, text=text)


@hw.action
async def enqueue_in_coroutine(ctx: ActionCtx, text: str) -> Id[Job]:
    return await ctx.jobs.with_options(priority=-1).enqueue(count, text=text)


@hw.query
def progress_of(ctx: QueryCtx, id: Id[Job]) -> Any:
    found = ctx.db.get(id)
    return None if found is None else found.get("progress")


@hw.job()
def step(ctx: SyncActionCtx, count: int) -> int:
    for number in range(count):
        ctx.progress(number, count, f"step {number} of {count}")
        happen("look")
        happen("wait")
    return count


@hw.job()
async def step_async(ctx: ActionCtx, count: int) -> int:
    for number in range(count):
        await ctx.progress(number, count, f"step {number} of {count}")
        happen("look")
        happen("wait")
    return count


@hw.job()
def step_wrongly(ctx: SyncActionCtx) -> None:
    ctx.progress("half", 1)  # type: ignore[arg-type]


@hw.job()
def wait_for_the_end(ctx: SyncActionCtx) -> None:
    happen("started")
    while not ctx.is_canceled:
        threading.Event().wait(0.005)


@hw.job()
async def wait_for_the_end_async(ctx: ActionCtx) -> None:
    happen("started")
    await asyncio.Event().wait()


@hw.job(retry=Retry(attempts=2, initial_seconds=10, jitter=0), timeout_seconds=30)
async def wait_in_time(ctx: ActionCtx) -> None:
    happen("started")
    await asyncio.Event().wait()
