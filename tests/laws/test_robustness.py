"""What one caller does wrong, or what fails once, is no end for the others."""

import asyncio
import logging
import threading
from typing import Any

import pytest
from tests.laws import application, cached, stray
from tests.laws.batches import WAIT_SECONDS, Held
from tests.laws.clocks import StillClock
from tests.laws.recording import Recorder
from tests.laws.test_in_turn import in_a_thread

import headwater as hw
from headwater.storage.commit_log import Origin
from headwater.transactions.commit_request import CommitRequest


@pytest.fixture
def db() -> Any:
    with hw.open(None, modules=[application, cached, stray], clock=StillClock()) as database:
        yield database


def test_an_end_that_cannot_be_told_is_no_end_for_the_committer(
    db: hw.Database, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: CommitRequest) -> None:
        raise RuntimeError("Event loop is closed")

    transaction = db._store.begin(db._store.snapshot())
    db._store.writer(transaction).insert("cells", {"group": 0, "number": 0, "writer": "x"})
    with Held(db) as held:
        request = CommitRequest(Origin(), transaction=transaction, when_done=fail)
        db._store.committer.submit(request)
        behind = held.mutate(application.run, writer="a", program=[])
    assert behind.error is None
    assert request.outcome() is None
    assert in_a_thread(lambda: db.mutate(application.run, writer="b", program=[])) == []
    assert "Event loop is closed" in caplog.text
    transaction.close()


def test_a_task_that_was_cancelled_and_a_loop_that_is_gone_hold_up_nobody(db: hw.Database) -> None:
    for at in range(4):
        db.mutate(application.run, writer=f"warm{at}", program=[])

    async def abandon() -> None:
        task = asyncio.create_task(
            db.aio.mutate(application.run, writer="gone", program=[["insert", 0, 1]])
        )
        await asyncio.sleep(0)
        task.cancel()

    with Held(db):
        asyncio.run(abandon())
    assert in_a_thread(lambda: db.mutate(application.run, writer="next", program=[])) == []
    assert db.query(application.total) in (0, 1)


def test_a_transaction_does_not_lose_to_the_table_that_it_made_itself(db: hw.Database) -> None:
    with db.transaction() as tx:
        assert tx.query("notes").collect() == []
        tx.insert("notes", {"text": "first"})
        assert len(tx.query("notes").collect()) == 1
    assert db.verify() == []


def test_who_saw_a_table_absent_loses_to_who_writes_into_it(db: hw.Database) -> None:
    tx = db.transaction()
    assert tx.query("notes").collect() == []
    tx.insert("notes", {"text": "first"})
    db.transact(lambda other: other.insert("notes", {"text": "no, first"}))
    with pytest.raises(hw.ConflictError):
        tx.commit()
    with db.snapshot() as snapshot:
        assert len(snapshot.query("notes").collect()) == 1


def test_who_only_writes_into_a_table_that_it_made_loses_to_nobody(db: hw.Database) -> None:
    with db.transaction() as tx:
        tx.insert("notes", {"text": "first"})
        db.transact(lambda other: other.insert("notes", {"text": "second"}))
    with db.snapshot() as snapshot:
        assert len(snapshot.query("notes").collect()) == 2


@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit", "KeyError"])
def test_a_live_query_that_ends_strangely_leaves_the_others_alive(
    db: hw.Database, kind: str
) -> None:
    good = db.watch(cached.count_runs, group=1)
    bad = db.watch(stray.end_strangely, kind=kind, group=1)
    assert good.next(WAIT_SECONDS) == 0
    assert bad.next(WAIT_SECONDS) == 0
    db.mutate(cached.add, group=1)
    assert good.next(WAIT_SECONDS) == 1
    with pytest.raises(BaseException) as ended:
        bad.next(WAIT_SECONDS)
    assert type(ended.value).__name__ == kind
    db.mutate(cached.add, group=1)
    assert good.next(WAIT_SECONDS) == 2


def test_live_queries_go_on_after_a_round_that_failed(
    db: hw.Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live = db.watch(cached.count_runs, group=1)
    assert live.next(WAIT_SECONDS) == 0
    failed = threading.Event()
    snapshot = db._store.snapshot

    def fail_once() -> Any:
        if threading.current_thread().name == "headwater-reactor" and not failed.is_set():
            failed.set()
            raise hw.DiskError("the disk is away for a moment")
        return snapshot()

    monkeypatch.setattr(db._store, "snapshot", fail_once)
    with caplog.at_level(logging.CRITICAL, "headwater"):
        db.mutate(cached.add, group=1)
        assert live.next(WAIT_SECONDS) == 1, "the last state always comes"
    assert failed.is_set()


@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit", "KeyboardInterrupt"])
def test_a_mutation_that_ends_strangely_ends_so_for_its_caller_alone(
    db: hw.Database, kind: str
) -> None:
    with Held(db) as held:
        before = held.mutate(application.run, writer="a", program=[["insert", 0, 1]])
        strange = held.mutate(stray.write_and_end_strangely, kind=kind)
        behind = held.mutate(application.run, writer="b", program=[["insert", 0, 1]])
    assert type(strange.error).__name__ == kind
    assert before.error is None
    assert behind.error is None
    assert db.query(application.total) == 2


def test_a_late_subscriber_of_a_query_that_looked_at_the_time_sees_its_own_time() -> None:
    clock = StillClock()
    with hw.open(None, modules=[cached], clock=clock) as db:
        early = db.watch(cached.tell_time)
        first = early.next(WAIT_SECONDS)
        clock.seconds += 3600
        late = db.watch(cached.tell_time)
        assert late.next(WAIT_SECONDS) > first + 3_599_000


def test_tables_of_one_writer_are_there_for_the_next(db: hw.Database) -> None:
    recorder = Recorder(db, [(0, 0)])
    for name in ("red", "green", "blue"):
        db.transact(lambda tx, name=name: tx.insert(name, {"of": recorder.cells[0]}))
    assert db.tables() == ["blue", "cells", "green", "items", "receipts", "red"]
    assert db.verify() == []
