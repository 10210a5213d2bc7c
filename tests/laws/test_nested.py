"""A mutation that calls one that raises: the inner one leaves nothing, the outer goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws import application, drawn, nesting
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.programs import ModelCells, run_operation
from tests.laws.recording import Recorder
from tests.laws.serializability import without_times

import headwater as hw

FULL = [
    ["range", "by_group", [0], {}, "asc", None],
    ["range", "by_number", [], {}, "desc", None],
    ["walk", "asc", 3],
]


def nested_programs(depth: int = 3) -> st.SearchStrategy[list[Any]]:
    """Programs with blocks: ``["block", fails, program]``."""
    steps = drawn.reads() | drawn.writes() | st.sampled_from(FULL)
    if depth:
        block = st.tuples(st.just("block"), st.booleans(), st.deferred(lambda: inner)).map(list)
        inner = nested_programs(depth - 1)
        steps = steps | block
    return st.lists(steps, min_size=1, max_size=4)


def replay(documents: dict[str, Any], program: Any, trace: Iterator[Any], cells: list[str]) -> None:
    """The same program on the model; a block that fails gives the documents back."""
    for step in program:
        if step[0] == "block":
            before = dict(documents)
            replay(documents, step[2], trace, cells)
            if step[1]:
                documents.clear()
                documents.update(before)
            continue
        seen = next(trace)
        step = nesting.resolve(step, cells)
        expected = run_operation(ModelCells(documents, [seen]), "nested", step)
        assert expected == without_times(seen), step
        if step[0] == "insert":
            cells.append(seen)


@pytest.mark.parametrize("is_in_turn", [False, True], ids=["optimistic", "in turn"])
@given(drawn.seeds(), nested_programs())
def test_a_sub_transaction_that_raises_rolls_back_alone(
    is_in_turn: bool, seeds: Any, program: Any
) -> None:
    clock = StillClock() if is_in_turn else SlowClock()
    limits = hw.Limits(mutation_seconds=1e9, query_seconds=1e9)
    with hw.open(None, modules=[application, nesting], clock=clock, limits=limits) as db:
        recorder = Recorder(db, seeds)
        for _ in range(3):
            db.mutate(nesting.nest, program=[], cells=recorder.cells)
        documents: dict[str, Any] = {}
        with db.snapshot() as snapshot:
            for row in without_times(snapshot.query("cells").collect()):
                documents[row["_id"]] = row
        program = [*program, *FULL]
        nesting.trace.clear()
        db.mutate(nesting.nest, program=program, cells=recorder.cells)
        replay(documents, program, iter(list(nesting.trace)), list(recorder.cells))
        with db.snapshot() as snapshot:
            stored = without_times(snapshot.query("cells").collect())
        assert {row["_id"]: row for row in stored} == documents
        assert db.verify() == []


def test_three_deep_the_middle_one_raises() -> None:
    with hw.open(None, modules=[application, nesting], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0)])
        program = [
            ["insert", 0, 1],
            ["block", True, [["insert", 0, 2], ["block", False, [["patch", 0, {"number": 3}]]]]],
            ["range", "by_group", [0], {}, "asc", None],
        ]
        nesting.trace.clear()
        db.mutate(nesting.nest, program=program, cells=recorder.cells)
        assert [row["number"] for row in nesting.trace[-1]] == [0, 1]


def test_a_block_that_goes_over_a_limit_at_its_end_leaves_nothing() -> None:
    limits = hw.Limits(documents_written=9)
    with hw.open(None, modules=[application, nesting], clock=StillClock(), limits=limits) as db:
        db.mutate(nesting.write_too_much, outer=5, inner=5)
        assert db.query(application.total) == 5


def test_an_iteration_goes_on_over_a_block_that_was_rolled_back() -> None:
    with hw.open(None, modules=[application, nesting], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0), (0, 1), (0, 2)])
        seen = db.mutate(nesting.patch_all_and_fail, cells=recorder.cells)
        assert seen == [0, 1, 2]
        assert db.query(application.total) == 3


def test_what_a_failed_block_has_read_is_still_a_dependency() -> None:
    """That it failed depends on what it read."""
    with hw.open(None, modules=[application, nesting], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0)])
        store = db._store
        transaction = store.begin(store.snapshot())
        try:
            with transaction.nested():
                store.writer(transaction).get(recorder.cells[0])
                raise KeyError
        except KeyError:
            pass
        assert recorder.cells[0].encode() in transaction.reads.points
        transaction.close()
