"""Mutations that the committer runs by itself, one after the other."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.laws import application, turns
from tests.laws.batches import WAIT_SECONDS, Held
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.recording import Recorder
from tests.laws.serializability import check

import headwater as hw
from headwater.transactions.watchdog import Watchdog, _Overran

MODULES = [application, turns]


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What a function gives or raises, within a bound."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive(), "it hangs"
    return outcome[0]


def test_a_failing_neighbour_fails_alone() -> None:
    with hw.open(None, modules=MODULES, clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0)])
        insert = [["insert", 0, 1]]
        with Held(db) as held:
            good = held.mutate(application.run, writer="a", program=insert)
            bad = held.mutate(turns.insert_and_fail, number=7)
            twice = held.mutate(application.run, writer="a", program=insert)
            late = held.mutate(
                application.run, writer="b", program=[["range", "by_number", [], {}, "asc", None]]
            )
        assert isinstance(bad.error, hw.ApplicationError)
        assert isinstance(twice.error, hw.UniqueViolationError)
        assert good.error is None
        assert late.error is None
        assert [cell["number"] for cell in late.value[0]] == [0, 1]
        recorder.by_receipt("a", insert, good.value)
        recorder.by_receipt("b", [["range", "by_number", [], {}, "asc", None]], late.value)
        assert check(recorder.history()) == []
        assert db.verify() == []


def test_what_a_neighbour_wrote_is_seen_in_index_order() -> None:
    with hw.open(None, modules=MODULES, clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0), (0, 2), (0, 4)])
        program = [["range", "by_group", [0], {"gte": 1}, "desc", None]]
        with Held(db) as held:
            held.mutate(application.run, writer="a", program=[["insert", 0, 3]])
            patch = [["patch", recorder.cells[2], {"number": 1}]]
            held.mutate(application.run, writer="b", program=patch)
            held.mutate(application.run, writer="c", program=[["delete", recorder.cells[1]]])
            seen = held.mutate(application.run, writer="d", program=program)
        assert [cell["number"] for cell in seen.value[0]] == [3, 1]
        assert len({request.ts for request in held.requests}) == 4
        assert db.verify() == []


def test_a_new_table_in_the_middle_of_a_batch_is_there_for_those_behind_it() -> None:
    with hw.open(None, modules=MODULES, clock=StillClock()) as db:
        Recorder(db, [(0, 0)])
        store = db._store
        from headwater.transactions.system_tables import insert_table

        transaction = store.begin(store.snapshot())
        insert_table(transaction, "notes", schema=None)
        with Held(db) as held:
            before = held.mutate(turns.note, text="before")
            held.commit(transaction)
            after = held.mutate(turns.note, text="after")
            last = held.mutate(turns.count_notes)
        transaction.close()
        assert type(before.error).__name__ == "TableMissing", "the runner would create it"
        assert after.error is None
        assert last.value == 1
        assert db.tables() == ["cells", "notes", "receipts"]
        assert db.verify() == []


def test_two_who_create_the_same_table_get_one() -> None:
    with hw.open(None, modules=MODULES, clock=StillClock()) as db:
        for _ in range(3):
            db.mutate(turns.count_notes)
        threads = [
            threading.Thread(target=db.mutate, args=(turns.note, str(at))) for at in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        assert db.mutate(turns.count_notes) == 6
        assert db.tables().count("notes") == 1
        assert db.verify() == []


def test_a_loop_that_does_not_end_is_stopped_and_the_others_go_on() -> None:
    with hw.open(
        None, modules=MODULES, clock=StillClock(), limits=hw.Limits(mutation_seconds=0.5)
    ) as db:
        for _ in range(3):
            db.mutate(turns.spin, rounds=0)
        recorder = Recorder(db, [])
        with Held(db) as held:
            looping = held.mutate(turns.spin, rounds=10**9)
            behind = held.mutate(application.run, writer="a", program=[["insert", 0, 1]])
        assert isinstance(looping.error, hw.TimeLimitError)
        assert looping.error.limit == "mutation_seconds"
        assert "turns:spin" in str(looping.error)
        assert behind.error is None
        recorder.by_receipt("a", [["insert", 0, 1]], behind.value)
        assert check(recorder.history()) == []


def test_a_loop_that_swallows_its_end_is_stopped_again() -> None:
    with hw.open(
        None, modules=MODULES, clock=StillClock(), limits=hw.Limits(mutation_seconds=0.5)
    ) as db:
        with Held(db) as held:
            stubborn = held.mutate(turns.spin_stubbornly, times=2)
            behind = held.mutate(turns.note, text="x")
        assert stubborn.error is not None or stubborn.value is not None
        assert type(behind.error).__name__ in ("NoneType", "TableMissing")


def test_an_end_that_arrives_when_the_function_has_just_returned_is_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hw.open(None, modules=MODULES, clock=StillClock()) as db:
        finish, arrivals = Watchdog._finish, [_Overran()]

        def finish_late(self: Watchdog, request: Any) -> None:
            if arrivals:
                raise arrivals.pop()
            finish(self, request)

        monkeypatch.setattr(Watchdog, "_finish", finish_late)
        with Held(db) as held:
            hit = held.mutate(turns.spin, rounds=0)
            behind = held.mutate(turns.spin, rounds=0)
        assert isinstance(hit.error, hw.TimeLimitError)
        assert behind.error is None
        assert db._store.committer._watchdog._running is None


def test_closing_finishes_what_is_queued_and_refuses_the_rest() -> None:
    db = hw.open(None, modules=MODULES, clock=StillClock())
    recorder = Recorder(db, [(0, 0)])
    with Held(db) as held:
        requests = [
            held.mutate(application.run, writer=f"t{at}", program=[["insert", 0, at]])
            for at in range(5)
        ]
        closing = threading.Thread(target=db.close)
        closing.start()
    closing.join(WAIT_SECONDS)
    assert not closing.is_alive()
    for request in requests:
        assert request.error is None
        assert len(request.value) == 1
    with pytest.raises(hw.ClosedError):
        db.mutate(application.run, writer="late", program=[])
    with pytest.raises(hw.ClosedError):
        db.query(application.total)
    assert recorder.cells
    db.close()


@pytest.mark.parametrize("clock", [SlowClock, StillClock], ids=["optimistic", "in turn"])
@pytest.mark.parametrize("verb", turns.VERBS)
def test_the_database_itself_is_refused_inside_a_mutation(clock: Any, verb: str) -> None:
    db = hw.open(None, modules=MODULES, clock=clock())
    for _ in range(3):
        db.mutate(turns.use_database, verb="nothing")
    turns.database = db
    try:
        error = in_a_thread(lambda: db.mutate(turns.use_database, verb=verb))
    finally:
        turns.database = None
    assert isinstance(error, hw.UsageError), error
    assert "turns:useDatabase" in str(error)
    assert "ctx.db" in str(error)
    assert db.mutate(turns.use_database, verb="nothing") == "nothing"
    db.close()


@pytest.mark.parametrize("clock", [SlowClock, StillClock], ids=["optimistic", "in turn"])
def test_context_variables_come_along(clock: Any) -> None:
    with hw.open(None, modules=MODULES, clock=clock()) as db:
        for at in range(5):
            turns.who.set(f"caller {at}")
            assert db.mutate(turns.read_context) == f"caller {at}"
        context = contextvars.copy_context()
        context.run(turns.who.set, "another")
        assert context.run(db.mutate, turns.read_context) == "another"
        assert turns.who.get() == "caller 4", "what a function sets stays inside"


def test_a_context_is_of_no_use_after_its_end() -> None:
    """A write that can reach nobody must not look as if it had."""
    for clock in (SlowClock(), StillClock()):
        with hw.open(None, modules=MODULES, clock=clock) as db:
            for _ in range(4):
                db.mutate(turns.keep_context)
            with pytest.raises(hw.ClosedError):
                turns.kept[0].db.insert("cells", {"group": 0, "number": 0, "writer": "x"})
            with pytest.raises(hw.ClosedError):
                turns.kept[0].db.query("cells").collect()
            turns.kept.clear()
