"""Mistakes around functions that run again and again."""

from accepted.recurring import report

import headwater as hw
from headwater import MutationCtx, QueryCtx


@hw.query
def look(ctx: QueryCtx) -> int:
    ctx.crons.delete("daily")  # error: a query changes no crons
    return 1


crons = hw.Crons()
crons.daily("daily", look)  # error: a query does not run by itself
crons.daily("daily", report, hours=3)  # error: misspelt
crons.weekly("weekly", report, weekday="Sunday")  # error: no weekday
crons.cron("cron", "0 9 * * *", report, missed="never")  # error: no choice
crons.interval("interval", report, minutes="5")  # error: minutes are a number


def inside(ctx: MutationCtx) -> None:
    ctx.crons.register("a", "0 9 * * *", report)  # error: no schedule
    ctx.crons.register("a", hw.IntervalSchedule(5), report)  # error: a unit is given by name
