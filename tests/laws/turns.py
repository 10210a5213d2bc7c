"""Functions that behave badly, for the tests of what runs in turn."""

import contextvars
from typing import Any

import headwater as hw
from headwater import MutationCtx

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="")
kept: list[Any] = []
database: Any = None


@hw.mutation
def insert_and_fail(ctx: MutationCtx, number: int) -> None:
    ctx.db.insert("cells", {"group": 0, "number": number, "writer": "nobody"})
    raise hw.ApplicationError("no")


@hw.mutation
def note(ctx: MutationCtx, text: str) -> str:
    return ctx.db.insert("notes", {"text": text})


@hw.mutation
def count_notes(ctx: MutationCtx) -> int:
    return ctx.db.query("notes").count()


@hw.mutation
def spin(ctx: MutationCtx, rounds: int) -> None:
    ctx.db.insert("cells", {"group": 9, "number": 9, "writer": "spinner"})
    while rounds:
        rounds -= 1


@hw.mutation
def spin_stubbornly(ctx: MutationCtx, times: int) -> int:
    ended = 0
    for _ in range(times):
        try:
            for _ in range(10**9):
                pass
        except BaseException:
            ended += 1
    return ended


@hw.mutation
def read_context(ctx: MutationCtx) -> str:
    found = who.get()
    who.set("changed inside")
    return found


@hw.mutation
def keep_context(ctx: MutationCtx) -> None:
    kept[:] = [ctx]


VERBS = (
    "mutate",
    "query",
    "call",
    "transact",
    "watch",
    "transaction",
    "snapshot",
    "history",
    "verify",
    "rebuild",
    "wait_for_indexes",
    "ts",
    "close",
)


@hw.mutation
def use_database(ctx: MutationCtx, verb: str) -> str:
    """Uses the database in the middle of a mutation of it."""
    if verb == "mutate":
        database.mutate(note, text="inside")
    elif verb == "query":
        database.query(look_at_nothing)
    elif verb == "call":
        database.call("turns:note", {"text": "inside"})
    elif verb == "transact":
        database.transact(lambda tx: tx.insert("notes", {}))
    elif verb == "watch":
        database.watch(look_at_nothing)
    elif verb == "transaction":
        with database.transaction() as tx:
            tx.insert("cells", {"group": 0, "number": 0, "writer": "inside"})
    elif verb == "snapshot":
        with database.snapshot() as snapshot:
            snapshot.query("cells").collect()
    elif verb == "history":
        database.history(ctx.db.insert("cells", {"group": 0, "number": 0, "writer": "x"}))
    elif verb in ("verify", "rebuild", "wait_for_indexes", "close"):
        getattr(database, verb)()
    elif verb == "ts":
        return str(database.ts)
    return verb


@hw.query
def look_at_nothing(ctx: hw.QueryCtx) -> None:
    return None
