"""Transactions that share a flush, and other processes that commit in between."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws import application, drawn
from tests.laws.batches import Held, OtherProcess
from tests.laws.clocks import StillClock
from tests.laws.programs import Program, run_program
from tests.laws.recording import Recorder
from tests.laws.serializability import Ran, check

import headwater as hw


def queue_all(
    recorder: Recorder, programs: list[tuple[str, Program]]
) -> list[tuple[str, Program, Any, Any]]:
    """Run the explicit programs side by side, then put all of them into one batch."""
    store = recorder.db._store
    queued = []
    with Held(recorder.db) as held:
        ran = {}
        for at, (kind, program) in enumerate(programs):
            if kind == "explicit":
                transaction = store.begin(store.snapshot())
                tables = store.writer(transaction)
                seen = run_program(tables, f"t{at}", recorder.resolve(program))
                tables.insert(application.Receipts, {"writer": f"t{at}"})
                ran[at] = (transaction, seen)
        for at, (kind, program) in enumerate(programs):
            name, program = f"t{at}", recorder.resolve(program)
            if kind == "explicit":
                transaction, seen = ran[at]
                queued.append((name, program, held.commit(transaction), seen))
            else:
                request = held.mutate(application.run, writer=name, program=program)
                queued.append((name, program, request, None))
    for transaction, _ in ran.values():
        transaction.close()
    return queued


def note(recorder: Recorder, queued: list[tuple[str, Program, Any, Any]]) -> int:
    """Record what was committed; returns how many were lost."""
    lost = 0
    for name, program, request, seen in queued:
        if isinstance(request.error, hw.ConflictError):
            lost += 1
        else:
            assert request.error is None, request.error
            recorder.ended(Ran(name, program, request.value if seen is None else seen, request.ts))
    return lost


KINDS = st.sampled_from(["explicit", "in turn"])
TWO_INSERTS_THEN_A_LOSS = (
    [(0, 0)],
    [
        ("explicit", [["insert", 0, 1]]),
        ("explicit", [["get", 0], ["insert", 0, 2]]),
    ],
    [[["patch", 0, {"number": 3}]]],
)


@given(
    drawn.seeds(),
    st.lists(st.tuples(KINDS, drawn.programs()), min_size=1, max_size=6),
    st.lists(drawn.programs(), max_size=6),
)
@example(*TWO_INSERTS_THEN_A_LOSS)
def test_a_batch_that_loses_to_another_process_is_made_again(
    seeds: Any, programs: Any, others: Any
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        recorder = Recorder(db, seeds)
        other = OtherProcess(recorder, patch)
        other.will_commit([recorder.resolve(program) for program in others])
        note(recorder, queue_all(recorder, programs))
        history = recorder.history()
        assert check(history) == []
        assert db.verify() == []
        recorder.mutate("last", [["walk", "asc", None]])
        assert check(recorder.history()) == []


@given(
    drawn.seeds(),
    st.lists(st.tuples(KINDS, drawn.programs()), min_size=1, max_size=6),
    drawn.programs(),
)
def test_commits_of_another_process_are_validated_against(
    seeds: Any, programs: Any, others: Any
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        recorder = Recorder(db, seeds)
        other = OtherProcess(recorder, patch)
        stepped = [
            recorder.begin(f"s{at}", recorder.resolve(p)) for at, (_, p) in enumerate(programs)
        ]
        for one in stepped:
            one.step()
        other.commit_now(recorder.resolve(others))
        for one in stepped:
            while not one.step():
                pass
        assert check(recorder.history()) == []
        assert db.verify() == []


def test_a_batch_that_always_loses_is_made_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0)])
        other = OtherProcess(recorder, monkeypatch)
        other.will_commit([recorder.resolve([["patch", 0, {"number": 1}]])] * 100)
        queued = queue_all(recorder, [("in turn", [["get", 0], ["patch", 0, {"number": 2}]])])
        assert note(recorder, queued) == 0
        assert len(other._programs) == 96
        assert db.query(application.get_cell, cell=recorder.cells[0])["number"] == 2
        assert check(recorder.history()) == []
        assert db.verify() == []
