"""What the killed processes do, and what must be there afterwards.

The work of a thread is drawn from a seed, so that the parent knows it too: after a kill everything
that was acknowledged is there, and of each thread at most one step more.
"""

import random
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import headwater as hw
from headwater import Document, Index, MutationCtx, Table

THREADS = 3
LONG = "x" * 3000
"""Long enough for LMDB to put the document on pages of its own."""


class Step(NamedTuple):
    """One mutation: what it does to the pair of documents of one ticket."""

    kind: str
    ticket: str
    round: int


def steps(seed: str) -> Iterator[Step]:
    """The endless work of one thread: pairs are inserted, patched, and deleted again."""
    draw = random.Random(seed)
    alive: list[str] = []
    number = 0
    while True:
        number += 1
        kind = draw.choice(["insert", "insert", "patch", "patch", "delete", "loose"])
        if kind in ("insert", "loose") or not alive:
            kind = "loose" if kind == "loose" else "insert"
            ticket = f"{seed}/{number}"
            if kind == "insert":
                alive.append(ticket)
        else:
            ticket = draw.choice(alive)
            if kind == "delete":
                alive.remove(ticket)
        yield Step(kind, ticket, number)


def expected(done: list[Step]) -> dict[str, int]:
    """The round in which each living ticket was written last, after these steps."""
    state: dict[str, int] = {}
    for step in done:
        if step.kind == "delete":
            del state[step.ticket]
        else:
            state[step.ticket] = step.round
    return state


def loose_table(step: Step) -> str:
    """The schemaless table that a step makes."""
    return "loose_" + step.ticket.replace("/", "_").replace(" ", "_").replace("-", "_")


def declare(extra: str = "") -> ModuleType:
    """A module with the mutation of a step, and its table, perhaps with one more index."""

    class Half(Document["Half"]):
        ticket: str
        side: str
        round: int
        body: str

    class Halves(Table[Half]):
        by_ticket = Index("ticket", "side", unique=True)
        by_round = Index("round")
        if extra:
            by_extra = Index(*extra.split(","))

    @hw.mutation
    def apply(ctx: MutationCtx, kind: str, ticket: str, turn: int) -> None:
        """One step; it writes two documents."""
        body = LONG if turn % 3 == 0 else "short"
        if kind == "loose":
            table = loose_table(Step(kind, ticket, turn))
            for side in ("left", "right"):
                ctx.db.insert(table, {"ticket": ticket, "side": side, "round": turn})
            return
        found = ctx.db.query(Halves).with_index(Halves.by_ticket, ticket).collect()
        assert [half["side"] for half in found] == ([] if kind == "insert" else ["left", "right"])
        if kind == "insert":
            for side in ("left", "right"):
                ctx.db.insert(Halves, {"ticket": ticket, "side": side, "round": turn, "body": body})
        for half in found:
            if kind == "patch":
                ctx.db.patch(half["_id"], round=turn, body=body)
            else:
                ctx.db.delete(half["_id"])

    module = ModuleType("workload_module")
    module.Halves = Halves  # type: ignore[attr-defined]
    module.apply = apply  # type: ignore[attr-defined]
    return module


def stored(db: Any, prefix: str) -> dict[str, int]:
    """The round of each ticket that begins with the prefix, from the tables.

    Raises:
        AssertionError: A pair is torn.
    """
    pairs: dict[str, dict[str, int]] = {}
    with db.snapshot() as snapshot:
        for table in db.tables():
            for half in snapshot.query(table):
                if half["ticket"].startswith(prefix):
                    pairs.setdefault(half["ticket"], {})[half["side"]] = half["round"]
    for ticket, sides in pairs.items():
        assert sides.keys() == {"left", "right"}, f"{ticket} is torn: {sides}"
        assert sides["left"] == sides["right"], f"{ticket} is torn: {sides}"
    return {ticket: sides["left"] for ticket, sides in pairs.items()}


def check_acknowledged(db: Any, acknowledged: dict[str, int]) -> None:
    """Everything that each thread was told is there, and at most one step more.

    Args:
        db: The database, opened again.
        acknowledged: Number of steps by the seed of the thread.
    """
    for seed, count in acknowledged.items():
        work = steps(seed)
        done = [next(work) for _ in range(count + 1)]
        found = stored(db, f"{seed}/")
        told, more = expected(done[:-1]), expected(done)
        assert found in (told, more), (
            f"{seed}: {count} steps were acknowledged; missing or wrong: "
            f"{sorted(told.items() ^ found.items())[:6]}, next step: {done[-1]}"
        )
