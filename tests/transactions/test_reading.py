"""What a transaction reads while it writes, and what of it counts as read.

Goal: an iteration shows each document as it is at that moment; a dependency is what was handed out,
and no more. Method: a list as model, tables of more than one chunk, and limits made small.
"""

import sys
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.clocks import StillClock

import headwater as hw
from headwater import Document, Index, Table
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit, Event, Origin
from headwater.tables import log_entries
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.read_set import ReadSet
from headwater.transactions.recent_commits import find_conflict, keys_of
from headwater_indexes.ids import mint

MANY = 150  # documents, which are several chunks


@pytest.fixture
def db() -> Any:
    with hw.open(None, clock=StillClock()) as database:
        database.transact(lambda tx: tx.insert_many("notes", [{"n": n} for n in range(MANY)]))
        yield database


@pytest.mark.parametrize("later", [1, 2, MANY - 1])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("has_written", [False, True])
def test_what_an_iteration_deletes_it_does_not_come_to(
    db: hw.Database, later: int, order: Any, has_written: bool
) -> None:
    with db.transaction() as tx:
        rows = tx.query("notes").order(order).collect()
        if has_written:
            tx.patch(rows[-1]["_id"], m=1)
        seen = []
        for row in tx.query("notes").order(order):
            if not seen:
                tx.delete(rows[later]["_id"])
            seen.append(row["n"])
        del rows[later]
        assert seen == [row["n"] for row in rows]


def test_what_an_iteration_changes_it_shows_changed(db: hw.Database) -> None:
    with db.transaction() as tx:
        rows = tx.query("notes").collect()
        for at, row in enumerate(tx.query("notes")):
            assert row.get("m") == (at or None)
            if at + 1 < MANY:
                tx.patch(rows[at + 1]["_id"], m=at + 1)


WRITES = st.lists(
    st.tuples(st.sampled_from(["insert", "patch", "delete"]), st.integers(0, 3), st.integers(0, 9)),
    max_size=8,
)


class Numbered(Document):
    n: int


class Numbers(Table[Numbered]):
    by_n = Index("n")


def write_some(writer: Any, writes: list[tuple[str, int, int]]) -> None:
    for verb, n, at in writes:
        there = writer.query(Numbers).collect()
        if verb == "insert" or not there:
            writer.insert(Numbers, {"n": n})
        elif verb == "patch":
            writer.patch(there[at % len(there)]["_id"], n=n)
        else:
            writer.delete(there[at % len(there)]["_id"])


@given(st.lists(st.integers(0, 3), min_size=3, max_size=8), WRITES, WRITES, st.booleans())
def test_the_first_documents_are_those_of_all(
    committed: list[int],
    written: list[tuple[str, int, int]],
    nested: list[tuple[str, int, int]],
    is_nested: bool,
) -> None:
    """Below the writes of a transaction, and below those of one inside of it."""
    with hw.open(None, clock=StillClock(), modules=[sys.modules[__name__]]) as db:
        db.transact(lambda tx: tx.insert_many(Numbers, [{"n": n} for n in committed]))
        with db.transaction() as tx:
            write_some(tx, written)
            with tx._transaction.nested() if is_nested else nullcontext():
                write_some(tx, nested)
                check_first(tx)


def check_first(tx: Any) -> None:
    for order in ("asc", "desc"):
        whole = tx.query(Numbers).with_index(Numbers.by_n).order(order)
        part = tx.query(Numbers).with_index(Numbers.by_n, 1).order(order)
        for found in (whole, part):
            every = found.collect()
            for count in range(len(every) + 2):
                assert found.take(count) == every[:count]


