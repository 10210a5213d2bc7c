"""Indexes that are filled on a thread of their own, and what was seen of conflicts.

Method: the first step of the filling is held until the database is closed, or fails.
"""

import threading
from pathlib import Path
from typing import Any, NotRequired

import pytest
from tests.laws.batches import WAIT_SECONDS

import headwater as hw
from headwater import Document, Index, Table
from headwater.errors import ConflictError
from headwater.functions import statistics
from headwater.functions.statistics import FunctionStatistics
from headwater.transactions import index_building

STEPS = hw.Limits(backfill_documents=1)


class Note(Document["Note"]):
    a: NotRequired[int]


class Notes(Table[Note]):
    by_a = Index("a", unique=True)


def module_with(*tables: Any) -> Any:
    from types import ModuleType

    module = ModuleType("notes")
    for table in tables:
        setattr(module, table.__name__, table)
    return module


def stored(path: Path, *values: int) -> Path:
    with hw.open(path) as db:
        db.transact(lambda tx: tx.insert_many("notes", [{"a": value} for value in values]))
    return path


def test_closing_does_not_wait_for_an_index_and_the_next_opening_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path / "db", *range(20))
    at_a_step, is_closed = threading.Event(), threading.Event()
    write = index_building._write
    steps: list[int] = []

    def step(store: Any, function: Any) -> Any:
        done = write(store, function)
        steps.append(done)
        at_a_step.set()
        if len(steps) == 1:
            is_closed.wait(WAIT_SECONDS)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(index_building, "_write", step)
        db = hw.open(path, modules=[module_with(Notes)], build="later", limits=STEPS)
        assert at_a_step.wait(WAIT_SECONDS)
        close = db._store.close

        def close_and_tell() -> None:
            close()
            is_closed.set()

        patch.setattr(db._store, "close", close_and_tell)
        db.close()
    assert len(steps) == 1
    assert caplog.text == ""
    with hw.open(path, modules=[module_with(Notes)], limits=STEPS) as db:
        with db.snapshot() as snapshot:
            assert len(snapshot.query(Notes).with_index(Notes.by_a).collect()) == 20
        assert db.verify() == []


def test_an_index_that_cannot_be_filled_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path / "db", 1, 1)
    with hw.open(path, modules=[module_with(Notes)], build="later") as db:
        assert db._builder is not None
        db._builder.join(WAIT_SECONDS)
        assert not db._builder.is_alive()
    assert "an index could not be filled" in caplog.text
    assert "SchemaMismatchError" in caplog.text


def test_a_database_shows_its_directory(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db") as db:
        assert repr(db) == f"<headwater.Database {str(tmp_path / 'db')!r}>"


def test_places_of_conflicts_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_PLACES_MAX", 2)
    seen = FunctionStatistics()
    for key in (1, 2, 3, 1, 3):
        seen.lost(ConflictError("", ts=1, function="f", table="notes", index="by_a", key=(key,)))
    assert {place.key: count for place, count in seen.conflicts.items()} == {"1": 2, "2": 1}
