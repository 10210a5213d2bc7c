"""What somebody reads who asked for an index in a way that cannot be, or for too much."""

import math
from typing import Any

import pytest
from tests.errors import application
from tests.errors.application import (
    Messages,
    Users,
    all_messages,
    create_user,
    messages_saying,
    send,
)

import headwater as hw


def test_an_index_that_the_table_does_not_have(db, ada, said) -> None:
    with db.snapshot() as snapshot:
        assert said(
            hw.IndexNotFoundError, lambda: snapshot.query("users").with_index("by_nmae", "Ada")
        ) == (
            "table 'users' has no index 'by_nmae'; it has: by_name (and by_creation_time, by_id). "
            "Declare it on the table: by_nmae = Index(...)"
        )


def test_bounds_that_no_range_can_have(db, ada, said) -> None:
    with db.snapshot() as snapshot:
        query = snapshot.query(Users)
        assert said(hw.IndexRangeError, lambda: query.with_index(Users.by_name, "a", "b")) == (
            "users.by_name: index 'by_name' on 'name': 2 values to compare with, and 1 fields; "
            "'b' has no field"
        )
        assert said(
            hw.IndexRangeError, lambda: query.with_index(Users.by_name, gt="a", gte="b")
        ) == (
            "users.by_name: index 'by_name' on 'name': two lower bounds, gt='a' and gte='b'; give "
            "one of them"
        )
        assert said(hw.IndexRangeError, lambda: query.with_index("by_id", 3)) == (
            "users.by_id: a bound is 3, expected an id"
        )
        assert said(hw.IndexRangeError, lambda: query.with_index("by_creation_time", gt="x")) == (
            "users.by_creation_time: a bound is 'x', expected a number of milliseconds since the "
            "epoch"
        )


@pytest.mark.parametrize("bounds", [{"gt": {1}}, {"lte": object()}])
def test_a_bound_that_is_no_value(db, ada, bounds) -> None:
    with (
        db.snapshot() as snapshot,
        pytest.raises(hw.ValueNotStorableError, match=r"^users\.by_name: "),
    ):
        snapshot.query(Users).with_index(Users.by_name, **bounds)


def test_steps_of_a_query_that_cannot_be(db, ada, said) -> None:
    with db.snapshot() as snapshot:
        query = snapshot.query(Users)
        assert said(hw.UsageError, lambda: query.order("up")) == (
            "order('up'): expected 'asc' or 'desc'"
        )
        assert said(hw.UsageError, lambda: query.take(-1)) == (
            "take(-1): expected a whole number, 0 or more"
        )
        assert said(hw.UsageError, lambda: query.order("asc").order("asc")) == (
            "order() was called twice; a query has one order"
        )
        once = query.with_index(Users.by_name)
        assert said(hw.UsageError, lambda: once.with_index(Users.by_name)) == (
            "with_index() was called twice; a query reads one range of one index"
        )


@pytest.fixture
def limited(tmp_path):
    """A database with 12 messages, opened with one limit made small."""
    opened = []
    with hw.open(tmp_path / "db.hw", modules=[application]) as db:
        ada = db.mutate(create_user, name="Ada")
        for number in range(12):
            db.mutate(send, author=ada, body=str(number))
        db.transact(lambda tx: tx.insert("notes", {}))

    def open_with(**limits) -> hw.Database:
        limits = hw.Limits(**limits)
        opened.append(hw.open(tmp_path / "db.hw", modules=[application], limits=limits))
        return opened[-1]

    yield open_with
    for db in opened:
        db.close()


def exceeded(use, limit: str, maximum: float) -> str:
    with pytest.raises(hw.LimitExceededError) as caught:
        use()
    error = caught.value
    assert (error.limit, error.maximum) == (limit, maximum)
    assert error.value > maximum
    assert f"hw.open(..., limits=hw.Limits({limit}=...))" in str(error)
    return str(error)


def test_a_scan_that_reads_too_much_says_how_much_and_which_index_would_help(limited) -> None:
    db = limited(documents_read=4)
    text = exceeded(lambda: db.query(messages_saying, body="11"), "documents_read", 4)
    assert text.startswith("application:messagesSaying read 12 documents (")
    assert text.endswith(
        " bytes), 0 of them from 'messages' were returned; the limit documents_read is 4. An "
        'index would read only what matches: by_body = Index("body"), and .with_index(...) in '
        "place of .filter(...), or raise the limit: hw.open(..., "
        "limits=hw.Limits(documents_read=...))"
    )


def test_a_scan_that_returned_some_says_how_many(limited) -> None:
    db = limited(documents_read=70)
    for number in range(60):
        db.transact(lambda tx, n=number: tx.insert("notes", {"n": n}))

    def many(tx) -> int:
        return len(list(tx.query("notes")) + tx.query(Messages).collect())

    text = exceeded(lambda: db.transact(many), "documents_read", 70)
    assert "read 73 documents (" in text
    assert "Use take(), paginate() or a narrower range of an index" in text


