"""A function used as another kind than it was declared."""

from accepted import chat
from accepted.chat import Channel

import headwater as hw
from headwater import Id, MutationCtx, QueryCtx


def outside(db: hw.Database, channel: Id[Channel]) -> None:
    db.mutate(chat.latest, channel=channel)  # error: query used as a mutation
    db.query(chat.create_channel, name="x")  # error: mutation used as a query
    db.watch(chat.create_channel, name="x")  # error: watch on a mutation
    db.aio.watch(chat.create_channel, name="x")  # error: watch on a mutation
    db.query(len, "x")  # error: no declared function
    db.query("chat:latest", channel=channel)  # error: a path is for call()
    db.transact(chat.latest)  # error: transact takes a plain function


async def outside_async(db: hw.Database, channel: Id[Channel]) -> None:
    await db.aio.mutate(chat.latest, channel=channel)  # error: query used as a mutation
    await db.aio.query(chat.create_channel, name="x")  # error: mutation used as a query


@hw.query  # error: a query that wants to write
def writing_query(ctx: MutationCtx) -> None:
    print(ctx)


@hw.query(returns=str)  # error: a type in place of a validator
def other_result(ctx: QueryCtx) -> str:
    return str(ctx.now)


@hw.query(args={"x": int})  # error: a type in place of a validator
def other_arguments(ctx: QueryCtx, x: int) -> int:
    return x if ctx.now else 0


@hw.query  # error: no context
def without_context() -> int:
    return 1


@hw.mutation(public=True)  # error: unknown option
def optional(ctx: MutationCtx) -> None:
    print(ctx)
