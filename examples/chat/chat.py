"""A chat: its tables, and the functions that are the only way to them."""

from typing import Literal, NotRequired

import headwater as hw
from headwater import (
    Document,
    Id,
    Index,
    MutationCtx,
    PaginationOptions,
    PaginationResult,
    QueryCtx,
    Table,
)


class Channel(Document["Channel"]):  # a TypedDict: at run time a plain dict
    name: str


class Channels(Table[Channel]):  # the table "channels"
    by_name = Index("name", unique=True)


class Message(Document["Message"]):
    channel: Id[Channel]
    author: str
    body: str
    kind: NotRequired[Literal["text", "image"]]


class Messages(Table[Message]):
    by_channel = Index("channel")  # ties are broken by _creationTime, then _id


@hw.query
def latest(ctx: QueryCtx, channel: Id[Channel], limit: int = 50) -> list[Message]:
    """The newest messages of a channel, newest first."""
    return ctx.db.query(Messages).with_index(Messages.by_channel, channel).order("desc").take(limit)


@hw.query
def page(
    ctx: QueryCtx, channel: Id[Channel], options: PaginationOptions
) -> PaginationResult[Message]:
    """All messages of a channel, newest first, page by page."""
    messages = ctx.db.query(Messages).with_index(Messages.by_channel, channel)
    return messages.order("desc").paginate(options)


@hw.query
def channels(ctx: QueryCtx) -> list[Channel]:
    """All channels by name."""
    return ctx.db.query(Channels).with_index(Channels.by_name).collect()


@hw.mutation
def join(ctx: MutationCtx, name: str) -> Id[Channel]:
    """The channel of that name, made if there is none."""
    channel = ctx.db.query(Channels).with_index(Channels.by_name, name).unique()
    return channel["_id"] if channel else ctx.db.insert(Channels, {"name": name})


@hw.mutation
def send(ctx: MutationCtx, channel: Id[Channel], author: str, body: str) -> Id[Message]:
    """Say something in a channel."""
    if ctx.db.get(channel) is None:
        raise hw.ApplicationError({"code": "NO_CHANNEL", "channel": channel})
    return ctx.db.insert(Messages, {"channel": channel, "author": author, "body": body})
