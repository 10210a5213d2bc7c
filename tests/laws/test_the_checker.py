"""The checker of serializability finds what it is for: histories of a database that is weakened."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from tests.laws import application, drawn
from tests.laws.clocks import StillClock
from tests.laws.recording import Recorder
from tests.laws.serializability import History, Ran, Written, check, described, replay
from tests.laws.test_serializability import ANOMALIES, interleave

import headwater as hw
from headwater.testing import check_serializable
from headwater.transactions import committer

Weaken = Callable[[pytest.MonkeyPatch], None]


def read_committed(patch: pytest.MonkeyPatch) -> None:
    """Validate nothing."""
    patch.setattr(committer, "find_conflict", lambda *_: None)


def snapshot_isolation(patch: pytest.MonkeyPatch) -> None:
    """Validate writes against writes, and no reads."""
    _replace_validation(patch, lambda transaction, commit: (
        not transaction.own.documents.keys().isdisjoint(commit.documents)
    ))  # fmt: skip


def points_only(patch: pytest.MonkeyPatch) -> None:
    """Validate the documents that were read, and forget the ranges."""
    _replace_validation(patch, lambda transaction, commit: (
        not transaction.reads.points.isdisjoint(commit.documents)
    ))  # fmt: skip


def new_keys_only(patch: pytest.MonkeyPatch) -> None:
    """Look at where a document is now, and not at where it was: a row that left is not missed."""
    find_conflict = committer.find_conflict

    def weakened(reads: Any, commits: Iterable[Any], *rest: Any) -> Any:
        for commit in commits:
            commit._keys = tuple(keys[-1:] for keys in commit._keys)
        return find_conflict(reads, commits, *rest)

    patch.setattr(committer, "find_conflict", weakened)


def _replace_validation(patch: pytest.MonkeyPatch, is_lost: Callable[[Any, Any], bool]) -> None:
    validate = committer.Committer._validate
    current: list[Any] = []

    def remember(self: Any, request: Any, *rest: Any) -> None:
        current[:] = [request.transaction]
        validate(self, request, *rest)

    def weakened(_reads: Any, commits: Iterable[Any], *_: Any) -> Any:
        if not any(is_lost(current[0], commit) for commit in commits):
            return None
        return hw.ConflictError("lost", ts=0, function="", table="", index="", key=())

    patch.setattr(committer.Committer, "_validate", remember)
    patch.setattr(committer, "find_conflict", weakened)


def history_of(seeds: Any, transactions: Any, order: Any) -> History:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        recorder = Recorder(db, seeds)
        interleave(recorder, transactions, order)
        return recorder.history()


ADMITTED = [
    (read_committed, "lost update"),
    (read_committed, "write skew"),
    (read_committed, "phantom"),
    (read_committed, "read-only anomaly"),
    (snapshot_isolation, "write skew"),
    (snapshot_isolation, "phantom"),
    (snapshot_isolation, "phantom behind a take"),
    (snapshot_isolation, "read-only anomaly"),
    (points_only, "phantom"),
    (points_only, "phantom behind a take"),
]


@pytest.mark.parametrize(("weaken", "name"), ADMITTED)
def test_all_ways_report_an_anomaly_that_a_weakened_database_admits(
    weaken: Weaken, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(monkeypatch)
    history = history_of(*ANOMALIES[name])
    assert replay(history) is not None
    kind = name.removesuffix(" behind a take")
    for found in (described(history), history.recorded):
        assert [anomaly.kind for anomaly in check_serializable(found).anomalies] == [kind]


def test_snapshot_isolation_prevents_the_lost_update(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot_isolation(monkeypatch)
    assert check(history_of(*ANOMALIES["lost update"])) == []


@pytest.mark.parametrize("weaken", [read_committed, snapshot_isolation, points_only, new_keys_only])
def test_drawn_histories_find_each_planted_bug(
    weaken: Weaken, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(monkeypatch)
    drawing = st.tuples(
        drawn.seeds(),
        st.lists(drawn.transactions(), min_size=2, max_size=5),
        st.lists(st.integers(0, 4), max_size=16),
    )
    many = settings(max_examples=3000, derandomize=True, database=None, phases=[Phase.generate])
    try:
        found = find(drawing, lambda drew: check(history_of(*drew)) != [], settings=many)
    except NoSuchExample:
        pytest.fail("no drawn history shows the planted bug")
    assert found


# The checker alone ------------------------------------------------------------------------------


def cell(number: int, writer: str) -> dict[str, Any]:
    return {"group": 0, "number": number, "writer": writer}


def test_a_write_that_nobody_made_is_reported() -> None:
    writer = Ran("a", [["insert", 0, 1]], ["x"], 1)
    assert replay(History([writer], {1: [Written("x", cell(1, "a"))]})) is None
    assert replay(History([writer], {1: [Written("x", cell(2, "a"))]})) is not None
    assert replay(History([writer], {1: []})) is not None


def test_a_read_of_the_past_is_reported() -> None:
    log = {1: [Written("x", cell(1, "a"))], 2: [Written("x", cell(2, "b"))]}
    first = Ran("a", [["insert", 0, 1]], ["x"], 1)
    second = Ran("b", [["replace", "x", 0, 2]], [True], 2)
    old = {**cell(1, "a"), "_id": "x"}
    reader = Ran("c", [["get", "x"]], [old], 2, is_read_only=True)
    assert replay(History([first, second, reader], log)) is not None
    reader.ts = 1
    assert check(History([first, second, reader], log)) == []


def test_a_fractured_read_is_a_cycle() -> None:
    log = {
        1: [Written("x", cell(1, "a")), Written("y", cell(1, "a"))],
        2: [Written("x", cell(2, "b")), Written("y", cell(2, "b"))],
    }
    first = Ran("a", [["insert", 0, 1], ["insert", 0, 1]], ["x", "y"], 1)
    second = Ran("b", [["replace", "x", 0, 2], ["replace", "y", 0, 2]], [True, True], 2)
    old, new = {**cell(1, "a"), "_id": "x"}, {**cell(2, "b"), "_id": "y"}
    reader = Ran("c", [["get", "x"], ["get", "y"]], [old, new], 2, is_read_only=True)
    (anomaly,) = check_serializable(described(History([first, second, reader], log))).anomalies
    assert anomaly.kind == "fractured read"
    assert set(anomaly.transactions) == {"b", "c"}


def test_an_absence_is_a_dependency() -> None:
    log = {1: [Written("x", cell(1, "a"))], 2: [Written("y", cell(1, "b"))]}
    find_y = ["range", "by_group", [0], {}, "asc", None]
    first = Ran("a", [find_y, ["insert", 0, 1]], [[], "x"], 1)
    second = Ran("b", [find_y, ["insert", 0, 1]], [[], "y"], 2)
    (anomaly,) = check_serializable(described(History([first, second], log))).anomalies
    assert anomaly.kind == "phantom"
    assert set(anomaly.documents) == {"x", "y"}
