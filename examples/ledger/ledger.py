"""A ledger: accounts, transfers by double entry, and balances that follow from the entries.

Nothing here ever adds to a balance by hand. A transfer writes two entries whose sum is 0; the
balances are a projection of the entries, brought forward in the same transaction, and the
statements are one of them that is made a moment later, from the log.
"""

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, ProjectionState, QueryCtx, Table

WORLD = "world"
"""Where money comes from; the one account that may owe."""


class Account(Document["Account"]):
    name: str


class Accounts(Table[Account]):
    by_name = Index("name", unique=True)


class Entry(Document["Entry"]):
    account: Id[Account]
    other: Id[Account]
    cents: int
    memo: str


class Entries(Table[Entry]):
    by_account = Index("account")


class Balance(Document["Balance"]):
    account: Id[Account]
    cents: int


class Balances(Table[Balance]):
    by_account = Index("account", unique=True)


class Line(Document["Line"]):
    account: Id[Account]
    number: int
    cents: int
    balance: int
    memo: str


class Lines(Table[Line]):
    by_account = Index("account", "number", unique=True)


# What follows from the entries --------------------------------------------------------------------


@hw.projection(into=[Balances], of=[Entries])
def balances(state: ProjectionState, event: hw.Change) -> None:
    """The sum of the entries of each account, true at every commit."""
    for entry, sign in ((event.before, -1), (event.after, 1)):
        if entry is None:
            continue
        row = state.query(Balances).with_index(Balances.by_account, entry["account"]).unique()
        if row is None:
            state.insert(Balances, {"account": entry["account"], "cents": sign * entry["cents"]})
        else:
            state.patch(row["_id"], cents=row["cents"] + sign * entry["cents"])


@hw.projection(into=[Lines], of=[Entries], feed="later")
def statements(state: ProjectionState, event: hw.Change) -> None:
    """Every entry of an account with the balance after it. Entries are never changed."""
    entry = event.after
    if event.kind != "insert" or entry is None:
        raise hw.ApplicationError({"code": "ENTRY_CHANGED", "entry": event.id})
    lines = state.query(Lines).with_index(Lines.by_account, entry["account"])
    last = lines.order("desc").first()
    state.insert(
        Lines,
        {
            "account": entry["account"],
            "number": last["number"] + 1 if last else 1,
            "cents": entry["cents"],
            "balance": (last["balance"] if last else 0) + entry["cents"],
            "memo": entry["memo"],
        },
    )


# What can be done ---------------------------------------------------------------------------------


def balance_of(ctx: QueryCtx, account: Id[Account]) -> int:
    row = ctx.db.query(Balances).with_index(Balances.by_account, account).unique()
    return row["cents"] if row else 0


@hw.mutation
def open_account(ctx: MutationCtx, name: str) -> Id[Account]:
    """The account of that name, made if there is none."""
    account = ctx.db.query(Accounts).with_index(Accounts.by_name, name).unique()
    return account["_id"] if account else ctx.db.insert(Accounts, {"name": name})


@hw.mutation
def transfer(
    ctx: MutationCtx, source: Id[Account], target: Id[Account], cents: int, memo: str
) -> None:
    """Move money: two entries, whose sum is 0. Only the world may owe."""
    payer = ctx.db.get(source)
    if payer is None or ctx.db.get(target) is None or source == target:
        raise hw.ApplicationError({"code": "NO_SUCH_PAIR"})
    if cents <= 0:
        raise hw.ApplicationError({"code": "NOTHING_TO_MOVE", "cents": cents})
    if payer["name"] != WORLD and balance_of(ctx, source) < cents:
        raise hw.ApplicationError({"code": "NOT_ENOUGH", "balance": balance_of(ctx, source)})
    entry = {"account": source, "other": target, "cents": -cents, "memo": memo}
    ctx.db.insert(Entries, entry)
    ctx.db.insert(Entries, {**entry, "account": target, "other": source, "cents": cents})


# What can be seen ---------------------------------------------------------------------------------


@hw.query
def overview(ctx: QueryCtx) -> dict[str, int]:
    """The balance of every account by its name, in cents."""
    accounts = ctx.db.query(Accounts).with_index(Accounts.by_name)
    return {account["name"]: balance_of(ctx, account["_id"]) for account in accounts}


@hw.query
def statement(ctx: QueryCtx, account: Id[Account], limit: int = 20) -> list[Line]:
    """The newest lines of an account's statement, newest first."""
    return ctx.db.query(Lines).with_index(Lines.by_account, account).order("desc").take(limit)


@hw.query
def sums(ctx: QueryCtx) -> dict[str, int]:
    """The sum of all entries and that of all balances: always the same, and always 0."""
    return {
        "entries": sum(entry["cents"] for entry in ctx.db.query(Entries)),
        "balances": sum(row["cents"] for row in ctx.db.query(Balances)),
    }