def test_too_many_bytes_read(limited) -> None:
    db = limited(bytes_read=100)
    text = exceeded(lambda: db.query(all_messages), "bytes_read", 100)
    assert text.startswith("application:allMessages read 12 documents (")
    assert "the limit bytes_read is 100. Use take(), paginate() or a narrower range" in text


def test_too_many_single_reads(limited) -> None:
    db = limited(intervals_read=5)
    with db.snapshot() as snapshot:
        ids = [message["_id"] for message in snapshot.query(Messages).take(8)]

    def one_by_one(tx) -> None:
        for id_ in ids:
            tx.get(id_)

    assert exceeded(lambda: db.transact(one_by_one), "intervals_read", 5).startswith(
        "test_too_many_single_reads.<locals>.one_by_one: intervals_read reached 6, the limit is "
        "5; read ranges instead of single documents, or raise it: "
    )


def test_too_much_written(limited) -> None:
    db = limited(documents_written=3)
    text = exceeded(
        lambda: db.transact(lambda tx: [tx.insert("notes", {}) for _ in range(9)]),
        "documents_written",
        3,
    )
    assert (
        "documents_written reached 4, the limit is 3; split the work into several mutations, or "
        "declare it as a migration (@hw.migration), which goes through a table in batches, or "
        "raise it: "
    ) in text


def test_too_many_bytes_written(limited) -> None:
    db = limited(bytes_written=50)
    text = exceeded(
        lambda: db.transact(lambda tx: tx.insert("notes", {"a": "x" * 100})), "bytes_written", 50
    )
    assert "the limit is 50; split the work into several mutations, or declare it as " in text


def test_a_document_that_is_too_large(limited) -> None:
    db = limited(document_bytes=50)
    text = exceeded(
        lambda: db.transact(lambda tx: tx.insert("notes", {"a": "x" * 1000})), "document_bytes", 50
    )
    assert text.startswith(
        "notes (insert): the document takes 1,006 bytes, the limit document_bytes is 50; split "
        "it, keep large things in files, or raise it: "
    )


def test_a_value_that_is_nested_too_deeply(limited, said) -> None:
    db = limited(nesting=3)
    assert said(
        hw.ValueNotStorableError,
        lambda: db.transact(lambda tx: tx.insert("notes", {"a": [[[[]]]]})),
    ) == (
        "notes (insert): a[0][0][0]: lists and dicts are nested more deeply than the limit "
        "'nesting' allows (is the value inside itself?); flatten it, store the inner part as a "
        "document of its own, or raise the limit"
    )


def test_functions_that_call_each_other_without_end(limited) -> None:
    db = limited(call_depth=4)
    assert exceeded(lambda: db.query(application.calls_itself, depth=0), "call_depth", 4) == (
        "application:callsItself: call_depth reached 5, the limit is 4; look for functions that "
        "call each other without end, or raise it: hw.open(..., "
        "limits=hw.Limits(call_depth=...))"
    )


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "9", None])
def test_numbers_that_are_no_limits(said, wrong: Any) -> None:
    assert said(ValueError, lambda: hw.Limits(nesting=wrong)) == (
        f"Limits(nesting={wrong!r}): expected a whole number above 0"
    )


@pytest.mark.parametrize("wrong", [0, -0.5, math.nan, False, "9", None])
def test_times_that_are_no_limits(said, wrong: Any) -> None:
    assert said(ValueError, lambda: hw.Limits(query_seconds=wrong)) == (
        f"Limits(query_seconds={wrong!r}): expected seconds above 0"
    )


def test_a_time_may_be_whole_and_without_end() -> None:
    limits = hw.Limits(query_seconds=1, mutation_seconds=math.inf)
    assert (limits.query_seconds, limits.mutation_seconds) == (1, math.inf)


class SlowClock:
    """A clock that moves at each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ns(self) -> int:
        return 1_700_000_000_000_000_000

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def seed(self) -> int:
        return int(self.seconds * 1000)


@pytest.mark.parametrize(
    ("limit", "use", "who"),
    [
        ("query_seconds", lambda db: db.query(all_messages), "application:allMessages"),
        (
            "mutation_seconds",
            lambda db: db.mutate(create_user, name="Bob"),
            "application:createUser",
        ),
        ("transaction_seconds", lambda db: db.transaction().insert("x", {}), "this transaction"),
    ],
)
def test_time_that_is_up_is_told_with_the_limit(tmp_path, limit, use, who) -> None:
    limits = hw.Limits(**{limit: 0.5})
    with hw.open(tmp_path / "db.hw", modules=[application], clock=SlowClock(), limits=limits) as db:
        if limit == "query_seconds":
            ada = db.mutate(create_user, name="Ada")
            db.mutate(send, author=ada, body="x")
        with pytest.raises(hw.TimeLimitError) as caught:
            use(db)
    text = str(caught.value)
    assert text.startswith(f"{who} has run for ")
    assert text.endswith(
        f" s, the limit {limit} is 0.5 s. Do less in one transaction, move slow computation out "
        f"of it, or raise it: hw.open(..., limits=hw.Limits({limit}=...))"
    )
    assert isinstance(caught.value, TimeoutError)
