"""A served database, with the verbs of one that is open here."""

from typing import assert_type

from accepted import acting, chat
from accepted.chat import Channel, Message

import headwater as hw
from headwater import Id
from headwater.reactive.live import Live


def by_verbs(channel: Id[Channel]) -> None:
    with hw.connect("http://127.0.0.1:3210", token=lambda: "fresh") as db:
        assert_type(db, hw.Client)
        assert_type(db.query(chat.latest, channel=channel), list[Message])
        assert_type(db.mutate(chat.send, channel=channel, author="a", body="b"), Id[Message])
        assert_type(db.act(acting.count, channel=channel), int)
        assert_type(db.watch(chat.latest, channel=channel), Live[list[Message]])
        db.call("chat:latest", {"channel": channel}, kind="query")


async def by_tasks(db: hw.Client, channel: Id[Channel]) -> None:
    assert_type(await db.aio.query(chat.latest, channel=channel), list[Message])
    async for messages in db.aio.watch(chat.latest, channel=channel):
        assert_type(messages, list[Message])
