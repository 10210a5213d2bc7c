"""Writes in a mutation."""

from typing import assert_type

from accepted.chat import Channel, Channels, Message, Messages, latest

from headwater import MISSING, Id, MutationCtx, QueryCtx, Writer


def write(ctx: MutationCtx, channel: Id[Channel], message: Id[Message]) -> None:
    assert_type(ctx.db, Writer)
    assert_type(ctx.db.insert(Channels, {"name": "general"}), Id[Channel])
    many = [{"channel": channel, "author": "Ada", "body": str(n), "stars": n} for n in range(3)]
    assert_type(ctx.db.insert_many(Messages, many), list[Id[Message]])
    ctx.db.patch(message, body="new", kind=MISSING)
    ctx.db.patch(message, {"body": "new", "with-dash": 1}, stars=2)
    found = ctx.db.get(message)
    if found is not None:
        found["body"] = found["body"].upper()
        ctx.db.replace(message, found)
        ctx.db.replace(found["_id"], {**found, "stars": found["stars"] + 1})
        ctx.db.insert(Messages, {"author": "x", "body": "y", "stars": 1, "channel": channel})
    ctx.db.delete(message)
    assert_type(through_a_query_context(ctx, channel), int)
    assert_type(latest(ctx, channel=channel), list[Message])


def through_a_query_context(ctx: QueryCtx, channel: Id[Channel]) -> int:
    """A mutation's context is a query's context too."""
    return len(latest(ctx, channel))


def as_text(channel: Id[Channel]) -> str:
    """An id is a string to those who want a string."""
    return channel.upper() + f"{channel}" + channel
