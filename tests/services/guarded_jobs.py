"""An application with rules that schedules functions."""

import headwater as hw
from headwater import Document, Id, MutationCtx, QueryCtx, ScheduledFunction, Table


class Entry(Document["Entry"]):
    owner: str
    text: str


class Entries(Table[Entry]):
    pass


def is_own(ctx: QueryCtx, entry: Entry) -> bool:
    return ctx.identity is not None and entry["owner"] == ctx.identity.subject


hw.rules(Entries, read=is_own, insert=is_own)


@hw.mutation
def add(ctx: MutationCtx, owner: str, text: str) -> int:
    ctx.db.insert(Entries, {"owner": owner, "text": text})
    return ctx.db.query(Entries).count()


@hw.mutation(internal=True)
def add_internally(ctx: MutationCtx, owner: str, text: str) -> int:
    return add(ctx, owner=owner, text=text)


@hw.mutation
def add_later(ctx: MutationCtx, owner: str, text: str, internally: bool) -> Id[ScheduledFunction]:
    function = add_internally if internally else add
    return ctx.scheduler.run_after(60, function, owner=owner, text=text)


@hw.mutation
def cancel(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    ctx.scheduler.cancel(job)


@hw.query
def scheduled(ctx: QueryCtx) -> list[str]:
    return [job["args"]["text"] for job in ctx.db.query(hw.ScheduledFunctions).collect()]


@hw.query
def one_scheduled(ctx: QueryCtx, job: Id[ScheduledFunction]) -> bool:
    return ctx.db.get(job) is not None
