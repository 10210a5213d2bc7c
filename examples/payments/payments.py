"""A ledger of payments that is written by webhooks alone.

A payment provider tells of charges, refunds and payouts. It tells again until it is answered, so an
event comes several times, at once or later, and in any order; and anybody can send something that
looks the same. Every event moves money between accounts, by entries whose sum is 0, exactly once.
"""

from typing import Any

import headwater as hw
from headwater import (
    Document,
    Index,
    MutationCtx,
    ProjectionState,
    QueryCtx,
    Table,
    WebhookEvent,
)

CLEARING = "clearing"
"""What the provider holds for us; it cannot be less than nothing."""
SALES, FEES, BANK = "sales", "fees", "bank"


class Charge(Document["Charge"]):
    charge: str
    cents: int
    refunded: int


class Charges(Table[Charge]):
    by_charge = Index("charge", unique=True)


class Entry(Document["Entry"]):
    event: str
    account: str
    cents: int


class Entries(Table[Entry]):
    by_account = Index("account")
    by_event = Index("event")


class Balance(Document["Balance"]):
    account: str
    cents: int


class Balances(Table[Balance]):
    by_account = Index("account", unique=True)


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


# What the provider tells --------------------------------------------------------------------------


@hw.webhook("/provider", verifier=hw.webhooks.stripe(hw.webhooks.env("PROVIDER_SECRET")))
def on_event(ctx: MutationCtx, event: WebhookEvent) -> None:
    """What came too early raises, so that nothing is written, and comes again."""
    told = event.json()
    told_of: dict[str, Any] = told["data"]["object"]
    if told["type"] == "charge.succeeded":
        charged(ctx, event.id, told_of["id"], told_of["amount"], told_of["fee"])
    elif told["type"] == "charge.refunded":
        refunded(ctx, event.id, told_of["id"], told_of["amount"])
    elif told["type"] == "payout.paid":
        paid_out(ctx, event.id, told_of["amount"])


@hw.mutation(internal=True)
def charged(ctx: MutationCtx, event: str, charge: str, cents: int, fee: int) -> None:
    ctx.db.insert(Charges, {"charge": charge, "cents": cents, "refunded": 0})
    move(ctx, event, {CLEARING: cents - fee, FEES: fee, SALES: -cents})


@hw.mutation(internal=True)
def refunded(ctx: MutationCtx, event: str, charge: str, cents: int) -> None:
    found = charge_of(ctx, charge)
    if found is None:
        raise hw.ApplicationError({"code": "CHARGE_NOT_TOLD_YET", "charge": charge})
    if found["refunded"] + cents > found["cents"]:
        raise hw.ApplicationError({"code": "MORE_THAN_CHARGED", "charge": charge})
    ctx.db.patch(found["_id"], refunded=found["refunded"] + cents)
    move(ctx, event, {SALES: cents, CLEARING: -cents})


@hw.mutation(internal=True)
def paid_out(ctx: MutationCtx, event: str, cents: int) -> None:
    move(ctx, event, {BANK: cents, CLEARING: -cents})


def move(ctx: MutationCtx, event: str, amounts: dict[str, int]) -> None:
    """Write the entries of an event, unless the provider would owe."""
    if balance_of(ctx, CLEARING) + amounts.get(CLEARING, 0) < 0:
        raise hw.ApplicationError({"code": "MONEY_NOT_TOLD_YET", "event": event})
    assert sum(amounts.values()) == 0
    for account, cents in amounts.items():
        ctx.db.insert(Entries, {"event": event, "account": account, "cents": cents})


# What can be asked --------------------------------------------------------------------------------


def charge_of(ctx: QueryCtx, charge: str) -> Charge | None:
    return ctx.db.query(Charges).with_index(Charges.by_charge, charge).unique()


def balance_of(ctx: QueryCtx, account: str) -> int:
    row = ctx.db.query(Balances).with_index(Balances.by_account, account).unique()
    return row["cents"] if row else 0


@hw.query
def overview(ctx: QueryCtx) -> dict[str, int]:
    """The balance of every account."""
    return {row["account"]: row["cents"] for row in ctx.db.query(Balances)}


@hw.query
def sums(ctx: QueryCtx) -> dict[str, int]:
    """What has to be 0, and how much there is."""
    entries = ctx.db.query(Entries).collect()
    rows = ctx.db.query(Balances).collect()
    return {
        "entries": sum(entry["cents"] for entry in entries),
        "balances": sum(row["cents"] for row in rows),
        "events": len({entry["event"] for entry in entries}),
    }


@hw.query
def statement(ctx: QueryCtx, account: str, limit: int = 10) -> list[Entry]:
    """The newest entries of an account."""
    entries = ctx.db.query(Entries).with_index(Entries.by_account, account)
    return entries.order("desc").take(limit)


@hw.query
def deliveries(ctx: QueryCtx) -> dict[str, int]:
    """How many events have come, and how often they were delivered."""
    events = ctx.db.query(hw.WebhookEvents).collect()
    return {"events": len(events), "deliveries": sum(event["deliveries"] for event in events)}


@hw.http_action("/balances")
async def show_balances(ctx: hw.ActionCtx, request: hw.Request) -> hw.Response:
    all_ = await ctx.query(overview)
    wanted = request.query.get_all("account") or list(all_)
    return hw.Response.json({account: all_.get(account, 0) for account in wanted})
