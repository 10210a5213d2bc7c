"""A provider as bad as they are: it signs like Stripe, delivers twice, late and in any order."""

import asyncio
import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import httpx

Event: TypeAlias = dict[str, Any]

AT_ONCE = 32


def events_of_a_day(draw: random.Random, name: str, charges: int) -> list[Event]:
    """Charges, a refund for some of them, and payouts of half of what is left, in their order."""
    told: list[Event] = []
    left = 0

    def tell(kind: str, told_of: dict[str, Any]) -> None:
        told.append({"id": f"evt_{name}_{len(told)}", "type": kind, "data": {"object": told_of}})

    for number in range(charges):
        charge, amount = f"ch_{name}_{number}", draw.randint(100, 10_000)
        fee = amount // 40
        tell("charge.succeeded", {"id": charge, "amount": amount, "fee": fee})
        left += amount - fee
        if draw.random() < 0.2:
            back = min(draw.randint(1, amount), left)
            tell("charge.refunded", {"id": charge, "amount": back})
            left -= back
        if draw.random() < 0.1 and left > 1:
            tell("payout.paid", {"id": f"po_{name}_{number}", "amount": left // 2})
            left -= left // 2
    return told


class Provider:
    """Delivers events until each was accepted.

    Args:
        app: The application that is told.
        secret: What it signs with.
        now_seconds: The time.
        draw: Its whims.
    """

    def __init__(
        self, app: Any, secret: str, now_seconds: Callable[[], float], draw: random.Random
    ) -> None:
        self._app = app
        self._secret = secret
        self._now_seconds = now_seconds
        self._draw = draw
        self.answers: Counter[str] = Counter()

    def request(self, event: Event, secret: str | None = None) -> dict[str, Any]:
        """A delivery of an event, signed."""
        body = json.dumps(event).encode()
        now = int(self._now_seconds())
        key = (secret or self._secret).encode()
        signature = hmac.new(key, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        return {"content": body, "headers": {"Stripe-Signature": f"t={now},v1={signature}"}}

    async def tell(self, events: Iterable[Event]) -> None:
        """Deliver events, some twice and at once, in no order, until all were accepted."""
        waiting = {event["id"]: event for event in events}
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ledger") as client:
            while waiting:
                round_ = [
                    *waiting.values(),
                    *self._draw.sample([*waiting.values()], len(waiting) // 2),
                ]
                self._draw.shuffle(round_)
                for begin in range(0, len(round_), AT_ONCE):
                    chunk = round_[begin : begin + AT_ONCE]
                    for event_id in await asyncio.gather(*(self._one(client, e) for e in chunk)):
                        # Some were accepted, and the answer was lost on its way.
                        if event_id is not None and self._draw.random() < 0.9:
                            waiting.pop(event_id, None)

    async def _one(self, client: httpx.AsyncClient, event: Event) -> str | None:
        """Deliver an event, perhaps after somebody tried to forge it; its id if accepted."""
        if self._draw.random() < 0.1:
            forged = {**event, "data": {"object": {**event["data"]["object"], "amount": 10**9}}}
            answer = await client.post("/provider", **self.request(forged, "a guess"))
            self.answers["forged, refused" if answer.status_code == 401 else "forged"] += 1
        answer = await client.post("/provider", **self.request(event))
        if answer.status_code != 200:
            self.answers["too early"] += 1
            return None
        self.answers[answer.json()["status"]] += 1
        return str(event["id"])
