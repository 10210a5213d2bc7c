"""Mistakes around a served database."""

from accepted import chat
from accepted.chat import Channel

import headwater as hw
from headwater import Id


async def by_verbs(db: hw.Client, channel: Id[Channel]) -> None:
    db.query(chat.latest)  # error: missing argument
    db.query(chat.send, channel=channel, author="a", body="b")  # error: a mutation
    db.mutate(chat.send, channel=channel, author=1, body="b")  # error: argument of a wrong type
    await db.aio.query(chat.latest, chanel=channel)  # error: misspelt argument
    db.call("chat:latest", {}, kind="view")  # error: no such kind
    db.snapshot()  # error: of an open database only
    hw.connect("http://127.0.0.1:3210", token=1)  # error: a token is text
    hw.connect()  # error: where
