"""The database from outside of functions."""

from pathlib import Path
from typing import Any, assert_type

from accepted import chat
from accepted.chat import Channel, Channels, Message, Messages

import headwater as hw


class StandingClock:
    """A clock of a test; a `hw.Clock` by its methods."""

    def now_ns(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0

    def seed(self) -> int:
        return 7

    def secret(self, count: int) -> bytes:
        return bytes(count)


def opened() -> list[hw.Database]:
    return [
        hw.open(),
        hw.open(None),
        hw.open("chat.hw", modules=[chat]),
        hw.open(Path("chat.hw"), modules=["accepted.chat", chat], durability="none"),
        hw.open(limits=hw.Limits(document_bytes=1000), clock=StandingClock(), build="later"),
        hw.open(clock=hw.SystemClock(), progress=lambda report: print(report.step, report.done)),
    ]


def call(db: hw.Database) -> None:
    general = db.mutate(chat.create_channel, name="general", topic="all")
    assert_type(general, hw.Id[Channel])
    assert_type(db.mutate(chat.send, general, "Ada", body="hi"), hw.Id[Message])
    assert_type(db.query(chat.latest, channel=general), list[Message])
    assert_type(db.query(chat.latest, general, limit=3)[0]["body"], str)
    assert_type(db.query(chat.count), int)
    assert_type(db.query(chat.channel_of, db.query(chat.latest, general)[0]["_id"]), Channel | None)
    assert_type(db.mutate(chat.welcome, name="x"), None)
    assert_type(db.call("chat:send", {"channel": general, "author": "Ada", "body": "hi"}), Any)


def by_hand(db: hw.Database, channel: hw.Id[Channel]) -> None:
    with db.snapshot() as snapshot:
        assert_type(snapshot, hw.OpenSnapshot)
        assert_type(snapshot.get(channel), Channel | None)
        assert_type(snapshot.query(Messages).with_index(Messages.by_author).take(1), list[Message])
        recent = snapshot.query(Messages).with_index("by_creation_time", gte=0.0)
        assert_type(recent.first(), Message | None)
        assert_type(snapshot.ts, int)
    with db.transaction() as tx:
        assert_type(tx, hw.OpenTransaction)
        made = tx.insert(Channels, {"name": "x"})
        tx.patch(made, topic="y")
    assert_type(tx.ts, int)
    other = db.transaction()
    other.delete(made)
    assert_type(other.commit(), int)
    db.transaction().rollback()

    def rename(tx: hw.Writer) -> str:
        tx.patch(channel, name="renamed")
        return "renamed"

    assert_type(db.transact(rename), str)
    assert_type(db.transact(lambda tx: tx.insert(Channels, {"name": "z"})), hw.Id[Channel])


def care(db: hw.Database, channel: hw.Id[Channel]) -> None:
    for revision in db.history(channel):
        assert_type(revision.ts, int)
        assert_type(revision.document, dict[str, Any] | None)
        assert_type(revision.origin.function, str)
    for problem in db.verify(progress=lambda report: print(report.total)):
        assert_type(problem.message, str)
    assert_type(db.rebuild().documents, int)
    db.wait_for_indexes()
    assert_type(db.tables(), list[str])
    assert_type(db.ts, int)
    assert_type(db.path, Path)
    with db as same:
        assert_type(same, hw.Database)
    db.close()
