"""An application as the documentation shows it; the other files use it."""

from typing import Literal, NotRequired, assert_type

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Channel(Document["Channel"]):
    name: str
    topic: NotRequired[str]


class Channels(Table[Channel]):
    by_name = Index("name", unique=True)


class Message(Document["Message"]):
    channel: Id[Channel]
    author: str
    body: str
    stars: int
    kind: NotRequired[Literal["text", "image"]]


class Messages(Table[Message]):
    by_channel = Index("channel")
    by_author = Index("author", "stars")


@hw.query
def latest(ctx: QueryCtx, channel: Id[Channel], limit: int = 50) -> list[Message]:
    """The newest messages of a channel."""
    return ctx.db.query(Messages).with_index(Messages.by_channel, channel).order("desc").take(limit)


@hw.query
def channel_of(ctx: QueryCtx, message: Id[Message]) -> Channel | None:
    found = ctx.db.get(message)
    return None if found is None else ctx.db.get(found["channel"])


@hw.query
def pages(ctx: QueryCtx, options: hw.PaginationOptions) -> hw.PaginationResult[Message]:
    return ctx.db.query(Messages).order("asc").paginate(options)


@hw.query
async def count(ctx: QueryCtx) -> int:
    return ctx.db.query(Messages).count()


@hw.query(internal=True)
def newest_author(ctx: QueryCtx, channel: Id[Channel]) -> str:
    messages = latest(ctx, channel, limit=1)
    assert_type(messages, list[Message])
    return messages[0]["author"] if messages else ""


@hw.mutation
def create_channel(ctx: MutationCtx, name: str, *, topic: str | None = None) -> Id[Channel]:
    if topic is None:
        return ctx.db.insert(Channels, {"name": name})
    return ctx.db.insert(Channels, {"name": name, "topic": topic})


@hw.mutation
def send(ctx: MutationCtx, channel: Id[Channel], author: str, body: str) -> Id[Message]:
    if ctx.db.get(channel) is None:
        raise hw.ApplicationError({"code": "NO_CHANNEL", "channel": channel})
    message = {"channel": channel, "author": author, "body": body, "stars": 0}
    return ctx.db.insert(Messages, message)


@hw.mutation(internal=True)
async def welcome(ctx: MutationCtx, name: str) -> None:
    channel = create_channel(ctx, name=name)
    assert_type(channel, Id[Channel])
    first = send(ctx, channel, author=newest_author(ctx, channel), body="welcome")
    assert_type(first, Id[Message])
    assert_type(latest(ctx, channel), list[Message])


assert_type(Channels.by_name, hw.TableIndex[Channel])
assert_type(Messages.by_channel, hw.TableIndex[Message])
