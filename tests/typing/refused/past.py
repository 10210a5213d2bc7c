"""Mistakes with earlier moments."""

from accepted import chat
from accepted.chat import Channel, Messages

import headwater as hw
from headwater import Id


def moments(db: hw.Database, channel: Id[Channel]) -> None:
    db.query(chat.count, at="yesterday")  # error: no moment
    db.query(chat.count, at=1.5)  # error: no moment
    db.get(channel, at="yesterday")  # error: no moment
    db.get(channel, 1)  # error: by name only
    db.snapshot(at=1.5)  # error: no moment
    db.snapshot(1)  # error: by name only
    db.call("chat:count", {}, at="now")  # error: no moment
    db.diff(1)  # error: one moment
    db.diff("yesterday", "today")  # error: no moments


def functions(db: hw.Database, channel: Id[Channel]) -> None:
    db.mutate(chat.create_channel, name="x", at=1)  # error: a mutation of the past
    db.query(chat.create_channel, name="x", at=1)  # error: mutation used as a query
    db.watch(chat.count, at=1)  # error: the past does not change
    with db.snapshot(at=1) as snapshot:
        snapshot.run(chat.create_channel, name="x")  # error: a mutation in a snapshot
        snapshot.run(chat.latest, channel="general")  # error: no id
        snapshot.run(chat.latest)  # error: no channel
        snapshot.run(chat.count, at=2)  # error: its moment is chosen
        snapshot.insert(Messages, {})  # error: a snapshot only reads


async def from_asyncio(db: hw.Database) -> None:
    await db.aio.query(chat.count, at="now")  # error: no moment
    await db.aio.query(chat.create_channel, name="x", at=1)  # error: mutation used as a query
