"""What a strategy draws has the type of its table; clocks and databases know theirs."""

from datetime import UTC, datetime
from typing import Any, assert_type

from accepted import chat
from accepted.chat import Channel, Channels, Message, Messages
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import headwater as hw
from headwater import Id, testing


def of_tables(db: hw.Database) -> None:
    assert_type(testing.documents(Messages, db), SearchStrategy[Message])
    assert_type(testing.documents(Channels), SearchStrategy[Channel])
    assert_type(testing.documents(Channel), SearchStrategy[Channel])
    assert_type(testing.documents("channels", db), SearchStrategy[dict[str, Any]])
    assert_type(testing.documents(hw.v.object({"a": hw.v.any()})), SearchStrategy[dict[str, Any]])
    assert_type(testing.invalid_documents(Messages, db), SearchStrategy[dict[str, Any]])
    assert_type(testing.ids(Channels, db), SearchStrategy[Id[Channel]])
    assert_type(testing.ids_of_nobody(Messages, db), SearchStrategy[Id[Message]])
    assert_type(testing.ids("channels", db), SearchStrategy[Id[Any]])
    assert_type(testing.values(), SearchStrategy[Any])


def of_functions(db: hw.Database) -> None:
    names = {"name": st.just("general")}
    assert_type(
        testing.arguments(chat.create_channel, db, using=names), SearchStrategy[dict[str, Any]]
    )
    assert_type(testing.invalid_arguments(chat.latest, db), SearchStrategy[dict[str, Any]])


def inside(data: st.DataObject) -> None:
    with testing.database(chat, "chat", seed=7, limits=hw.Limits(nesting=8)) as db:
        assert_type(db, testing.ThrowAwayDatabase)
        assert_type(db.clock, testing.ManualClock)
        message = data.draw(testing.documents(Messages, db, dangling_ids=False))
        assert_type(message["author"], str)
        written = db.transact(lambda tx: tx.insert(Messages, message))
        assert_type(db.get(written), Message | None)
        general = data.draw(testing.ids(Channels, db))
        db.query(chat.latest, channel=general)


def by_hand(clock: testing.ManualClock) -> hw.Database:
    clock.advance(days=1, seconds=0.5)
    clock.set(datetime(2024, 1, 1, tzinfo=UTC))
    assert_type(clock.now, datetime)
    return hw.open(None, clock=clock)
