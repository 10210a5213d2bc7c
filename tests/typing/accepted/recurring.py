"""Functions that run again and again."""

from collections.abc import Sequence
from typing import assert_type

import headwater as hw
from headwater import ActionCtx, MutationCtx, RegisteredCron, SyncActionCtx


@hw.mutation
def report(ctx: MutationCtx, text: str = "") -> None:
    ctx.crons.register("again", hw.IntervalSchedule(hours=2), send, missed="run_once")
    if ctx.crons.delete("again"):
        assert_type(ctx.crons.get("again"), RegisteredCron | None)


@hw.action
async def send(ctx: ActionCtx) -> None:
    await ctx.crons.register("later", hw.CronSchedule.weekly(weekday="friday"), report)
    assert_type(await ctx.crons.list(), Sequence[RegisteredCron])


@hw.action
def send_in_a_thread(ctx: SyncActionCtx) -> None:
    ctx.crons.delete("later")


crons = hw.Crons()
crons.interval("every minute", report, {"text": "x"}, minutes=1)
crons.cron("working days", "0 9 * * MON-FRI", send, tz="Europe/Zurich", missed="run_once")
crons.hourly("hourly", send_in_a_thread, minute=5)
crons.daily("daily", report, hour=3)
crons.weekly("weekly", report, weekday="sunday", hour=3)
crons.monthly("monthly", report, {"text": "x"}, day=31)


def outside(db: hw.Database) -> None:
    for cron in db.crons.list():
        print(cron["name"], cron["nextTime"], cron["schedule"]["kind"])
    with db.snapshot() as snapshot:
        runs = snapshot.query(hw.CronRuns).with_index(hw.CronRuns.by_name, "daily")
        print([run["state"] for run in runs])
