"""Whatever clients do to the chat, and whenever the process dies, its rules hold."""

from collections import Counter

from examples.chat import chat

import headwater as hw
from headwater.testing import StateMachine


def no_channel_is_there_twice(db: hw.Reader) -> bool:
    names = Counter(channel["name"] for channel in db.query(chat.Channels))
    return all(count == 1 for count in names.values())


def no_message_is_nowhere(db: hw.Reader) -> bool:
    return all(db.get(message["channel"]) is not None for message in db.query(chat.Messages))


def the_index_has_every_message(db: hw.Reader) -> bool:
    found = [
        message
        for channel in db.query(chat.Channels)
        for message in db.query(chat.Messages).with_index("by_channel", channel["_id"])
    ]
    return len(found) == db.query(chat.Messages).count()


TestChat = StateMachine.from_module(
    chat,
    invariants=[no_channel_is_there_twice, no_message_is_nowhere, the_index_has_every_message],
    errors=[hw.UsageError],  # a query for fewer than no messages is refused
    steps=20,
    examples=20,
).TestCase