@given(st.lists(st.sampled_from([2, 3, 5]), max_size=3))
def test_several_filters_keep_what_each_of_them_keeps(divisors: list[int]) -> None:
    with hw.open(None, clock=StillClock()) as db, db.transaction() as tx:
        tx.insert_many("notes", [{"n": n} for n in range(31)])
        query = tx.query("notes")
        for divisor in divisors:
            query = query.filter(lambda row, divisor=divisor: row["n"] % divisor == 0)
        expected = [n for n in range(31) if all(n % divisor == 0 for divisor in divisors)]
        assert [row["n"] for row in query.collect()] == expected
        for count in (0, 1, 2, 100):
            assert [row["n"] for row in query.take(count)] == expected[:count]


def test_a_table_that_does_not_exist_is_empty_in_every_way(db: hw.Database) -> None:
    def all_ways(reader: hw.Reader) -> None:
        for query in (reader.query("none"), reader.query("none").with_index("by_any", 1, gt=2)):
            assert query.collect() == query.take(3) == list(query) == []
            assert query.first() is query.unique() is None
            assert query.count() == 0
        assert reader.normalize_id("none", mint(10_001, 1.0, 1)) is None

    with db.snapshot() as snapshot:
        all_ways(snapshot)
    db.transact(all_ways)
    assert db.tables() == ["notes"]


def test_a_text_is_normalized_to_an_id_of_that_table_or_to_none(db: hw.Database) -> None:
    other = db.transact(lambda tx: tx.insert("others", {}))
    with db.snapshot() as snapshot:
        row = snapshot.query("notes").first()
        assert row is not None
        known = row["_id"]
        assert snapshot.normalize_id("notes", known) == known
        for text in ("", "x", known[:-1], known + "0", known.upper(), "é", other):
            assert snapshot.normalize_id("notes", text) is None


def test_a_reader_has_no_other_names(db: hw.Database) -> None:
    with db.snapshot() as snapshot, pytest.raises(AttributeError, match="has no attribute 'gte'"):
        snapshot.gte  # noqa: B018


@pytest.mark.parametrize("id", [5, None, b"x", ["x"]])
def test_only_a_text_can_be_an_id(db: hw.Database, id: Any) -> None:
    with db.transaction() as tx:
        for write in (tx.patch, tx.delete, lambda id: tx.replace(id, {}), tx.get):
            with pytest.raises(hw.InvalidIdError, match="is no document id"):
                write(id)


def test_a_document_that_is_not_there_is_none_and_no_id_is_an_error(db: hw.Database) -> None:
    assert db.get(mint(10_001, 1.0, 1)) is None
    with pytest.raises(hw.InvalidIdError):
        db.get("not an id")
    row = db.snapshot().query("notes").first()
    assert row is not None
    assert db.get(row["_id"]) == row


def test_a_snapshot_may_be_closed_again(db: hw.Database) -> None:
    with db.snapshot() as snapshot:
        snapshot.close()
        with pytest.raises(hw.ClosedError, match="the snapshot has ended"):
            snapshot.query("notes")
    assert db._store.environment.stats().snapshots == 1 - 1


# What counts as read ----------------------------------------------------------------------------


def commit_of(key: bytes) -> CommitKeys:
    return CommitKeys(7, 6, "", {key}, {}, changes_catalog=False)


@given(st.integers(0, 9), st.integers(0, 10), st.booleans(), st.booleans())
def test_what_was_never_handed_out_is_no_dependency(
    written: int, handed_out: int, reverse: bool, is_exhausted: bool
) -> None:
    keys = [b"%d" % n for n in range(10)]
    order = keys[::-1] if reverse else keys
    reads = ReadSet()
    read = reads.open_range(DOCUMENTS_SPACE, b"0", b"9\xff", 0, reverse=reverse)
    for key in order[:handed_out]:
        read.last = key
    read.exhausted = is_exhausted
    key = keys[written]
    is_dependency = is_exhausted or key in order[:handed_out]
    found = reads.touched_by(commit_of(key))
    assert found == ((DOCUMENTS_SPACE, key) if is_dependency else None)
    assert any(i.low <= key < i.high for i in reads.intervals()) == is_dependency


