"""Webhooks: however often and in whatever order events are delivered, each has its effect once."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.asgi import ask, serve
from tests.services import paying

import headwater as hw
from headwater import testing

ENV = {"STRIPE_SECRET": paying.SECRET}


@pytest.fixture
def db():
    paying.refused.clear()
    with testing.database(paying, env=ENV) as database:
        yield database


def seconds(db):
    return db.clock.now_ns() / 1e9


def deliver(db, event, cents=1, *, path="/paid", at=None, secret=paying.SECRET):
    options = paying.delivery(event, cents, seconds(db) if at is None else at, secret)
    return ask(db.asgi(), "POST", path, **options)


def records(db):
    with db.snapshot() as snapshot:
        return snapshot.query(hw.WebhookEvents).collect()


one_delivery = st.tuples(st.integers(0, 4), st.sampled_from(["right", "forged", "old"]))


@pytest.mark.parametrize("path", ["/paid", "/paid-later"])
@given(st.lists(st.lists(one_delivery, max_size=8), max_size=4), st.sets(st.integers(0, 4)))
def test_any_order_of_any_deliveries_is_each_event_once(path, rounds, refused_at_first):
    with testing.database(paying, env=ENV) as db:
        paying.refused.clear()
        paying.refused |= {f"evt_{number}" for number in refused_at_first}
        told: Counter[str] = Counter()

        async def one(client, number, kind):
            old = 301 if kind == "old" else 0
            secret = "forged" if kind == "forged" else paying.SECRET
            options = paying.delivery(f"evt_{number}", number, seconds(db) - old, secret)
            response = await client.post(path, **options)
            is_heard = path == "/paid-later" or f"evt_{number}" not in paying.refused
            if kind == "right" and is_heard:
                assert response.status_code == 200
                told[f"evt_{number}"] += 1
            else:
                assert response.status_code == (500 if kind == "right" else 401)

        async def talk(client):
            for deliveries in rounds:
                await asyncio.gather(*(one(client, *delivery) for delivery in deliveries))
                db.run_due_jobs()
                paying.refused.clear()

        serve(db.asgi(), talk)
        db.finish_jobs()
        assert db.query(paying.paid) == {event: [int(event[-1])] for event in told}
        assert db.query(paying.events) == dict(told)


def test_a_thousand_deliveries_at_once_have_one_effect(db):
    async def talk(client):
        options = paying.delivery("evt_1", 7, seconds(db))
        posts = [client.post("/paid", **options) for _ in range(1000)]
        return await asyncio.gather(*posts)

    responses = serve(db.asgi(), talk)
    said = Counter(response.json()["status"] for response in responses)
    assert said == {"processed": 1, "repeated": 999}
    assert db.query(paying.paid) == {"evt_1": [7]}
    assert db.query(paying.events) == {"evt_1": 1000}


def test_an_event_and_its_effect_are_one_commit_that_names_the_request(db):
    response = deliver(db, "evt_1")
    (entry,) = db.log.read(tables=[paying.Payments, hw.WebhookEvents])
    assert {change.table for change in entry.changes} == {"payments", "_webhook_events"}
    assert entry.origin.function == "paying:onPaid"
    assert entry.origin.request_id == response.headers["x-request-id"]


def test_what_the_table_says_of_an_event(db):
    begin = db.clock.now_ns() / 1e6
    sent = seconds(db) - 10
    deliver(db, "evt_1", at=sent)
    db.clock.advance(seconds=60)
    deliver(db, "evt_1", at=sent)
    (record,) = records(db)
    assert record["path"] == "/paid"
    assert record["state"] == "done"
    assert record["deliveries"] == 2
    assert record["received_at"] == begin
    assert begin + 60_000 <= record["delivered_at"] < begin + 60_001
    assert record["sent_at"] == sent * 1000
    assert begin <= record["done_at"] < begin + 1


def test_a_handler_that_fails_leaves_nothing_and_is_tried_again(db):
    paying.refused.add("evt_1")
    response = deliver(db, "evt_1")
    assert response.status_code == 500
    assert "cannot bear" not in response.text
    assert (db.query(paying.paid), records(db)) == ({}, [])
    paying.refused.clear()
    assert deliver(db, "evt_1").json() == {"status": "processed"}
    assert db.query(paying.paid) == {"evt_1": [1]}


def test_a_forged_delivery_is_told_nothing(db, caplog):
    with caplog.at_level("INFO", "headwater.http"):
        response = deliver(db, "evt_1", secret="forged")
    assert response.status_code == 401
    assert response.json()["message"] == "the signature is not right"
    assert "no signature is right" in caplog.text
    assert (db.query(paying.paid), records(db)) == ({}, [])


def test_the_same_id_at_another_path_is_another_event(db):
    deliver(db, "evt_1")
    deliver(db, "evt_1", path="/also-paid")
    assert db.query(paying.paid) == {"evt_1": [1], "also evt_1": [1]}
    assert len(records(db)) == 2


def test_old_events_are_forgotten_when_new_ones_come(db):
    for number in range(5):
        deliver(db, f"evt_{number}")
    db.clock.advance(seconds=db.limits.webhook_events_seconds + 1)
    for number in range(5, 8):
        deliver(db, f"evt_{number}")
    assert {record["event_id"] for record in records(db)} == {"evt_5", "evt_6", "evt_7"}


def test_events_are_kept_as_long_as_the_limit_says(db):
    deliver(db, "evt_1")
    db.clock.advance(seconds=db.limits.webhook_events_seconds - 1)
    deliver(db, "evt_2")
    assert deliver(db, "evt_1").json() == {"status": "repeated"}


def test_the_events_can_be_watched(db):
    with db.watch(paying.events) as live:
        assert live.next() == {}
        deliver(db, "evt_1")
        assert live.next() == {"evt_1": 1}
        deliver(db, "evt_1")
        assert live.next() == {"evt_1": 2}


def test_an_application_cannot_write_the_events(db):
    deliver(db, "evt_1")
    (record,) = records(db)
    with pytest.raises(hw.DeclarationError):
        db.transact(lambda tx: tx.insert(hw.WebhookEvents, {"path": "/paid"}))
    with pytest.raises(hw.InvalidIdError):
        db.transact(lambda tx: tx.delete(record["_id"]))


def test_a_secret_in_no_setting_is_missed_before_the_first_delivery():
    with testing.database(paying) as db, pytest.raises(hw.ConfigurationMissingError):
        db.asgi()


@pytest.mark.parametrize(
    "declare",
    [
        lambda: hw.webhook("paid", verifier=hw.webhooks.github("s"))(paying.on_paid.handler),
        lambda: hw.webhook("/paid", verifier="secret")(paying.on_paid.handler),
        lambda: hw.webhook("/paid", verifier=hw.webhooks.github("s"))(lambda ctx: None),
    ],
)
def test_what_can_be_no_webhook_is_refused_where_it_is_declared(declare):
    with pytest.raises(hw.DeclarationError):
        declare()


def test_a_handler_that_waits_is_refused_where_it_is_declared():
    async def handler(ctx: hw.MutationCtx, event: hw.WebhookEvent) -> None: ...

    with pytest.raises(hw.DeclarationError, match="plain def"):
        hw.webhook("/paid", verifier=hw.webhooks.github("s"))(handler)


def test_a_verifier_of_ones_own(db):
    class Anybody:
        def verify(self, delivery: hw.webhooks.Delivery) -> hw.webhooks.Verified:
            if delivery.headers.get("X-Password") != delivery.env["STRIPE_SECRET"]:
                raise hw.SignatureInvalidError("another password")
            return hw.webhooks.Verified(delivery.body.decode())

    seen = []

    @hw.webhook("/own", verifier=Anybody())
    def on_own(ctx: hw.MutationCtx, event: hw.WebhookEvent) -> None:
        seen.append((event.id, event.text(), event.sent_at))

    from types import ModuleType

    module = ModuleType("own")
    module.on_own = on_own
    with testing.database(module, env=ENV) as own:
        app = own.asgi()
        assert ask(app, "POST", "/own", content=b"x").status_code == 401
        headers = {"X-Password": paying.SECRET}
        assert ask(app, "POST", "/own", content=b"x", headers=headers).status_code == 200
        assert ask(app, "POST", "/own", content=b"", headers=headers).status_code == 400
    assert seen == [("x", "x", None)]


# Later ------------------------------------------------------------------------------------------


def later(db, event="evt_1", **options):
    response = deliver(db, event, path="/paid-later", **options)
    assert response.status_code == 200
    return response.json()["status"]


def test_later_the_sender_is_answered_before_the_effect(db):
    assert (later(db), later(db)) == ("accepted", "repeated")
    (record,) = records(db)
    assert (record["state"], record["deliveries"], record["attempts"]) == ("pending", 2, 0)
    assert db.query(paying.paid) == {}
    assert db.run_due_jobs() == 1
    assert db.query(paying.paid) == {"evt_1": [1]}
    assert later(db) == "repeated"
    (record,) = records(db)
    assert (record["state"], record["deliveries"], record["attempts"]) == ("done", 3, 1)
    assert record.keys().isdisjoint({"body", "headers", "error"})
    assert db.finish_jobs() == 0


def test_what_is_kept_for_later_has_no_credentials(db):
    options = paying.delivery("evt_1", 1, seconds(db))
    options["headers"] |= {"Authorization": "Bearer secret", "Cookie": "secret", "X-A": "b"}
    ask(db.asgi(), "POST", "/paid-later", **options)
    (record,) = records(db)
    assert "secret" not in repr(record)
    assert ["x-a", "b"] in record["headers"]


def test_later_it_is_tried_again_as_its_policy_says(db):
    paying.refused.add("evt_1")
    later(db)
    db.run_due_jobs()
    (record,) = records(db)
    assert (record["state"], record["attempts"]) == ("pending", 1)
    assert "cannot bear" in record["error"]
    assert db.query(paying.paid) == {}
    db.clock.advance(seconds=9)
    assert db.run_due_jobs() == 0
    paying.refused.clear()
    db.clock.advance(seconds=1)
    assert db.run_due_jobs() == 1
    assert db.query(paying.paid) == {"evt_1": [1]}
    assert records(db)[0]["attempts"] == 2


def test_what_has_failed_for_good_can_be_processed_again(db):
    paying.refused.add("evt_1")
    later(db)
    assert db.finish_jobs() == paying.RETRY.attempts
    (record,) = records(db)
    assert (record["state"], record["attempts"]) == ("failed", 3)
    paying.refused.clear()
    assert db.mutate(paying.process_failed_again) == 1
    assert db.mutate(paying.process_failed_again) == 0
    db.finish_jobs()
    assert db.query(paying.paid) == {"evt_1": [1]}
    assert records(db)[0]["state"] == "done"


def test_what_has_failed_for_good_is_processed_again_if_it_is_delivered_again(db):
    paying.refused.add("evt_1")
    later(db)
    db.finish_jobs()
    paying.refused.clear()
    assert (later(db), later(db)) == ("accepted", "repeated")
    db.finish_jobs()
    assert db.query(paying.paid) == {"evt_1": [1]}


def test_an_event_whose_job_is_gone_is_processed_again_if_it_is_delivered_again(db):
    later(db)
    assert db.scheduler.cancel(records(db)[0]["job"])
    assert db.finish_jobs() == 0
    assert later(db) == "accepted"
    db.finish_jobs()
    assert db.query(paying.paid) == {"evt_1": [1]}


@pytest.mark.parametrize("options", [{"process": "soon"}, {"retry": paying.RETRY}, {"retry": 3}])
def test_a_policy_that_cannot_be_is_refused_where_it_is_declared(options):
    with pytest.raises(hw.DeclarationError):
        hw.webhook("/x", verifier=hw.webhooks.github("s"), **options)(paying.on_paid.handler)


def test_nobody_processes_an_event_by_path(db):
    later(db)
    with pytest.raises(hw.FunctionInternalError):
        db.call("paying:onPaidLater", {"event": records(db)[0]["_id"]})
