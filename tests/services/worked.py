"""Jobs that say in the database when they are inside, for several processes that are killed."""

import threading
from typing import Any

import headwater as hw
from headwater import Document, Id, Index, Job, JobBatch, MutationCtx, QueryCtx, Queue, Retry, Table

narrow = Queue("narrow", concurrency=2)

AGAIN = Retry(attempts=3, initial_seconds=0)


class Effect(Document["Effect"]):
    name: str


class Effects(Table[Effect]):
    by_name = Index("name")


class Telling(Document["Telling"]):
    of: str


class Tellings(Table[Telling]):
    pass


@hw.mutation
def note(ctx: MutationCtx, name: str) -> None:
    ctx.db.insert(Effects, {"name": name})


@hw.mutation
def told(ctx: MutationCtx, job: Id[Job], context: None, result: hw.JobResult) -> None:
    ctx.db.insert(Tellings, {"of": job})


@hw.job(queue="narrow", retry=AGAIN)
def act_again(ctx: hw.SyncActionCtx, name: str) -> None:
    ctx.mutate(note, name=name)


@hw.job(queue="narrow")
async def act_once(ctx: hw.ActionCtx, name: str) -> None:
    await ctx.mutate(note, name=name)


@hw.job(queue="counting")
@hw.mutation
def count(ctx: MutationCtx, name: str) -> None:
    note(ctx, name)


@hw.job(queue="narrow", retry=AGAIN)
def hang(ctx: hw.SyncActionCtx, name: str) -> None:
    threading.Event().wait()


@hw.job(queue="narrow")
def hang_once(ctx: hw.SyncActionCtx, name: str) -> None:
    threading.Event().wait()


@hw.mutation
def enqueue(ctx: MutationCtx, name: str, fails: bool) -> None:
    jobs = ctx.jobs.with_options(on_complete=told, context=None)
    function = (act_again, act_once, count)[int(name.rpartition("-")[2]) % 3]
    if fails:
        jobs.enqueue(count, name=f"rolled back {name}")
        raise hw.ApplicationError("no")
    jobs.enqueue(function, name=name)


@hw.query
def jobs(ctx: QueryCtx) -> list[Job]:
    return ctx.db.query(hw.Jobs).collect()


@hw.query
def batch(ctx: QueryCtx, id: Id[JobBatch]) -> JobBatch | None:
    return ctx.db.get(id)


@hw.query
def states(ctx: QueryCtx) -> dict[str, str]:
    return {job["_id"]: job["state"] for job in ctx.db.query(hw.Jobs)}


@hw.query
def effects(ctx: QueryCtx) -> dict[str, int]:
    counts: dict[str, int] = {}
    for effect in ctx.db.query(Effects):
        counts[effect["name"]] = counts.get(effect["name"], 0) + 1
    return counts


@hw.query
def tellings(ctx: QueryCtx) -> list[str]:
    return [telling["of"] for telling in ctx.db.query(Tellings)]


def most_inside(db: hw.Database) -> int:
    """The most jobs of the narrow queue that were running at one commit of the history."""
    inside: set[str] = set()
    most = 0
    for entry in db.log.read(tables=["_jobs"], limit=None):
        for change in entry.changes:
            document: Any = change.after
            is_inside = document is not None and document["state"] == "running"
            if is_inside and document["queue"] == "narrow":
                inside.add(change.id)
            else:
                inside.discard(change.id)
        most = max(most, len(inside))
    return most
