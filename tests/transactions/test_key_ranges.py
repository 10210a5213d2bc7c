"""Goal: ``by_id`` and ``by_creation_time`` read what a sorted list would, whatever the bounds.

Method: documents at few creation times, so that bounds fall on them, between them and beyond; the
times are so early that a float tells apart more of them than an id does. Then each refusal.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.clocks import StillClock

import headwater as hw

TICK = 1 / 4096
LOWER = st.sampled_from([None, "gt", "gte"])
UPPER = st.sampled_from([None, "lt", "lte"])
ORDERS = st.sampled_from(["asc", "desc"])
COMPARE = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


@pytest.fixture(scope="module")
def db():
    clock = StillClock()
    clock.seconds = 0.0
    with hw.open(None, clock=clock) as opened:
        opened.transact(lambda tx: tx.insert("others", {}))
        for seconds in (0.0, 0.001, 5.0):
            clock.seconds = seconds
            opened.transact(lambda tx: tx.insert_many("notes", [{"n": n} for n in range(3)]))
        opened.transact(lambda tx: tx.insert("zeros", {}))
        yield opened


def rows_of(db: hw.Database) -> list[dict[str, Any]]:
    with db.snapshot() as snapshot:
        return snapshot.query("notes").collect()


def bounds_of(lower: str | None, low: Any, upper: str | None, high: Any) -> dict[str, Any]:
    given = {lower: low, upper: high}
    return {name: value for name, value in given.items() if name is not None}


@st.composite
def times(draw: st.DrawFn) -> float:
    """Beside the creation times of the documents, and far from them."""
    at = draw(st.sampled_from([0.0, 1.0, 2.0, 5000.0])) + draw(st.integers(-3, 5)) * TICK
    beside = at + draw(st.sampled_from([0.0, 0.25, -0.25])) * TICK
    far = [-1.0, 0, 2**47, 2**48, 2**60, 10**400, float("inf"), float("-inf"), 5000, hw.Int64(1)]
    return draw(st.just(beside) | st.sampled_from(far))


@given(LOWER, times(), UPPER, times(), ORDERS)
def test_a_range_of_creation_times_holds_the_documents_within_it(
    db: hw.Database, lower: Any, low: float, upper: Any, high: float, order: Any
) -> None:
    bounds = bounds_of(lower, low, upper, high)
    expected = [
        row
        for row in rows_of(db)
        if all(COMPARE[name](row["_creationTime"], bound) for name, bound in bounds.items())
    ]
    with db.snapshot() as snapshot:
        query = snapshot.query("notes").with_index("by_creation_time", **bounds)
        found = query.order(order).collect()
    assert found == (expected if order == "asc" else expected[::-1])


@given(times())
def test_one_creation_time_holds_the_documents_of_that_time(db: hw.Database, time: float) -> None:
    with db.snapshot() as snapshot:
        found = snapshot.query("notes").with_index("by_creation_time", time).collect()
    assert found == [row for row in rows_of(db) if row["_creationTime"] == time]


@st.composite
def ids(draw: st.DrawFn, db: hw.Database) -> str:
    """Ids of the table, of another one, what lies beside them, and texts that are no ids."""
    with db.snapshot() as snapshot:
        known = [row["_id"] for row in [*rows_of(db), *snapshot.query("others").collect()]]
    one = draw(st.sampled_from(known))
    beside = [one, one[:-1], one + "0", one[:10], one.upper()]
    return draw(st.sampled_from([*beside, "", "0", "zzzz", "é", "\ud800"]))


@given(st.data(), LOWER, UPPER, ORDERS)
def test_a_range_of_ids_holds_the_documents_within_it(
    db: hw.Database, data: st.DataObject, lower: Any, upper: Any, order: Any
) -> None:
    bounds = bounds_of(lower, data.draw(ids(db)), upper, data.draw(ids(db)))
    expected = [
        row
        for row in rows_of(db)
        if all(COMPARE[name](row["_id"], bound) for name, bound in bounds.items())
    ]
    with db.snapshot() as snapshot:
        found = snapshot.query("notes").with_index("by_id", **bounds).order(order).collect()
    assert found == (expected if order == "asc" else expected[::-1])


@given(st.data())
def test_one_id_is_the_document_with_it_if_it_is_of_this_table(
    db: hw.Database, data: st.DataObject
) -> None:
    id_text = data.draw(ids(db))
    with db.snapshot() as snapshot:
        found = snapshot.query("notes").with_index("by_id", id_text).collect()
    assert found == [row for row in rows_of(db) if row["_id"] == id_text]


@pytest.mark.parametrize("bound", ["1", None, True, b"1", [1.0], float("nan"), hw.MISSING])
@pytest.mark.parametrize("side", ["equal", "gt", "gte", "lt", "lte"])
def test_a_creation_time_is_a_number(db: hw.Database, side: str, bound: Any) -> None:
    equal, bounds = ((bound,), {}) if side == "equal" else ((), {side: bound})
    with (
        db.snapshot() as snapshot,
        pytest.raises(hw.IndexRangeError, match=r"notes.by_creation_time: a bound is .* number of"),
    ):
        snapshot.query("notes").with_index("by_creation_time", *equal, **bounds)


@pytest.mark.parametrize("bound", [1, None, True, b"1", 1.5])
@pytest.mark.parametrize("side", ["equal", "gt", "gte", "lt", "lte"])
def test_an_id_is_a_text(db: hw.Database, side: str, bound: Any) -> None:
    equal, bounds = ((bound,), {}) if side == "equal" else ((), {side: bound})
    with (
        db.snapshot() as snapshot,
        pytest.raises(hw.IndexRangeError, match=r"notes.by_id: a bound is .* expected an id"),
    ):
        snapshot.query("notes").with_index("by_id", *equal, **bounds)


@pytest.mark.parametrize("name", ["by_id", "by_creation_time"])
@pytest.mark.parametrize(
    ("equal", "bounds", "said"),
    [
        ((1, 2), {}, "has one field: one value, or one range of it"),
        ((1,), {"gt": 1}, "has one field: one value, or one range of it"),
        ((), {"gt": 1, "gte": 1}, "has one field: one value, or one range of it"),
        ((), {"lt": 1, "lte": 1}, "lt and lte are both given, expected one"),
    ],
)
def test_two_bounds_on_a_side_are_one_too_many(
    db: hw.Database, name: str, equal: Any, bounds: Any, said: str
) -> None:
    with db.snapshot() as snapshot, pytest.raises(hw.IndexRangeError, match=f"{name}.*{said}"):
        snapshot.query("notes").with_index(name, *equal, **bounds)
