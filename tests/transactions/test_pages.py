"""Goal: pages, one after the other, are the query; a cursor of anything else is refused.

Method: pages of every size against the whole list, then cursors that were changed, cut, or made by
another query.
"""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws import cached
from tests.laws.clocks import StillClock

import headwater as hw
from headwater.transactions.pagination import decode_cursor, encode_cursor, fingerprint

QUERY = fingerprint("a query")


@pytest.fixture(scope="module")
def db() -> Any:
    with hw.open(None, modules=[cached], clock=StillClock()) as database:
        for at in range(9):
            database.mutate(cached.add, group=at % 2)
        yield database


def page(db: hw.Database, options: Any, index: str = "", order: Any = "asc") -> Any:
    with db.snapshot() as snapshot:
        query = snapshot.query("items").order(order)
        return (query.with_index(index) if index else query).paginate(options)


@given(st.integers(1, 11), st.sampled_from(["", "by_group"]), st.sampled_from(["asc", "desc"]))
def test_pages_one_after_the_other_are_the_query(
    db: hw.Database, count: int, index: str, order: str
) -> None:
    found, cursor, is_done = [], None, False
    while not is_done:
        one = page(db, {"numItems": count, "cursor": cursor}, index, order)
        assert one["isDone"] or len(one["page"]) == count
        again = {"numItems": 1, "cursor": cursor, "endCursor": one["continueCursor"]}
        assert page(db, again, index, order)["page"] == one["page"]
        found += one["page"]
        cursor, is_done = one["continueCursor"], one["isDone"]
    with db.snapshot() as snapshot:
        query = snapshot.query("items").order(order)  # type: ignore[arg-type]
        assert found == (query.with_index(index) if index else query).collect()
    behind = page(db, {"numItems": count, "cursor": cursor}, index, order)
    assert (behind["page"], behind["isDone"], behind["continueCursor"]) == ([], True, cursor)


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "1", None])
def test_a_page_has_a_whole_number_of_rows_above_0(db: hw.Database, count: Any) -> None:
    with pytest.raises(hw.UsageError, match=r"numItems is .* expected a whole number above 0"):
        page(db, {"numItems": count, "cursor": None})


def test_a_run_reads_one_page(db: hw.Database) -> None:
    options: Any = {"numItems": 1, "cursor": None}
    with db.snapshot() as snapshot:
        snapshot.query("items").paginate(options)
        for name in ("items", "none"):
            with pytest.raises(hw.UsageError, match="called twice in one run"):
                snapshot.query(name).paginate(options)


def test_a_table_that_does_not_exist_has_one_empty_page(db: hw.Database) -> None:
    with db.snapshot() as snapshot:
        found = snapshot.query("none").paginate({"numItems": 3, "cursor": None})
    assert (found["page"], found["isDone"]) == ([], True)
    assert decode_cursor(fingerprint(None), found["continueCursor"]) is None


@given(st.none() | st.binary(max_size=40))
def test_a_cursor_comes_back_to_its_query_and_to_no_other(after: bytes | None) -> None:
    cursor = encode_cursor(QUERY, after)
    assert decode_cursor(QUERY, cursor) == after
    with pytest.raises(hw.InvalidCursorError, match="belongs to another query"):
        decode_cursor(fingerprint("another"), cursor)


@pytest.mark.parametrize("index", ["", "by_group"])
@pytest.mark.parametrize("place", ["cursor", "endCursor"])
def test_the_cursor_of_another_query_is_refused(db: hw.Database, index: str, place: str) -> None:
    other = page(db, {"numItems": 2, "cursor": None}, index, "desc")["continueCursor"]
    with pytest.raises(hw.InvalidCursorError, match="belongs to another query"):
        page(db, {"numItems": 2, "cursor": None, place: other}, index)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(hw.InvalidCursorError, match="InvalidCursor: "):
        decode_cursor(QUERY, text)


@pytest.mark.parametrize("position", [b"", b"en", b"end ", b"ke", b"other"])
def test_a_cursor_with_another_position_is_damaged(position: bytes) -> None:
    damaged = base64.urlsafe_b64encode(QUERY + position).decode()
    with pytest.raises(hw.InvalidCursorError, match="is damaged; begin again with None"):
        decode_cursor(QUERY, damaged)


@pytest.mark.parametrize("cursor", [3, b"x", ["x"]])
def test_what_is_no_text_is_no_cursor(db: hw.Database, cursor: Any) -> None:
    with pytest.raises(hw.InvalidCursorError, match="is no cursor"):
        page(db, {"numItems": 1, "cursor": cursor})