def test_a_loss_in_an_index_that_is_gone_is_told_all_the_same(db: hw.Database) -> None:
    reads = ReadSet()
    reads.add_range(99, b"a", b"b", 0)
    commit = CommitKeys(7, 6, "", set(), {99: [b"ax"]}, changes_catalog=False)
    lost = find_conflict(reads, [commit], db._store.catalog, "it")
    assert lost is not None
    assert (lost.table, lost.index, lost.key) == ("?", "index 99", ())
    assert str(lost).startswith("it lost: commit 7 by another transaction changed ?.index 99 at ()")


def test_a_commit_to_a_table_that_nobody_knows_touches_its_document_alone(db: hw.Database) -> None:
    id_text = mint(99_999, 1.0, 1)
    commit = Commit(7, 6, Origin(), [Event(id_text, 0, None, b"\x80")])
    with db.snapshot() as snapshot:
        keys = keys_of(snapshot._transaction.snapshot, commit)
    assert keys.by_space() == {DOCUMENTS_SPACE: (id_text.encode(),)}
    assert not keys.changes_catalog


@pytest.mark.parametrize("kept_bytes", [0, 2**20])
def test_what_a_commit_replaced_is_found_by_reading_each_commit_before_it_once(
    monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    """Its documents come from three commits, and are changed in another order."""
    reads: list[int] = []
    content = commit_log._content

    def counted(ts: int, key: bytes, value: bytes) -> bytes:
        reads.append(ts)
        return content(ts, key, value)

    monkeypatch.setattr(log_entries, "_KEPT_BYTES", kept_bytes)
    with hw.open(None, clock=StillClock(), modules=[sys.modules[__name__]]) as db:
        ids, inserted = [], []
        for first in (0, 10, 20):
            new = [{"n": n} for n in range(first, first + 10)]
            ids.append(db.transact(lambda tx, new=new: tx.insert_many(Numbers, new)))
            inserted.append(db.ts)
        mixed = [id for three in zip(*ids, strict=True) for id in three]
        db.transact(lambda tx: [tx.patch(id, n=-1) for id in mixed])
        with db.snapshot() as opened:
            snapshot = opened._transaction.snapshot
            (commit,) = commit_log.after(snapshot.reader, inserted[-1])
            monkeypatch.setattr(commit_log, "_content", counted)
            keys = keys_of(snapshot, commit)
        assert sorted(reads) == inserted
        assert keys.documents == {id.encode() for id in mixed}
        (space,) = keys.spaces
        touched = keys.keys_of(space)
        assert len(set(touched)) == 2 * len(mixed)
        reads.clear()
        (entry,) = db.log.read(inserted[-1])
        assert [change.before["n"] for change in entry.changes] == [
            n + first for n in range(10) for first in (0, 10, 20)
        ]
        assert sorted(reads) == [*inserted, commit.ts]


# Advice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [0, 1])
def test_an_index_is_advised_by_what_the_filters_look_at(stored: int) -> None:
    with (
        hw.open(None, clock=StillClock(), limits=hw.Limits(documents_read=3)) as db,
    ):
        for _ in range(stored):
            db.transact(lambda tx: tx.insert("notes", {"a": 1, "b": 1}))
        db.transact(lambda tx: [tx.delete(tx.insert("notes", {}))])
        with db.transaction() as tx:
            tx.insert_many("notes", [{"a": 1, "b": 1}] * 5)
            query = (
                tx.query("notes")
                .filter(lambda row: row.get("a") and row["a"] and row["_id"])
                .filter(lambda row: row.get("b", 2) == 1)
            )
            with pytest.raises(hw.LimitExceededError) as exceeded:
                query.collect()
            tx.rollback()
    text = str(exceeded.value)
    assert ('by_a_and_b = Index("a", "b")' in text) == bool(stored)
    assert ("Use take(), paginate() or a narrower range" in text) == (not stored)
