"""The verbs for asyncio do what the others do, and hold up no event loop.

Goal: each way that a call may take gives the same outcome, on the thread that it should run on.
Method: functions that say which thread they run on, and a committer that is held still.
"""

import asyncio
import threading
from typing import Any

import pytest
from tests.functions import asynchronous
from tests.laws.batches import WAIT_SECONDS, Held
from tests.laws.clocks import SlowClock, StillClock

import headwater as hw

SHORT = 3  # runs after which a mutation goes in turn


@pytest.fixture
def db() -> Any:
    with hw.open(None, modules=[asynchronous], clock=StillClock()) as database:
        yield database


def bounded(coroutine: Any) -> Any:
    """What a coroutine gives, within a bound, so that a failure ends."""

    async def run() -> Any:
        return await asyncio.wait_for(coroutine, WAIT_SECONDS)

    return asyncio.run(run())


def test_only_a_query_that_has_proved_quick_runs_on_the_thread_of_the_loop(db: hw.Database) -> None:
    here = threading.get_ident()
    assert bounded(db.aio.query(asynchronous.thread_of_query)) != here, "nobody knows it yet"
    assert bounded(db.aio.query(asynchronous.thread_of_query)) == here
    with hw.open(None, modules=[asynchronous], clock=SlowClock()) as slow:
        for _ in range(3):
            assert bounded(slow.aio.query(asynchronous.thread_of_query)) != here


def test_a_mutation_never_runs_on_the_thread_of_the_loop(db: hw.Database) -> None:
    for _ in range(SHORT + 2):
        outcome = bounded(db.aio.mutate(asynchronous.thread_of_mutation))
        assert outcome != threading.get_ident()


def test_both_kinds_are_called_by_their_path(db: hw.Database) -> None:
    assert bounded(db.aio.call("asynchronous:putInto", {"table": "notes"})) == 1
    assert bounded(db.aio.call("asynchronous:countOf", {"table": "notes"})) == 1
    threads = [bounded(db.aio.call("asynchronous:threadOfQuery")) for _ in range(2)]
    assert threads[1] == threading.get_ident(), "a quick query, and no mutation"
    with pytest.raises(hw.FunctionNotFoundError):
        bounded(db.aio.call("asynchronous:nothing"))


def test_commits_are_undone_and_documents_restored(db: hw.Database) -> None:
    note = db.transact(lambda tx: tx.insert("notes", {"text": "x"}))
    inserted = db.ts
    assert bounded(db.aio.undo(inserted)) == db.ts
    assert db.get(note) is None
    assert bounded(db.aio.restore(note, inserted)) == db.ts
    assert db.get(note) is not None
    with pytest.raises(hw.UsageError):
        bounded(db.aio.undo(1))


def test_a_plain_function_is_one_transaction_on_another_thread(db: hw.Database) -> None:
    def work(tx: hw.Writer) -> int:
        tx.insert("notes", {})
        tx.insert("notes", {})
        return threading.get_ident()

    assert bounded(db.aio.transact(work)) != threading.get_ident()
    with db.snapshot() as snapshot:
        assert snapshot.query("notes").count() == 2


def test_a_table_that_is_missing_in_turn_is_made_as_everywhere(db: hw.Database) -> None:
    for at in range(SHORT + 1):
        assert bounded(db.aio.mutate(asynchronous.put_into, table="known")) == at + 1
    assert bounded(db.aio.mutate(asynchronous.put_into, table="new")) == 1
    assert db.tables() == ["known", "new"]


def test_a_call_that_was_cancelled_leaves_the_ones_behind_it_their_outcome(db: hw.Database) -> None:
    for _ in range(SHORT):
        db.mutate(asynchronous.put_into, table="notes")

    async def two() -> int:
        with Held(db):
            gone, kept = [
                asyncio.create_task(db.aio.mutate(asynchronous.put_into, table="notes"))
                for _ in range(2)
            ]
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        return await kept

    assert bounded(two()) == SHORT + 2, "the cancelled one was committed all the same"


def test_a_loop_that_is_closed_is_forgotten_with_the_next_one(db: hw.Database) -> None:
    for _ in range(SHORT):
        db.mutate(asynchronous.put_into, table="notes")
    for _ in range(3):
        bounded(db.aio.mutate(asynchronous.put_into, table="notes"))
        assert len(db.aio._completions) == 1


def test_the_outcome_for_a_loop_that_is_closed_is_told_to_nobody(
    db: hw.Database, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(SHORT):
        db.mutate(asynchronous.put_into, table="notes")

    async def abandon() -> None:
        task = asyncio.create_task(db.aio.mutate(asynchronous.put_into, table="notes"))
        await asyncio.sleep(0)
        task.cancel()

    with Held(db):
        asyncio.run(abandon())
    db._store.committer.call(lambda: None)  # which it does after what was queued before
    assert db.query(asynchronous.count_of, table="notes") == SHORT + 1
    assert caplog.text == ""


# Coroutines inside of functions -----------------------------------------------------------------


def test_an_async_function_that_never_waits_gives_its_result(db: hw.Database) -> None:
    assert db.query(asynchronous.give_later, value=[1, "a"]) == [1, "a"]


def test_an_error_of_an_async_function_is_its_own(db: hw.Database) -> None:
    with pytest.raises(RuntimeError, match=r"^of its own$"):
        db.query(asynchronous.fail_later)
