"""An application that has things happen later."""

import contextlib
from typing import Any

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    SyncActionCtx,
    Table,
)


class Effect(Document["Effect"]):
    label: str


class Effects(Table[Effect]):
    by_label = Index("label")


@hw.mutation
def note(ctx: MutationCtx, label: str) -> None:
    ctx.db.insert(Effects, {"label": label})


@hw.mutation(internal=True)
def note_inside(ctx: MutationCtx, label: str) -> None:
    ctx.db.insert(Effects, {"label": f"{label} as {ctx.identity}"})


@hw.mutation
def note_and_fail(ctx: MutationCtx, label: str) -> None:
    ctx.db.insert(Effects, {"label": label})
    raise hw.ApplicationError("no")


@hw.mutation
def later(ctx: MutationCtx, seconds: float, label: str) -> Id[ScheduledFunction]:
    return ctx.scheduler.run_after(seconds, note, label=label)


@hw.mutation
def later_and_fail(ctx: MutationCtx, label: str) -> None:
    ctx.scheduler.run_after(0, note, label)
    raise hw.ApplicationError("no")


@hw.mutation
def later_but_for_a_part(ctx: MutationCtx) -> None:
    ctx.scheduler.run_after(0, note, "kept")
    with contextlib.suppress(hw.ApplicationError):
        later_and_fail(ctx, label="dropped")


@hw.mutation
def many(ctx: MutationCtx, count: int, size: int = 1) -> None:
    for _ in range(count):
        ctx.scheduler.run_after(60, note, "x" * size)


@hw.mutation
def cancel(ctx: MutationCtx, id: Id[ScheduledFunction]) -> bool:
    return ctx.scheduler.cancel(id)


@hw.mutation
def again(ctx: MutationCtx, seconds: float) -> None:
    ctx.scheduler.run_after(seconds, again, seconds=seconds)


@hw.mutation(record_arguments=True)
def note_recorded(ctx: MutationCtx, labels: list[str]) -> None:
    ctx.log.info(f"noting {len(labels)}")
    for label in labels:
        ctx.db.insert(Effects, {"label": label})
    ctx.scheduler.run_after(60, note, labels.pop())


@hw.action
async def act(ctx: ActionCtx, label: str) -> None:
    await ctx.mutate(note, f"{label} acted")
    await ctx.scheduler.run_after(0, note, f"{label} followed")


@hw.action
def act_in_a_thread(ctx: SyncActionCtx, label: str) -> None:
    ctx.mutate(note, f"{label} acted")
    ctx.scheduler.run_after(0, note, f"{label} followed")


@hw.action
def act_and_fail(ctx: SyncActionCtx, label: str) -> None:
    ctx.mutate(note, f"{label} acted")
    raise ValueError("no")


@hw.action
def cancel_itself(ctx: SyncActionCtx, label: str) -> None:
    for job in ctx.query(jobs, kind="in_progress"):
        ctx.scheduler.cancel(job["_id"])
    ctx.mutate(later, seconds=0, label=f"{label} by a mutation")
    ctx.scheduler.run_after(0, note, f"{label} by itself")


@hw.action(retry=hw.Retry(attempts=3, initial_seconds=10, jitter=0))
def act_until_it_works(ctx: SyncActionCtx, label: str, failures: int) -> None:
    ctx.mutate(note, label)
    if ctx.query(labels).count(label) <= failures:
        raise ValueError("not yet")


@hw.query
def labels(ctx: QueryCtx) -> list[str]:
    return [effect["label"] for effect in ctx.db.query(Effects)]


@hw.query
def jobs(ctx: QueryCtx, kind: str | None = None) -> list[Any]:
    query = ctx.db.query(hw.ScheduledFunctions)
    if kind is not None:
        query = query.with_index(hw.ScheduledFunctions.by_state, kind)
    return list(query.collect())


@hw.mutation
def many_now(ctx: MutationCtx, count: int) -> None:
    for number in range(count):
        ctx.scheduler.run_after(0, note, str(number))


@hw.query
def waiting(ctx: QueryCtx) -> bool:
    index = hw.ScheduledFunctions.by_state
    return ctx.db.query(hw.ScheduledFunctions).with_index(index, "pending").first() is not None
