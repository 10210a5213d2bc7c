"""Mistakes around actions."""

from accepted import acting, chat
from accepted.chat import Channel, Message

import headwater as hw
from headwater import ActionCtx, Id, QueryCtx, SyncActionCtx


async def outside(db: hw.Database, channel: Id[Channel], message: Id[Message]) -> None:
    db.act(acting.announce, channel=channel)  # error: missing argument
    db.act(acting.announce, channel=message, text="x")  # error: id of another table
    db.act(acting.announce, channel=channel, text=3)  # error: argument of the wrong type
    db.act(chat.send, channel=channel, author="a", body="b")  # error: a mutation
    db.mutate(acting.announce, channel=channel, text="x")  # error: an action
    db.query(acting.count, channel)  # error: an action
    db.start(acting.count, chanel=channel)  # error: misspelt argument
    await db.aio.act(acting.count, message)  # error: id of another table


async def inside(ctx: ActionCtx, query: QueryCtx, channel: Id[Channel]) -> None:
    ctx.db.get(channel)  # error: an action has no tables
    await ctx.query(chat.send, channel=channel, author="a", body="b")  # error: a mutation
    await ctx.mutate(chat.latest, channel=channel)  # error: a query
    await ctx.act(acting.count)  # error: missing argument
    acting.count(ctx, channel)  # error: an action is not called so
    query.act(acting.count, channel)  # error: a query calls no action


def inside_of_a_thread(ctx: SyncActionCtx, channel: Id[Channel]) -> None:
    ctx.mutate(chat.send, channel=channel, author="a")  # error: missing argument
    found: str = ctx.act(acting.count, channel)  # error: it gives an int
    print(found)


@hw.action  # error: a plain def takes a SyncActionCtx
def with_the_other_context(ctx: ActionCtx) -> None: ...


@hw.action(retry=3)  # error: a policy is more than a number
def with_a_wrong_policy(ctx: SyncActionCtx) -> None: ...


hw.Retry(attempts="3")  # error: attempts are a number
hw.Retry(jitter="half")  # error: no such jitter
hw.Retry(non_retryable=ValueError)  # error: a tuple of classes
hw.Retry(3)  # error: options are given by name


@hw.action(timeout_seconds="5")  # error: seconds are a number
def with_a_wrong_option(ctx: SyncActionCtx) -> None: ...
