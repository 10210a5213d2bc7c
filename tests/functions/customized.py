"""An application whose functions are declared with decorators of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    Table,
)

seen: list[Any] = []
"""What the providers say; tests clear it."""


class User(Document["User"]):
    subject: str
    name: str


class Users(Table[User]):
    by_subject = Index("subject", unique=True)


class UserCtx(MutationCtx):
    def __init__(self, ctx: MutationCtx, user: User) -> None:
        super().__init__(ctx)
        self.user = user


@dataclass(frozen=True)
class AdminCtx:
    inner: UserCtx
    reason: str


def user_of(ctx: QueryCtx) -> User:
    subject = hw.require_identity(ctx).subject
    user = ctx.db.query(Users).with_index(Users.by_subject, subject).unique()
    hw.require(user is not None, f"{subject} has no account", code="no_account")
    assert user is not None
    return user


def signed_in(ctx: MutationCtx) -> UserCtx:
    return UserCtx(ctx, user_of(ctx))


def logged(ctx: QueryCtx) -> Iterator[QueryCtx]:
    seen.append("begins")
    try:
        result = yield ctx
    except hw.ApplicationError as error:
        seen.append(("failed", error.data))
        raise
    seen.append(("gave", result))


def because(ctx: UserCtx, reason: str, urgent: bool = False) -> AdminCtx:
    hw.require(ctx.user["name"] == "admin", "for admins only")
    return AdminCtx(ctx, reason + "!" * urgent)


user_mutation = hw.custom(hw.mutation, signed_in)
admin_mutation = hw.custom(user_mutation, because)
logged_query = hw.custom(hw.query, logged)


@hw.mutation
def sign_up(ctx: MutationCtx, subject: str, name: str) -> Id[User]:
    return ctx.db.insert(Users, {"subject": subject, "name": name})


@user_mutation
def rename(ctx: UserCtx, name: str) -> str:
    """Takes another name."""
    ctx.db.patch(ctx.user["_id"], name=name)
    return f"{ctx.user['name']} is {name}"


@user_mutation(internal=True)
def rename_twice(ctx: UserCtx, name: str) -> list[str]:
    return [rename(ctx, name=name), rename(ctx, name + "2")]


@user_mutation
async def rename_async(ctx: UserCtx, name: str) -> str:
    return rename(ctx, name=name)


@admin_mutation
def remove(ctx: AdminCtx, user: Id[User]) -> str:
    ctx.inner.db.delete(user)
    return ctx.reason


@logged_query
def names(ctx: QueryCtx, prefix: str = "") -> list[str]:
    rows = ctx.db.query(Users).collect()
    if prefix == "?":
        raise hw.ApplicationError("which?")
    return [row["name"] for row in rows if row["name"].startswith(prefix)]


@dataclass
class Charge:
    ctx: ActionCtx
    key: str


@dataclass
class SyncCharge:
    ctx: SyncActionCtx
    key: str


async def charging(ctx: ActionCtx) -> AsyncIterator[Charge]:
    seen.append(await ctx.query(names))
    result = yield Charge(ctx, "key")
    seen.append(("charged", result))


def charging_sync(ctx: SyncActionCtx, key: str = "k") -> Iterator[SyncCharge]:
    try:
        yield SyncCharge(ctx, key)
    finally:
        seen.append("over")


async def checked(ctx: Charge) -> Charge:
    return Charge(ctx.ctx, ctx.key + "!")


charge = hw.custom(hw.action, charging)
checked_charge = hw.custom(charge, checked)
sync_charge = hw.custom(hw.action, charging_sync)


@charge
async def pay(ctx: Charge, amount: int) -> str:
    return f"{ctx.key} pays {amount} of {await ctx.ctx.query(names)}"


@checked_charge(timeout_seconds=5)
async def pay_checked(ctx: Charge, amount: int) -> str:
    return f"{ctx.key} pays {amount}"


@sync_charge
def pay_sync(ctx: SyncCharge, amount: int) -> str:
    if amount < 0:
        raise hw.ApplicationError("negative")
    return f"{ctx.key} pays {amount}"
