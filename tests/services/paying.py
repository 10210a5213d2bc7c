"""An application that is told of payments by webhooks."""

import hashlib
import hmac
import json
from typing import Any

import headwater as hw
from headwater import Document, Index, MutationCtx, QueryCtx, Table

SECRET = "whsec_of_the_tests"
refused: set[str] = set()
"""Events that the application cannot bear."""


class Payment(Document["Payment"]):
    event: str
    cents: int


class Payments(Table[Payment]):
    by_event = Index("event")


@hw.mutation
def pay(ctx: MutationCtx, event: str, cents: int) -> None:
    ctx.db.insert(Payments, {"event": event, "cents": cents})


@hw.query
def paid(ctx: QueryCtx) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for payment in ctx.db.query(Payments):
        found.setdefault(payment["event"], []).append(payment["cents"])
    return found


@hw.query
def events(ctx: QueryCtx) -> dict[str, int]:
    return {event["event_id"]: event["deliveries"] for event in ctx.db.query(hw.WebhookEvents)}


@hw.webhook("/paid", verifier=hw.webhooks.stripe(SECRET))
def on_paid(ctx: MutationCtx, event: hw.WebhookEvent) -> None:
    pay(ctx, event=event.id, cents=event.json()["cents"])
    if event.id in refused:
        raise KeyError("what the application cannot bear")


@hw.webhook("/also-paid", verifier=hw.webhooks.stripe(hw.webhooks.env("STRIPE_SECRET")))
def on_also_paid(ctx: MutationCtx, event: hw.WebhookEvent) -> None:
    pay(ctx, event=f"also {event.id}", cents=event.json()["cents"])


RETRY = hw.Retry(attempts=3, initial_seconds=10, base=2, jitter=0)


@hw.webhook("/paid-later", verifier=hw.webhooks.stripe(SECRET), process="later", retry=RETRY)
def on_paid_later(ctx: MutationCtx, event: hw.WebhookEvent) -> None:
    on_paid.handler(ctx, event)


@hw.mutation
def process_failed_again(ctx: MutationCtx) -> int:
    index = hw.WebhookEvents.by_state
    failed = ctx.db.query(hw.WebhookEvents).with_index(index, "failed").collect()
    return sum(on_paid_later.process_again(ctx, event["_id"]) for event in failed)


def delivery(event: str, cents: int, at_seconds: float, secret: str = SECRET) -> dict[str, Any]:
    """A delivery as the sender makes it: the arguments of a request."""
    body = json.dumps({"id": event, "cents": cents}).encode()
    signed = f"{int(at_seconds)}.".encode() + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {
        "content": body,
        "headers": {"Stripe-Signature": f"t={int(at_seconds)},v1={signature}"},
    }
