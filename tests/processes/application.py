"""The application that children run: counters, numbered tickets, and receipts of what was read.

Every mutation leaves a receipt in the commit of its own, so that the log alone says in which order
they happened and what each of them saw.
"""

from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Counter(Document["Counter"]):
    name: str
    value: int


class Counters(Table[Counter]):
    by_name = Index("name", unique=True)


class Ticket(Document["Ticket"]):
    group: int
    number: int
    holder: NotRequired[str]


class Tickets(Table[Ticket]):
    by_number = Index("group", "number", unique=True)


class Receipt(Document["Receipt"]):
    writer: str
    operation: list[Any]
    seen: Any


class Receipts(Table[Receipt]):
    by_writer = Index("writer")


@hw.mutation
def bump(ctx: MutationCtx, writer: str, name: str) -> int:
    """Add one to a counter, which is made at the first time."""
    counter = ctx.db.query(Counters).with_index(Counters.by_name, name).unique()
    seen = None if counter is None else counter["value"]
    if counter is None:
        ctx.db.insert(Counters, {"name": name, "value": 1})
    else:
        ctx.db.patch(counter["_id"], value=counter["value"] + 1)
    ctx.db.insert(Receipts, {"writer": writer, "operation": ["bump", name], "seen": seen})
    return 1 if seen is None else seen + 1


@hw.mutation
def issue(ctx: MutationCtx, writer: str, group: int) -> int:
    """Insert a ticket with the number after the last one of its group: reads a range."""
    tickets = ctx.db.query(Tickets).with_index(Tickets.by_number, group).order("desc").take(2)
    seen = [ticket["number"] for ticket in tickets]
    number = seen[0] + 1 if seen else 0
    ctx.db.insert(Tickets, {"group": group, "number": number})
    ctx.db.insert(Receipts, {"writer": writer, "operation": ["issue", group], "seen": seen})
    return number


@hw.mutation
def settle(ctx: MutationCtx, writer: str, group: int) -> int:
    """Move the count of a whole group into a counter: reads all of a range, writes elsewhere."""
    seen = len(ctx.db.query(Tickets).with_index(Tickets.by_number, group).collect())
    name = f"settled {group}"
    counter = ctx.db.query(Counters).with_index(Counters.by_name, name).unique()
    if counter is None:
        ctx.db.insert(Counters, {"name": name, "value": seen})
    else:
        ctx.db.patch(counter["_id"], value=seen)
    ctx.db.insert(Receipts, {"writer": writer, "operation": ["settle", group], "seen": seen})
    return seen


@hw.mutation
def take_number(ctx: MutationCtx, group: int, number: int) -> Id[Ticket]:
    """Insert a ticket with a number that may be taken."""
    return ctx.db.insert(Tickets, {"group": group, "number": number})


@hw.query
def counters(ctx: QueryCtx) -> dict[str, int]:
    """Every counter by its name."""
    return {counter["name"]: counter["value"] for counter in ctx.db.query(Counters)}


@hw.query
def value_of(ctx: QueryCtx, name: str) -> int:
    """One counter, 0 if it was never bumped."""
    counter = ctx.db.query(Counters).with_index(Counters.by_name, name).unique()
    return 0 if counter is None else counter["value"]
