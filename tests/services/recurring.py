"""An application in which things happen again and again."""

from typing import Any

import headwater as hw
from headwater import Document, MutationCtx, QueryCtx, SyncActionCtx, Table


class Tick(Document["Tick"]):
    label: str
    at: float


class Ticks(Table[Tick]):
    pass


@hw.mutation
def tick(ctx: MutationCtx, label: str = "tick") -> None:
    ctx.db.insert(Ticks, {"label": label, "at": ctx.now})


@hw.mutation
def tick_and_fail(ctx: MutationCtx) -> None:
    ctx.db.insert(Ticks, {"label": "failed", "at": ctx.now})
    raise hw.ApplicationError("no")


@hw.action
def act(ctx: SyncActionCtx, label: str) -> None:
    ctx.mutate(tick, label)


@hw.mutation
def register_and_fail(ctx: MutationCtx) -> None:
    ctx.crons.register("dropped", hw.IntervalSchedule(hours=1), tick)
    raise hw.ApplicationError("no")


@hw.mutation
def delete_itself(ctx: MutationCtx) -> None:
    tick(ctx, "last")
    ctx.crons.delete("itself")


@hw.action
def delete_itself_by_an_action(ctx: SyncActionCtx) -> None:
    ctx.crons.delete("itself")


@hw.query
def ticks(ctx: QueryCtx) -> list[str]:
    return [one["label"] for one in ctx.db.query(Ticks)]


@hw.query
def runs(ctx: QueryCtx, name: str) -> list[Any]:
    return list(ctx.db.query(hw.CronRuns).with_index(hw.CronRuns.by_name, name).collect())
