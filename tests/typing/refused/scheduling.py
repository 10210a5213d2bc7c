"""Mistakes around functions that run later."""

from accepted.scheduling import remind, send

import headwater as hw
from headwater import MutationCtx, QueryCtx


@hw.query
def look(ctx: QueryCtx) -> int:
    ctx.scheduler.run_after(1, remind, "x")  # error: a query schedules nothing
    return 1


def inside(ctx: MutationCtx, db: hw.Database) -> None:
    ctx.scheduler.run_after(1, look)  # error: a query does not run later
    ctx.scheduler.run_after(1, remind, txt="x")  # error: misspelt
    ctx.scheduler.run_after(1, remind, 7)  # error: a text
    ctx.scheduler.run_after("1", remind, "x")  # error: seconds are a number
    db.scheduler.run_at(1.0, send)  # error: an argument is missing
    db.scheduler.cancel(7)  # error: no id
