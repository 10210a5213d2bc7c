"""Reads of earlier moments."""

from datetime import UTC, datetime
from typing import Any, assert_type

from accepted import chat
from accepted.chat import Channel, Message, Messages

import headwater as hw


def whole_functions(db: hw.Database, channel: hw.Id[Channel]) -> None:
    yesterday = datetime(2026, 1, 1, tzinfo=UTC)
    assert_type(db.query(chat.latest, channel=channel, at=db.ts), list[Message])
    assert_type(db.query(chat.latest, channel, limit=3, at=yesterday)[0]["body"], str)
    assert_type(db.query(chat.count, at=None), int)
    assert_type(db.call("chat:latest", {"channel": channel}, at=yesterday), Any)


async def from_asyncio(db: hw.Database, channel: hw.Id[Channel]) -> None:
    assert_type(await db.aio.query(chat.latest, channel=channel, at=db.ts), list[Message])
    assert_type(await db.aio.query(chat.latest, channel), list[Message])
    assert_type(await db.aio.call("chat:count", at=1), Any)


def one_snapshot(db: hw.Database, channel: hw.Id[Channel]) -> None:
    assert_type(db.get(channel, at=1), Channel | None)
    with db.snapshot(at=datetime.now(UTC)) as snapshot:
        assert_type(snapshot, hw.OpenSnapshot)
        assert_type(snapshot.get(channel), Channel | None)
        assert_type(snapshot.query(Messages).first(), Message | None)
        assert_type(snapshot.run(chat.latest, channel=channel, limit=3), list[Message])
        assert_type(snapshot.run(chat.count), int)


def differences(db: hw.Database) -> None:
    for change in db.diff(0, datetime.now(UTC)):
        assert_type(change, hw.DocumentChange)
        assert_type(change.table, str)
        assert_type(change.before, dict[str, Any] | None)
        assert_type(change.after, dict[str, Any] | None)
        assert_type(change.changed, dict[str, tuple[Any, Any]])
