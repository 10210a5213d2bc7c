"""Actions of both kinds."""

from typing import assert_type

from accepted import chat
from accepted.chat import Channel

import headwater as hw
from headwater import ActionCtx, Id, SyncActionCtx


@hw.action
async def announce(ctx: ActionCtx, channel: Id[Channel], text: str) -> int:
    await ctx.mutate(chat.send, channel=channel, author="bot", body=text)
    found = await ctx.query(chat.latest, channel=channel)
    assert_type(await ctx.act(count, channel=channel, least=2), int)
    return len(found)


@hw.action(timeout_seconds=5, internal=True)
def count(ctx: SyncActionCtx, channel: Id[Channel], *, least: int = 0) -> int:
    found = ctx.query(chat.latest, channel=channel)
    assert_type(ctx.act(announce, channel=channel, text="x"), int)
    return max(least, len(found))


class Busy(Exception): ...


@hw.action(retry=hw.Retry(attempts=3, jitter="full", non_retryable=(Busy,)))
async def ask(ctx: ActionCtx, text: str) -> str:
    raise hw.NonRetryableError({"text": text})


async def outside(db: hw.Database, channel: Id[Channel]) -> None:
    assert_type(db.act(announce, channel=channel, text="hi"), int)
    assert_type(db.start(count, channel).result(timeout_seconds=3), int)
    assert_type(await db.aio.act(announce, channel, text="hi"), int)
