"""Mistakes in the arguments of functions, outside and inside of others."""

from accepted import chat
from accepted.chat import Channel, Message

import headwater as hw
from headwater import Id, MutationCtx, QueryCtx


def outside(db: hw.Database, channel: Id[Channel], message: Id[Message]) -> None:
    db.query(chat.latest, channel=channel, limit="3")  # error: argument of the wrong type
    db.query(chat.latest, channel, "3")  # error: argument of the wrong type, by position
    db.mutate(chat.create_channel, name=3)  # error: argument of the wrong type
    db.mutate(chat.create_channel, name=None)  # error: None for a str
    db.query(chat.latest)  # error: missing argument
    db.mutate(chat.send, channel=channel, author="Ada")  # error: missing argument
    db.query(chat.latest, chanel=channel)  # error: misspelt argument
    db.query(chat.latest, channel=channel, limmit=3)  # error: misspelt optional argument
    db.query(chat.latest, channel, 3, 4)  # error: one argument too many
    db.query(chat.latest, channel, channel=channel)  # error: argument given twice
    db.mutate(chat.create_channel, "general", "topic")  # error: by position, is by name only
    db.query(chat.pages, options={"numItems": 1})  # error: options without a cursor
    db.query(chat.pages, {"numItems": "1", "cursor": None})  # error: numItems is no str
    db.query(chat.latest, channel=message)  # error: id of another table
    db.query(chat.latest, message)  # error: id of another table, by position
    db.mutate(chat.send, message, author="Ada", body="hi")  # error: id of another table
    db.query(chat.latest, channel="abc")  # error: plain str for an id
    db.query(chat.latest, str(channel))  # error: plain str for an id
    db.query(chat.channel_of, channel)  # error: id of another table
    db.call("chat:send", ["Ada"])  # error: arguments of a path are a dict


def inside(ctx: QueryCtx, mutating: MutationCtx, message: Id[Message]) -> None:
    channel = chat.create_channel(mutating, name="x")
    chat.latest(ctx, channel, limit="3")  # error: argument of the wrong type
    chat.latest(ctx)  # error: missing argument
    chat.latest(channel)  # error: no context
    chat.latest(ctx, chanel=channel)  # error: misspelt argument
    chat.latest(ctx, message)  # error: id of another table
    chat.latest(ctx, "abc")  # error: plain str for an id
    chat.send(mutating, message, "Ada", "hi")  # error: id of another table
    chat.send(ctx, channel, author="Ada", body="hi")  # error: mutation called with a QueryCtx
    chat.create_channel(ctx, name="x")  # error: mutation called with a QueryCtx


def bound(db: hw.Database, channel: Id[Channel], message: Id[Message]) -> None:
    chat.latest.bind(message)  # error: id of another table
    chat.latest.bind()  # error: missing argument
    chat.latest.bind(chanel=channel)  # error: misspelt argument
    chat.latest.bind(channel, limit="3")  # error: argument of the wrong type
    db.watch_all(chat.send.bind(channel, "Ada", "hi"))  # error: a mutation cannot be watched
    db.watch_all(chat.latest)  # error: not bound
    db.watch_all(chat.latest.bind("abc"))  # error: plain str for an id
