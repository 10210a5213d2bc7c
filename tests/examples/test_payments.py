"""The ledger of payments: every event once, whatever the provider does."""

import asyncio
import random
from collections import Counter

from examples.payments import payments
from examples.payments.provider import Provider, events_of_a_day
from hypothesis import given
from hypothesis import strategies as st
from tests.examples.test_examples import run
from tests.server.asgi import ask

from headwater import testing

SECRET = "whsec_of_the_provider"
ENV = {"PROVIDER_SECRET": SECRET}


def expected(events):
    """The balances after all events, in their own order."""
    balances: Counter[str] = Counter()
    for event in events:
        told = event["data"]["object"]
        cents, fee = told["amount"], told.get("fee", 0)
        if event["type"] == "charge.succeeded":
            balances.update({"clearing": cents - fee, "fees": fee, "sales": -cents})
        elif event["type"] == "charge.refunded":
            balances.update({"sales": cents, "clearing": -cents})
        else:
            balances.update({"bank": cents, "clearing": -cents})
    return dict(balances)


def provider_of(db, draw):
    return Provider(db.asgi(), SECRET, lambda: db.clock.now_ns() / 1e9, draw)


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_balances_are_those_of_each_event_once_in_order(seed, charges):
    draw = random.Random(seed)
    events = events_of_a_day(draw, "a", charges)
    with testing.database(payments, env=ENV) as db:
        provider = provider_of(db, draw)
        asyncio.run(provider.tell(events))
        assert db.query(payments.overview) == expected(events)
        assert db.query(payments.sums) == {"entries": 0, "balances": 0, "events": len(events)}
        assert provider.answers["processed"] == len(events)
        assert provider.answers["forged"] == 0
        for entry in db.log.read(tables=[payments.Entries]):
            with db.snapshot(at=entry.ts) as snapshot:
                rows = snapshot.query(payments.Balances).collect()
            assert sum(row["cents"] for row in rows) == 0
            assert all(row["cents"] >= 0 for row in rows if row["account"] == payments.CLEARING)


def test_a_refund_that_comes_before_its_charge_leaves_nothing_and_comes_again():
    charge = {"id": "ch_1", "amount": 1000, "fee": 25}
    told = {"id": "evt_1", "type": "charge.succeeded", "data": {"object": charge}}
    refund = {"id": "ch_1", "amount": 300}
    refunded = {"id": "evt_2", "type": "charge.refunded", "data": {"object": refund}}
    with testing.database(payments, env=ENV) as db:
        provider, app = provider_of(db, random.Random(1)), db.asgi()

        def tell(event):
            return ask(app, "POST", "/provider", **provider.request(event)).status_code

        assert tell(refunded) == 500
        assert db.query(payments.deliveries) == {"events": 0, "deliveries": 0}
        assert (tell(told), tell(refunded), tell(refunded)) == (200, 200, 200)
        assert db.query(payments.deliveries) == {"events": 2, "deliveries": 3}
        assert ask(app, "GET", "/balances?account=clearing&account=bank").json() == {
            "clearing": 675,
            "bank": 0,
        }


def test_the_tour_of_the_payments_shows_what_it_promises(tmp_path):
    path = tmp_path / "payments.hw"
    for _ in range(2):
        output = run("examples.payments", path)
        for fact in (
            "266 events were told.",
            "266  processed",
            "  forged, refused",
            "The entries sum up to 0, the balances to 0.",
            "0 times with another sum than 0.",
        ):
            assert fact in output, f"{fact!r} is not in:\n{output}"
        assert "  forged\n" not in output
    assert "532 events had an effect, 532 have come." in output
