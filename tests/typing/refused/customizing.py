"""Mistakes with decorators of one's own, and with rules."""

from accepted import customizing
from accepted.chat import Channel, Channels, Message, Messages
from accepted.customizing import KeyCtx, UserCtx

import headwater as hw
from headwater import ActionCtx, Id, MutationCtx, QueryCtx


def signed_in(ctx: MutationCtx) -> UserCtx:
    return UserCtx(ctx, "ada")


def of_text(ctx: str) -> str:
    return ctx


user_mutation = hw.custom(hw.mutation, signed_in)
hw.custom(hw.query, signed_in)  # error: a query has no MutationCtx
hw.custom(hw.mutation, of_text)  # error: no context
hw.custom(user_mutation, customizing.with_key)  # error: the provider of an action
hw.custom(signed_in, hw.mutation)  # error: the wrong way round
hw.custom(hw.mutation)  # error: no provider
user_mutation(inernal=True)  # error: no such option
customizing.known_query(record_arguments=True)  # error: an option of mutations


def use(db: hw.Database, ctx: UserCtx, plain: QueryCtx, channel: Id[Channel]) -> None:
    db.mutate(customizing.rename)  # error: an argument is missing
    db.mutate(customizing.rename, channel=channel, nam="x")  # error: misspelt
    db.mutate(customizing.rename, channel=channel, name=3)  # error: a number
    db.mutate(customizing.rename, ctx, channel=channel)  # error: the context is no argument
    db.query(customizing.rename, channel=channel)  # error: a mutation
    _number: int = db.mutate(customizing.rename, channel=channel)  # error: a string
    customizing.rename(plain, channel=channel)  # error: a query writes
    customizing.rename(ctx, name="x")  # error: an argument is missing
    _text: str = db.mutate(customizing.remove_later, channel=channel)  # error: an int
    db.act(customizing.fetch, nam="x")  # error: misspelt
    db.act(customizing.wait, seconds="x")  # error: a string


def wants_admin(ctx: QueryCtx, document: Channel) -> str:
    return "no"


def wants_message(ctx: QueryCtx, message: Message) -> bool:
    return True


async def later(ctx: QueryCtx, message: Message) -> bool:
    return True


def of_mutation(ctx: MutationCtx, message: Message) -> bool:
    return True


def three(ctx: QueryCtx, old: Message, new: Message) -> bool:
    return True


hw.rules(Channels, read=wants_message)  # error: of another table
hw.rules(Channels, read=wants_admin)  # error: no bool
hw.rules(Messages, read=later)  # error: a coroutine
hw.rules(Messages, insert=of_mutation)  # error: rules read
hw.rules(Messages, read=three)  # error: two documents
hw.rules(Messages, raed=True)  # error: misspelt
hw.rules(Messages, read="everybody")  # error: a string
hw.rules("messages", read=True)  # error: a name
hw.require()  # error: no condition
hw.require_identity("ada")  # error: no context
hw.open(None, default_access="closed")  # error: no such choice


def keyed(ctx: ActionCtx) -> KeyCtx:
    return KeyCtx("ada", "key")  # error: no context


@hw.custom(hw.query, customizing.known)  # error: the function wants another context
def of_another(ctx: UserCtx, limit: int) -> int:
    return limit


@customizing.token_action  # error: the function wants another context
def of_a_key(ctx: KeyCtx, seconds: float) -> float:
    return seconds


@customizing.key_action  # error: not an async def
def at_once(ctx: KeyCtx) -> float:
    return 1.5
