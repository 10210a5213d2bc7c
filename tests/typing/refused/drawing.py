"""Strategies, clocks and databases for tests, used wrongly."""

from accepted import chat
from accepted.chat import Channels, Messages
from hypothesis import strategies as st

import headwater as hw
from headwater import testing


def of_tables(db: hw.Database, data: st.DataObject) -> None:
    testing.documents(int, db)  # error: no table
    testing.documents(Messages, "chat.hw")  # error: no database
    testing.documents(Messages, db, dangling=False)  # error: unknown option
    testing.documents(Messages, db, using={"body": "x"})  # error: a value in place of a strategy
    testing.ids(Channels)  # error: without a database
    testing.ids(chat.latest, db)  # error: a function in place of a table
    testing.arguments(Messages, db)  # error: a table in place of a function
    testing.arguments(len)  # error: no declared function
    testing.values(str)  # error: it takes nothing
    message = data.draw(testing.documents(Messages, db))
    print(message["autor"])  # error: misspelt field
    db.query(chat.latest, channel=data.draw(testing.ids(Messages, db)))  # error: id of a message


def by_hand(clock: testing.ManualClock) -> None:
    clock.advance(5)  # error: of what unit
    clock.advance(years=1)  # error: unknown unit
    clock.set(0)  # error: no datetime
    clock.now = 3  # error: cannot be set so
    testing.database(chat, clock=hw.SystemClock())  # error: a clock that nobody sets
    testing.database(chat, path="chat.hw")  # error: it has no path
