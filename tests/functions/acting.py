"""An application with actions that wait for what the tests let happen."""

import asyncio
import threading
from typing import Any

import headwater as hw
from headwater import ActionCtx, Document, Id, Index, MutationCtx, QueryCtx, SyncActionCtx, Table

started = threading.Semaphore(0)
"""Released by each waiting action."""
go_on = threading.Event()
kept: list[Any] = []


class Entry(Document["Entry"]):
    text: str


class Entries(Table[Entry]):
    by_text = Index("text")


@hw.query
def texts(ctx: QueryCtx) -> list[str]:
    return [entry["text"] for entry in ctx.db.query(Entries).collect()]


@hw.mutation
def write(ctx: MutationCtx, text: str) -> Id[Entry]:
    return ctx.db.insert(Entries, {"text": text})


@hw.action
def write_two(ctx: SyncActionCtx, first: str, second: str) -> list[str]:
    ctx.mutate(write, text=first)
    between = ctx.query(texts)
    ctx.mutate(write, text=second)
    return between


@hw.action
async def write_two_async(ctx: ActionCtx, first: str, second: str) -> list[str]:
    await ctx.mutate(write, text=first)
    between = await ctx.query(texts)
    await asyncio.sleep(0)
    await ctx.mutate(write, text=second)
    return between


@hw.action
def write_and_fail(ctx: SyncActionCtx, text: str) -> None:
    ctx.mutate(write, text=text)
    raise hw.ApplicationError("after all")


@hw.action
def wait(ctx: SyncActionCtx, text: str) -> str:
    started.release()
    go_on.wait(60)
    ctx.mutate(write, text=text)
    return text


@hw.action(timeout_seconds=5)
async def wait_async(ctx: ActionCtx, text: str) -> str:
    started.release()
    await asyncio.Event().wait()
    return text


@hw.action
def outer(ctx: SyncActionCtx, text: str) -> list[str]:
    return [ctx.act(inner, text=text), *ctx.act(write_two_async, first=text, second=text)]


@hw.action
async def outer_async(ctx: ActionCtx, text: str) -> list[str]:
    return [await ctx.act(inner, text=text), *await ctx.act(write_two, first=text, second=text)]


@hw.action(internal=True)
def inner(ctx: SyncActionCtx, text: str) -> str:
    ctx.mutate(write, text=f"inner {text}")
    return f"inner {text}"


@hw.action
def keep_context(ctx: SyncActionCtx) -> None:
    kept.append(ctx)


@hw.action
def time_and_chance(ctx: SyncActionCtx) -> list[float]:
    return [ctx.now, ctx.random.random()]


@hw.action
def promise_text(ctx: SyncActionCtx) -> str:
    return 5  # type: ignore[return-value]


@hw.mutation
def act_inside(ctx: MutationCtx) -> None:
    write_two(ctx, first="", second="")  # type: ignore[operator]
