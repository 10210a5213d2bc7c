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
    several(ctx, [message])
    assert_type(through_a_query_context(ctx, channel), int)
    assert_type(latest(ctx, channel=channel), list[Message])


def several(ctx: MutationCtx, messages: list[Id[Message]]) -> None:
    """Batches: by ids, and by queries."""
    found = ctx.db.get_many(messages)
    assert_type(found, list[Message | None])
    there = [message for message in found if message is not None]
    ctx.db.patch_many({message["_id"]: {"stars": message["stars"] + 1} for message in there})
    ctx.db.patch_many({message: {"kind": MISSING} for message in messages})
    ctx.db.delete_many(messages)
    ctx.db.delete_many(message["_id"] for message in ctx.db.query(Messages))
    in_channel = ctx.db.query(Messages).filter(lambda message: message["stars"] > 3)
    assert_type(ctx.db.patch_where(in_channel, {"with-dash": 1}, stars=0), int)
    assert_type(ctx.db.delete_where(in_channel), int)


def through_a_query_context(ctx: QueryCtx, channel: Id[Channel]) -> int:
    """A mutation's context is a query's context too."""
    return len(latest(ctx, channel))


def as_text(channel: Id[Channel]) -> str:
    """An id is a string to those who want a string."""
    return channel.upper() + f"{channel}" + channel
