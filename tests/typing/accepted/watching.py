"""Live queries."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, assert_type

from accepted import chat
from accepted.chat import Channel, Message

import headwater as hw


def iterate(db: hw.Database, channel: hw.Id[Channel]) -> None:
    with db.watch(chat.latest, channel=channel, limit=3) as live:
        assert_type(live, hw.Live[list[Message]])
        assert_type(live.next(), list[Message])
        assert_type(live.next(timeout_seconds=0.5), list[Message])
        assert_type(live.ts, int)
        for messages in live:
            assert_type(messages[0]["body"], str)
    for number in db.watch(chat.count):
        assert_type(number, int)


def show(messages: Sequence[Message]) -> None:
    print([message["body"] for message in messages])


def call_back(db: hw.Database, channel: hw.Id[Channel]) -> None:
    unsubscribe = db.watch(chat.latest, channel).on_change(print)
    assert_type(unsubscribe, Callable[[], None])
    unsubscribe()
    db.watch(chat.latest, channel).on_change(show)
    db.watch(chat.latest, channel).on_change(lambda messages: show(messages))
    db.watch(chat.count).close()


def several(db: hw.Database, channel: hw.Id[Channel]) -> None:
    latest = chat.latest.bind(channel, limit=2)
    assert_type(latest, hw.BoundQuery[list[Message]])
    assert_type(db.watch_all(latest), hw.Live[tuple[list[Message]]])
    for messages, number in db.watch_all(latest, chat.count.bind()):
        assert_type(messages, list[Message])
        assert_type(number, int)
    three = db.watch_all(latest, chat.count.bind(), latest)
    assert_type(three, hw.Live[tuple[list[Message], int, list[Message]]])
    four = db.watch_all(latest, chat.count.bind(), latest, latest).next()
    assert_type(four, tuple[list[Message], int, list[Message], list[Message]])
    assert_type(db.watch_all(*[chat.count.bind()] * 9), hw.Live[tuple[Any, ...]])


async def iterate_async(db: hw.Database, channel: hw.Id[Channel]) -> None:
    async for messages in db.aio.watch(chat.latest, channel=channel):
        assert_type(messages, list[Message])
    async with db.watch(chat.count) as live:
        async for number in live:
            assert_type(number, int)


async def call_async(db: hw.Database, channel: hw.Id[Channel]) -> None:
    assert_type(await db.aio.mutate(chat.create_channel, name="x"), hw.Id[Channel])
    assert_type(await db.aio.query(chat.latest, channel), list[Message])
    assert_type(await db.aio.call("chat:count"), Any)
    assert_type(await db.aio.transact(lambda tx: tx.get(channel)), Channel | None)
    bodies = ("a", "b", "c")
    send = (db.aio.mutate(chat.send, channel, author="Ada", body=body) for body in bodies)
    assert_type(await asyncio.gather(*send), list[hw.Id[Message]])


def main(db: hw.Database, channel: hw.Id[Channel]) -> None:
    asyncio.run(call_async(db, channel))
