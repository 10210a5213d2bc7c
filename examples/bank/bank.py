"""A bank whose customers may overdraw one account as long as the other one covers it."""

from typing import Annotated, Literal

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table

FEE = 20
"""What it costs to take more out of a checking account than is in it."""

Kind = Literal["checking", "savings"]
Amount = Annotated[int, hw.Range(ge=1, le=100)]


class Customer(Document["Customer"]):
    name: str


class Customers(Table[Customer]): ...


class Account(Document["Account"]):
    owner: Id[Customer]
    kind: Kind
    balance: int


class Accounts(Table[Account]):
    by_owner = Index("owner", "kind", unique=True)


@hw.mutation
def join(ctx: MutationCtx, name: str) -> Id[Customer]:
    """A new customer, with two empty accounts."""
    customer = ctx.db.insert(Customers, {"name": name})
    ctx.db.insert(Accounts, {"owner": customer, "kind": "checking", "balance": 0})
    ctx.db.insert(Accounts, {"owner": customer, "kind": "savings", "balance": 0})
    return customer


@hw.mutation
def deposit(ctx: MutationCtx, customer: Id[Customer], kind: Kind, amount: Amount) -> int:
    """Put money into an account; its new balance."""
    return add(ctx, account_of(ctx, customer, kind), amount)


@hw.mutation
def withdraw(ctx: MutationCtx, customer: Id[Customer], amount: Amount) -> int:
    """Take money out of the checking account, which savings may cover; its new balance."""
    checking = account_of(ctx, customer, "checking")
    price = amount + FEE if amount > checking["balance"] else amount
    refuse_debts(ctx, customer, price)
    return add(ctx, checking, -price)


@hw.mutation
def transfer(ctx: MutationCtx, source: Id[Customer], target: Id[Customer], amount: Amount) -> int:
    """Send money from one checking account to another; the new balance of the first."""
    refuse_debts(ctx, source, amount)
    add(ctx, account_of(ctx, target, "checking"), amount)
    return add(ctx, account_of(ctx, source, "checking"), -amount)


@hw.query
def total(ctx: QueryCtx, customer: Id[Customer]) -> int:
    """What a customer has in both accounts."""
    accounts = ctx.db.query(Accounts).with_index(Accounts.by_owner, customer)
    return sum(account["balance"] for account in accounts)


# Shared -----------------------------------------------------------------------------------------


def account_of(ctx: MutationCtx, customer: Id[Customer], kind: Kind) -> Account:
    """One of the accounts of a customer."""
    accounts = ctx.db.query(Accounts).with_index(Accounts.by_owner, customer, kind)
    account = accounts.unique()
    if account is None:
        raise hw.ApplicationError({"code": "NO_CUSTOMER", "customer": customer})
    return account


def refuse_debts(ctx: MutationCtx, customer: Id[Customer], price: int) -> None:
    """Let nobody pay more than both accounts hold together."""
    if price > total(ctx, customer=customer):
        raise hw.ApplicationError({"code": "NOT_COVERED", "customer": customer, "price": price})


def add(ctx: MutationCtx, account: Account, amount: int) -> int:
    """Change the balance of an account; the new one."""
    balance = account["balance"] + amount
    ctx.db.patch(account["_id"], balance=balance)
    return balance
