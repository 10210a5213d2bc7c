"""Decorators of one's own, and rules."""

from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import assert_type

from accepted.chat import Channel, Channels, Message, Messages

import headwater as hw
from headwater import Action, ActionCtx, Id, Mutation, MutationCtx, Query, QueryCtx, SyncActionCtx


class UserCtx(MutationCtx):
    def __init__(self, ctx: MutationCtx, user: str) -> None:
        super().__init__(ctx)
        self.user = user


@dataclass(frozen=True)
class Plain:
    db: hw.Reader
    who: hw.Identity


@dataclass(frozen=True)
class AdminCtx:
    user: UserCtx
    reason: str


def signed_in(ctx: MutationCtx) -> UserCtx:
    return UserCtx(ctx, hw.require_identity(ctx).subject)


def known(ctx: QueryCtx) -> Plain:
    return Plain(ctx.db, hw.require_identity(ctx))


def noted(ctx: QueryCtx) -> Iterator[Plain]:
    yield known(ctx)


def timed(ctx: QueryCtx) -> Generator[QueryCtx, object, None]:
    result = yield ctx
    hw.require(result is not None)


def because(ctx: UserCtx, reason: str) -> AdminCtx:
    return AdminCtx(ctx, reason)


def checked(ctx: UserCtx) -> UserCtx:
    hw.require(ctx.user, "who are you?", code="nobody")
    return ctx


user_mutation = hw.custom(hw.mutation, signed_in)
checked_mutation = hw.custom(user_mutation, checked)
admin_mutation = hw.custom(user_mutation, because)
known_query = hw.custom(hw.query, noted)
timed_query = hw.custom(hw.query, timed)
known_mutation = hw.custom(hw.mutation, known)
internal_query = hw.custom(hw.query(internal=True), known)


@user_mutation
def rename(ctx: UserCtx, channel: Id[Channel], name: str = "") -> str:
    ctx.db.patch(channel, name=name)
    return ctx.user


@checked_mutation(internal=True, record_arguments=True)
def rename_twice(ctx: UserCtx, channel: Id[Channel], *, name: str) -> list[str]:
    assert_type(rename(ctx, channel, name), str)
    return [rename(ctx, channel=channel), rename(ctx.without_rules(), channel=channel)]


@user_mutation
async def rename_later(ctx: UserCtx, channel: Id[Channel]) -> int:
    return len(rename(ctx, channel=channel))


@admin_mutation
def remove(ctx: AdminCtx, channel: Id[Channel]) -> str:
    ctx.user.db.delete(channel)
    return ctx.reason


@admin_mutation(internal=True)
async def remove_later(ctx: AdminCtx, channel: Id[Channel]) -> int:
    return len(remove(ctx.user, channel=channel, reason=ctx.reason))


@known_query
def channels(ctx: Plain, limit: int) -> list[Channel]:
    return ctx.db.query(Channels).take(limit)


@timed_query(returns=hw.v.any())
def count(ctx: QueryCtx) -> int:
    return ctx.db.without_rules().query(Channels).count()


@known_mutation
def nothing(ctx: Plain) -> None: ...


@internal_query
def who(ctx: Plain) -> str:
    return ctx.who.subject


class KeyCtx(ActionCtx):
    def __init__(self, ctx: ActionCtx, key: str) -> None:
        super().__init__(ctx)
        self.key = key


@dataclass
class SyncKey:
    ctx: SyncActionCtx


async def with_key(ctx: ActionCtx) -> KeyCtx:
    return KeyCtx(ctx, ctx.env["KEY"])


async def opened(ctx: ActionCtx) -> AsyncIterator[KeyCtx]:
    yield KeyCtx(ctx, "k")


def with_key_at_once(ctx: ActionCtx) -> KeyCtx:
    return KeyCtx(ctx, "k")


def with_sync_key(ctx: SyncActionCtx) -> Iterator[SyncKey]:
    yield SyncKey(ctx)


def by_token(ctx: SyncActionCtx, token: str) -> SyncKey:
    return SyncKey(ctx)


key_action = hw.custom(hw.action, with_key)
opened_action = hw.custom(hw.action, opened)
quick_action = hw.custom(hw.action, with_key_at_once)
sync_action = hw.custom(hw.action, with_sync_key)
token_action = hw.custom(hw.action, by_token)


@key_action
async def fetch(ctx: KeyCtx, name: str) -> bytes:
    assert_type(await ctx.query(count), int)
    return (ctx.key + name).encode()


@opened_action(timeout_seconds=3)
async def fetch_again(ctx: KeyCtx, name: str) -> bytes:
    return await ctx.act(fetch, name=name)


@quick_action
async def fetch_quickly(ctx: KeyCtx) -> str:
    return ctx.key


@sync_action
def wait(ctx: SyncKey, seconds: float) -> float:
    return seconds


@token_action(retry=hw.Retry())
def wait_longer(ctx: SyncKey, seconds: float) -> float:
    return seconds


def use(db: hw.Database, channel: Id[Channel]) -> None:
    _whole: Mutation[..., str] = rename
    _query: Query[..., int] = count
    _action: Action[..., bytes] = fetch
    assert_type(db.mutate(rename, channel=channel, name="x"), str)
    assert_type(db.mutate(rename_twice, channel, name="x"), list[str])
    assert_type(db.mutate(rename_later, channel), int)
    assert_type(db.mutate(remove, channel=channel, reason="spam"), str)
    assert_type(db.mutate(remove_later, channel=channel, reason="spam"), int)
    assert_type(db.query(channels, limit=3), list[Channel])
    assert_type(db.query(count), int)
    assert_type(db.query(who), str)
    assert_type(db.mutate(nothing), None)
    assert_type(db.act(fetch, name="x"), bytes)
    assert_type(db.act(fetch_again, "x"), bytes)
    assert_type(db.act(fetch_quickly), str)
    assert_type(db.act(wait, seconds=1.5), float)
    assert_type(db.act(wait_longer, seconds=1.5, token="t"), float)


# Rules -------------------------------------------------------------------------------------------


def can_read(ctx: QueryCtx, message: Message) -> bool:
    return ctx.identity is not None and message["author"] == ctx.identity.subject


def moves(ctx: QueryCtx, old: Message, new: Message) -> bool:
    return old["author"] == new["author"]


def anything(ctx: QueryCtx, document: object) -> bool:
    return bool(document)


made = hw.rules(Messages, read=can_read, insert=can_read, modify=moves, delete=can_read)
hw.rules(Channels, read=True, insert=anything, modify=lambda ctx, channel: channel["name"] != "")
assert_type(made, hw.AccessRules)


def open_closed() -> None:
    hw.open(None, default_access="deny").close()
