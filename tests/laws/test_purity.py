"""Functions give the same on the same snapshot, and touch nothing but the database."""

import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws import application, impure
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.recording import Recorder

import headwater as hw
from headwater.functions.purity import Pure
from headwater.storage.commit_log import Origin, encode_commit
from headwater.transactions.batch import Batch
from headwater.transactions.moment import Moment

WAYS = pytest.mark.parametrize("clock", [SlowClock, StillClock], ids=["optimistic", "in turn"])


@WAYS
@pytest.mark.parametrize("what", impure.REFUSED)
def test_a_mutation_does_no_io(what: str, clock: Any) -> None:
    with hw.open(None, modules=[impure], clock=clock()) as db:
        for _ in range(4):
            db.mutate(impure.change_world, what="")
        before = db.ts
        with pytest.raises(hw.ImpureFunctionError) as refused:
            db.mutate(impure.change_world, what=what)
        text = str(refused.value)
        assert impure.REFUSED[what][0] in text
        assert "impure:changeWorld is a mutation" in text
        assert "action" in text
        assert db.ts == before, "what it had written before is not there"


@pytest.mark.parametrize("what", impure.REFUSED)
def test_a_query_does_no_io(what: str) -> None:
    with (
        hw.open(None, modules=[impure], clock=StillClock()) as db,
        pytest.raises(hw.ImpureFunctionError, match="impure:lookAtWorld is a query"),
    ):
        db.query(impure.look_at_world, what=what)


def test_a_plain_function_of_transact_does_no_io() -> None:
    with hw.open(None, clock=StillClock()) as db:
        for _ in range(5):
            with pytest.raises(hw.ImpureFunctionError, match="is a transaction"):
                db.transact(lambda _: Path(__file__).read_text())


def test_the_block_alone_refuses_and_its_end_allows_again() -> None:
    with Pure("it", "query"), pytest.raises(hw.ImpureFunctionError, match="it is a query"):
        Path(__file__).read_text()
    assert Path(__file__).read_text()


def test_io_outside_of_a_function_is_nobodys_business() -> None:
    with hw.open(None, modules=[impure], clock=StillClock()) as db:
        db.mutate(impure.change_world, what="")
        assert Path(__file__).read_text()


@WAYS
def test_an_import_is_no_io(clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with hw.open(None, modules=[impure], clock=clock()) as db:
        for at in range(4):
            name = f"headwater_fresh_{clock.__name__}_{at}"
            (tmp_path / f"{name}.py").write_text("x = 1")
            assert db.mutate(impure.import_something, name=name) == name


@WAYS
def test_a_log_handler_is_no_io(clock: Any, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log.txt", delay=True)
    impure.log.addHandler(handler)
    impure.log.propagate = False
    try:
        with hw.open(None, modules=[impure], clock=clock()) as db:
            for at in range(4):
                with pytest.warns(UserWarning, match="text"):
                    db.mutate(impure.write_log, text=f"text {at}")
    finally:
        impure.log.removeHandler(handler)
        impure.log.propagate = True
        handler.close()
    written = (tmp_path / "log.txt").read_text()
    assert written.count("with a traceback") == 4


def test_a_module_whose_name_begins_like_logging_is_not_logging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logging_of_mine.py").write_text("def read(path):\n    return open(path).read()\n")
    monkeypatch.syspath_prepend(tmp_path)
    mine = __import__("logging_of_mine")
    wanted = ("opened a file", lambda: mine.read(__file__))
    monkeypatch.setitem(impure.REFUSED, "mine", wanted)
    with (
        hw.open(None, modules=[impure], clock=StillClock()) as db,
        pytest.raises(hw.ImpureFunctionError, match="logging_of_mine"),
    ):
        db.query(impure.look_at_world, what="mine")


def test_a_function_that_runs_while_a_module_is_imported_is_still_pure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import above the function on the stack is not one that the function does."""
    (tmp_path / "opens_while_imported.py").write_text(
        "import headwater as hw\n"
        "from tests.laws.clocks import StillClock\n"
        "with hw.open(None, clock=StillClock()) as db:\n"
        "    try:\n"
        "        db.transact(lambda tx: open(__file__).close())\n"
        "        outcome = None\n"
        "    except hw.ImpureFunctionError as refused:\n"
        "        outcome = refused\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.util.find_spec("opens_while_imported")
    assert __import__("opens_while_imported").outcome is not None


# Determinism ------------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1), st.integers(1, 5))
def test_the_same_snapshot_seed_and_time_give_the_same_bytes(seed: int, count: int) -> None:
    with hw.open(None, modules=[impure], clock=StillClock()) as db:
        db.mutate(impure.draw, count=1)
        store, outcomes = db._store, []
        call = db._runner.call("mutation", impure.draw, (), {"count": count})
        for _ in range(2):
            snapshot = store.snapshot()
            transaction = store.begin(snapshot)
            transaction.moment = Moment.fixed(now_ms=1_700_000_000_123.25, seed=seed)
            value = db._runner._execution.run(
                call.compiled, transaction, {"count": count}, call.statistics, False
            )
            batch = Batch(snapshot.ts)
            batch.append(transaction.own, Origin(function="x"), 2 * 10**18)
            changes = batch.changes()
            outcomes.append((value, [encode_commit(commit) for commit in batch.commits], changes))
            snapshot.close()
        assert outcomes[0] == outcomes[1]


def test_another_seed_gives_other_ids_and_numbers() -> None:
    outcomes = []
    for seed in (1, 2):
        with hw.open(None, modules=[impure], clock=StillClock(seed * 1000)) as db:
            outcomes.append(db.mutate(impure.draw, count=3))
    assert outcomes[0][0] != outcomes[1][0]
    assert outcomes[0][1] == outcomes[1][1]


@given(st.integers(0, 5))
def test_a_whole_run_repeats_with_its_clock(seed: int) -> None:
    logs = []
    for _ in range(2):
        with hw.open(None, modules=[application], clock=StillClock(seed)) as db:
            recorder = Recorder(db, [(0, 0), (1, 1)])
            recorder.mutate("a", [["insert", 0, 3], ["patch", recorder.cells[0], {"number": 3}]])
            logs.append(recorder.history().log)
    assert logs[0] == logs[1]


def test_creation_times_rise_inside_a_transaction_and_across() -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0)] * 20)
        for at in range(10):
            recorder.mutate(f"t{at}", [["insert", 0, 1]] * 5)
        with db.snapshot() as snapshot:
            times = [row["_creationTime"] for row in snapshot.query("cells")]
        assert times == sorted(set(times))
