"""A result that was kept is the one that a fresh run gives."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws import application, cached, drawn
from tests.laws.batches import OtherProcess
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.recording import Recorder
from tests.laws.serializability import without_times
from tests.laws.test_live import LOOKS

import headwater as hw

LONG = hw.Limits(query_seconds=1e9, mutation_seconds=1e9, transaction_seconds=1e9)


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    """Other tests call the same functions, which note their runs."""
    cached.runs.clear()


STEPS = st.one_of(
    st.tuples(st.just("commit"), drawn.programs()),
    st.tuples(st.just("other"), drawn.programs()),
    st.tuples(st.just("look"), st.integers(0, len(LOOKS) - 1)),
    st.tuples(st.just("look"), st.integers(0, 2)),
    st.tuples(st.just("look"), st.integers(0, 2)),
)


@pytest.mark.parametrize("limits", [LONG, hw.Limits(query_seconds=1e9, mutation_seconds=1e9,
                                                    cache_bytes=3000, recent_commits=2)],
                         ids=["plenty", "tight"])  # fmt: skip
@given(drawn.seeds(), st.lists(STEPS, min_size=5, max_size=25))
def test_a_kept_result_is_never_stale(limits: hw.Limits, seeds: Any, steps: Any) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=SlowClock(), limits=limits) as db,
    ):
        recorder = Recorder(db, seeds)
        other = OtherProcess(recorder, patch)
        programs = [recorder.resolve(look) for look in LOOKS]
        for at, (kind, what) in enumerate(steps):
            if kind == "commit":
                recorder.mutate(f"t{at}", recorder.resolve(what))
            elif kind == "other":
                other.commit_now(recorder.resolve(what))
            else:
                result = db.query(application.look, program=programs[what])
                with db.snapshot() as snapshot:
                    fresh = application.run_program(snapshot, "", programs[what])
                assert without_times(result) == without_times(fresh)
        cache = db._runner.cache
        cache._dependents.check()
        assert cache._size == sum(result.size for result in cache._results.values())


def test_a_query_that_is_asked_again_is_served_without_a_run() -> None:
    with hw.open(None, modules=[cached], clock=SlowClock()) as db:
        for _ in range(6):
            db.query(cached.count_runs, group=0)
        assert len(cached.runs) < 6
        before = len(cached.runs)
        db.query(cached.count_runs, group=0)
        assert len(cached.runs) == before
        db.mutate(cached.add, group=1)
        db.query(cached.count_runs, group=0)
        assert len(cached.runs) == before, "another group is another range"
        db.mutate(cached.add, group=0)
        assert db.query(cached.count_runs, group=0) == 1
        assert len(cached.runs) == before + 1
    cached.runs.clear()


@pytest.mark.parametrize("function", ["tell_time", "draw", "tell_time_inside"])
def test_what_looked_at_the_clock_or_at_chance_is_not_kept(function: str) -> None:
    clock = SlowClock()
    with hw.open(None, modules=[cached], clock=clock) as db:
        results = [db.query(getattr(cached, function)) for _ in range(6)]
        assert len(set(results)) == 6


def test_a_result_is_the_callers_own() -> None:
    with hw.open(None, modules=[cached], clock=SlowClock()) as db:
        for _ in range(6):
            result = db.query(cached.give_list)
            assert result == [1, [2]]
            result[1].append(3)


def test_quick_queries_are_run_again() -> None:
    with hw.open(None, modules=[cached], clock=StillClock()) as db:
        for _ in range(5):
            db.query(cached.count_runs, group=0)
        assert len(cached.runs) == 5
    cached.runs.clear()


def test_the_type_of_an_argument_makes_another_query() -> None:
    with hw.open(None, modules=[cached], clock=SlowClock()) as db:
        for _ in range(4):
            for value in (1, 1.0, True, "1", b"1", hw.Int64(1), None, 0.0, -0.0):
                assert db.query(cached.tell_type, value=value) == repr(value)


def test_a_query_that_raises_raises_again() -> None:
    with hw.open(None, modules=[cached], clock=SlowClock()) as db:
        for _ in range(4):
            with pytest.raises(hw.ApplicationError):
                db.query(cached.fail_while_empty)
        db.mutate(cached.add, group=0)
        for _ in range(4):
            assert db.query(cached.fail_while_empty) == 1
