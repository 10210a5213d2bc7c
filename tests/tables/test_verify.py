"""Goal: whatever is wrong on disk is found and named; what is right is not complained about.

Method: random histories verify clean; then damage is planted through a write transaction, at
random places and at chosen ones. The log is what everything is compared with, so a rebuild mends
all damage outside of it.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import (
    INDEXES,
    Act,
    contents,
    histories,
    open_store,
    store_after,
    transact,
)

from headwater.errors import CorruptionError
from headwater.storage.codec import pack
from headwater.storage.commit_log import NO_ORIGIN, Commit, Event, decode_commit, encode_commit
from headwater.storage.format import (
    TIMESTAMP,
    Database,
    open_document,
    seal_document,
    timestamp_key,
    timestamp_of,
)
from headwater.storage.transactions import WriteTransaction
from headwater.tables import verify_indexes
from headwater.tables.catalog import table_number_of
from headwater.tables.progress import Progress
from headwater.tables.rebuild import rebuild
from headwater.tables.replay import Replay
from headwater.tables.verify import Problem, verify
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.index_building import _fill_some, build_indexes
from headwater.transactions.store import Store
from headwater_indexes.ids import encode_id

HISTORY = [
    *([Act("insert", "notes", 0, {"a": n, "b": "x" * 60 * n})] for n in range(10)),
    [Act("insert", "tasks", 0, {"a": 1})],
    [Act("patch", "notes", 2, {"a": "patched"})],
    [Act("delete", "notes", 4, {})],
    [Act("patch", "notes", 2, {"a": "again"})],
]


def problems(store: Store) -> list[Problem]:
    with closing(store.snapshot()) as snapshot:
        return verify(snapshot)


def plant(store: Store, damage: Callable[[WriteTransaction], Any]) -> list[Problem]:
    """What is found after some damage."""
    with store.environment.write() as writer:
        damage(writer)
    return problems(store)


def kinds(found: list[Problem]) -> list[str]:
    return [problem.kind for problem in found]


@settings(deadline=None, max_examples=40)
@given(histories())
def test_nothing_is_wrong_with_what_commits_made(history: list[list[Act]]) -> None:
    store, _ = store_after(history)
    with closing(store):
        assert problems(store) == []


def flip(data: bytes, bit: int) -> bytes:
    """The same bytes with one bit turned."""
    at, shift = divmod(bit % (8 * len(data)), 8)
    return data[:at] + bytes([data[at] ^ 1 << shift]) + data[at + 1 :]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(list(Database)), st.integers(0), st.integers(0), st.booleans())
def test_a_flipped_bit_is_found_and_named(
    database: Database, which: int, bit: int, in_key: bool
) -> None:
    store, _ = store_after(HISTORY)
    with closing(store):
        entries = [
            entry
            for entry in contents(store.environment)[database]
            if database is not Database.META or entry[0] == b"catalog"
        ]
        key, value = entries[which % len(entries)]
        in_key = in_key or not value
        if database is Database.LOG and in_key and bit % 64 == 7:
            return  # the key is above 2**63 then, and opening refuses it

        def damage(writer: WriteTransaction) -> None:
            writer.delete(database, key)
            writer.put(
                database, flip(key, bit) if in_key else key, value if in_key else flip(value, bit)
            )

        found = plant(store, damage)
        assert found
        if database is Database.LOG and not in_key:
            assert Problem("commit_damaged", "", "", timestamp_of(key), found[0].message) in found
        elif database is Database.DOCUMENTS or database is Database.DELETED:
            named = [problem for problem in found if problem.id == key.decode("ascii")]
            assert named
            assert named[0].ts > 0
            assert named[0].table in {"notes", "tasks", "_tables", "_indexes"}
        elif database is Database.INDEXES:
            id_text = key[-32:].decode("ascii")
            assert any(problem.id == id_text for problem in found)
            assert {problem.table for problem in found} <= {"notes", "tasks"}
        if database is not Database.LOG:
            rebuild(store.environment)
            assert problems(store) == []


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(list(Database)), st.integers(0))
def test_a_removed_entry_is_found_and_named(database: Database, which: int) -> None:
    store, _ = store_after(HISTORY)
    with closing(store):
        entries = [
            entry
            for entry in contents(store.environment)[database]
            if database is not Database.META or entry[0] == b"catalog"
        ]
        key, _ = entries[which % len(entries)]
        found = plant(store, lambda writer: writer.delete(database, key))
        expected = {
            Database.META: "catalog_differs",
            Database.DOCUMENTS: "document_missing",
            Database.DELETED: "tombstone_missing",
            Database.INDEXES: "entry_missing",
        }
        if database is Database.LOG:
            # The newest commit leaves documents that the log does not know.
            assert found[0].kind in {"commit_missing", "document_differs", "document_extra"}
        else:
            assert expected[database] in kinds(found)
        if database is Database.LOG and which % len(entries) < len(entries) - 1:
            following = timestamp_of(entries[which % len(entries) + 1][0])
            assert (found[0].kind, found[0].ts) == ("commit_missing", following)
        if database in (Database.DOCUMENTS, Database.DELETED, Database.INDEXES):
            assert any(key.endswith(problem.id.encode("ascii")) for problem in found if problem.id)


# One kind after the other -----------------------------------------------------------------------


class Place:
    """A store after `HISTORY`, and a document in it that was patched twice."""

    def __init__(self, store: Store) -> None:
        self.store = store
        everything = contents(store.environment)
        self.log = everything[Database.LOG]
        self.entry = everything[Database.INDEXES][0][0]
        last = decode_commit(*self.log[-1])
        self.id = last.events[0].id
        self.ts = last.ts
        self.previous_ts = last.events[0].previous_ts
        self.key = self.id.encode("ascii")
        self.record = dict(everything[Database.DOCUMENTS])[self.key]
        (self.deleted, self.tombstone) = everything[Database.DELETED][0]


@pytest.fixture
def place() -> Any:
    store, _ = store_after(HISTORY)
    with closing(store):
        yield Place(store)


def test_a_record_of_an_older_version_differs(place: Place) -> None:
    _, created, body = open_document(place.key, place.record)
    old = seal_document(place.key, place.previous_ts, created, body)
    (found,) = plant(place.store, lambda writer: writer.put(Database.DOCUMENTS, place.key, old))
    assert (found.kind, found.table, found.id) == ("document_differs", "notes", place.id)
    assert str(place.ts) in found.message


def test_a_record_with_other_fields_differs(place: Place) -> None:
    ts, created, _ = open_document(place.key, place.record)
    other = seal_document(place.key, ts, created, pack({"a": "forged"}))
    found = plant(place.store, lambda writer: writer.put(Database.DOCUMENTS, place.key, other))
    assert found[0].kind == "document_differs"
    assert {(problem.id, problem.table) for problem in found} == {(place.id, "notes")}
    assert "entry_missing" in kinds(found)  # the indexes have the entries of the true fields
    assert "entry_extra" in kinds(found)


def test_a_creation_time_that_is_not_in_the_id_differs(place: Place) -> None:
    ts, created, body = open_document(place.key, place.record)
    other = seal_document(place.key, ts, created + 1, body)
    (found,) = plant(place.store, lambda writer: writer.put(Database.DOCUMENTS, place.key, other))
    assert (found.kind, found.id, found.ts) == ("creation_time_differs", place.id, place.ts)


def test_a_document_that_the_log_deleted_is_extra(place: Place) -> None:
    record = seal_document(place.deleted, place.ts, 0.0, pack({}))
    found = plant(place.store, lambda w: w.put(Database.DOCUMENTS, place.deleted, record))
    assert found[0].kind == "document_extra"
    assert f"commit {TIMESTAMP.unpack(place.tombstone)[0]} deleted it" in found[0].message


def test_a_document_that_the_log_does_not_know_is_extra(place: Place) -> None:
    number = table_number_of(place.id)
    key = encode_id(number, bytes(16)).encode("ascii")
    record = seal_document(key, place.ts, 0.0, pack({}))
    found = plant(place.store, lambda w: w.put(Database.DOCUMENTS, key, record))
    assert found[0].kind == "document_extra"
    assert "does not know it" in found[0].message
    assert kinds(found[1:]) == ["entry_missing"] * 3


def test_a_document_of_no_table_is_named(place: Place) -> None:
    key = encode_id(12_345, bytes(16)).encode("ascii")
    record = seal_document(key, place.ts, 0.0, pack({}))
    found = plant(place.store, lambda w: w.put(Database.DOCUMENTS, key, record))
    assert kinds(found) == ["table_missing", "document_extra"]
    assert "table 12345" in found[0].message
    second = encode_id(12_345, b"\1" * 16).encode("ascii")
    record = seal_document(second, place.ts, 0.0, pack({}))
    found = plant(place.store, lambda w: w.put(Database.DOCUMENTS, second, record))
    assert kinds(found) == ["table_missing", "document_extra", "document_extra"]
    assert found[0].id == key.decode("ascii")


def test_a_tombstone_of_another_commit_differs(place: Place) -> None:
    value = TIMESTAMP.pack(place.ts)
    (found,) = plant(place.store, lambda w: w.put(Database.DELETED, place.deleted, value))
    assert (found.kind, found.id) == ("tombstone_differs", place.deleted.decode("ascii"))
    assert found.ts == TIMESTAMP.unpack(place.tombstone)[0]


def test_a_tombstone_that_is_no_timestamp_is_damaged(place: Place) -> None:
    (found,) = plant(place.store, lambda w: w.put(Database.DELETED, place.deleted, b"?"))
    assert (found.kind, found.id) == ("tombstone_damaged", place.deleted.decode("ascii"))


def test_a_tombstone_of_a_document_that_lives_is_extra(place: Place) -> None:
    value = TIMESTAMP.pack(place.ts)
    (found,) = plant(place.store, lambda w: w.put(Database.DELETED, place.key, value))
    assert (found.kind, found.id, found.ts) == ("tombstone_extra", place.id, place.ts)


def test_a_tombstone_of_no_id_is_extra(place: Place) -> None:
    (found,) = plant(place.store, lambda w: w.put(Database.DELETED, b"\xff", bytes(8)))
    assert (found.kind, found.table, found.id) == ("tombstone_extra", "", "\\xff")


def append(place: Place, *events: Event, previous_ts: int | None = None) -> None:
    """A commit after the last one, which only the log has."""
    previous = place.ts if previous_ts is None else previous_ts
    commit = Commit(place.ts + 1000, previous, NO_ORIGIN, events)
    with place.store.environment.write() as writer:
        writer.put(Database.LOG, *encode_commit(commit))


def test_an_event_that_skips_a_version_breaks_the_history(place: Place) -> None:
    append(place, Event(place.id, place.previous_ts, None, pack({"a": 1})))
    found = problems(place.store)
    assert (found[0].kind, found[0].table, found[0].id) == ("history_broken", "notes", place.id)
    assert found[0].ts == place.ts + 1000
    assert kinds(found[1:]) == ["document_differs"]


def test_an_event_of_no_id_is_named(place: Place) -> None:
    append(place, Event("nonsense", 0, None, pack({})))
    (found,) = problems(place.store)
    assert (found.kind, found.id, found.ts) == ("id_malformed", "nonsense", place.ts + 1000)


def test_an_event_that_is_not_in_the_tables_is_missing_there(place: Place) -> None:
    id_text = encode_id(table_number_of(place.id), bytes(16))
    append(place, Event(id_text, 0, 7.0, pack({})))
    found = problems(place.store)
    assert (found[0].kind, found[0].id) == ("document_missing", id_text)
    assert found[0].ts == place.ts + 1000


def test_a_catalog_changed_by_the_log_alone_differs(place: Place) -> None:
    id_text = encode_id(513, bytes(16))
    append(place, Event(id_text, 0, 7.0, pack({})))
    assert "catalog_differs" in kinds(problems(place.store))


@pytest.mark.parametrize("at", range(15))
def test_what_follows_from_a_damaged_commit_is_not_named_again(place: Place, at: int) -> None:
    key, value = place.log[at]
    damaged = value[:-1] + bytes([value[-1] ^ 1])
    found = plant(place.store, lambda writer: writer.put(Database.LOG, key, damaged))
    assert kinds(found) == ["commit_damaged"]
    assert found[0].ts == timestamp_of(key)


@pytest.mark.parametrize("at", range(14))
def test_what_follows_from_a_missing_commit_is_not_named_again(place: Place, at: int) -> None:
    found = plant(place.store, lambda writer: writer.delete(Database.LOG, place.log[at][0]))
    assert kinds(found) == ["commit_missing"]
    assert found[0].ts == timestamp_of(place.log[at + 1][0])


def test_a_key_of_the_log_that_is_no_timestamp_is_named(place: Place) -> None:
    (found,) = plant(place.store, lambda writer: writer.put(Database.LOG, b"\0" * 9, b"?"))
    assert (found.kind, found.ts) == ("commit_damaged", 0)


@pytest.mark.parametrize("fields", [{}, {"name": 1, "number": "x", "schema": None}])
def test_a_catalog_that_cannot_be_read_is_named_and_verification_goes_on(
    place: Place, fields: dict[str, Any]
) -> None:
    key = place.store.catalog.by_name["tasks"].id.encode("ascii")
    with closing(place.store.snapshot()) as snapshot:
        record = snapshot.record(key)
        assert record is not None
        ts, created, _ = open_document(key, record)
        forged = seal_document(key, ts, created, pack(fields))
        with place.store.environment.write() as writer:
            writer.put(Database.DOCUMENTS, key, forged)
            writer.delete(
                Database.INDEXES, contents(place.store.environment)[Database.INDEXES][0][0]
            )
        with closing(place.store.snapshot()) as later:
            found = verify(later)
    assert kinds(found) == ["catalog_damaged", "document_differs", "entry_missing"]
    assert found[1].table == "_tables"


def test_storage_that_cannot_go_on_ends_one_step_and_not_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise CorruptionError("a page is damaged")
        yield

    monkeypatch.setattr(Replay, "read_log", fail)
    found = problems(place.store)
    assert (found[0].kind, found[0].message) == ("storage_damaged", "a page is damaged")
    assert "document_extra" in kinds(found)


# Indexes ----------------------------------------------------------------------------------------


def test_entries_are_compared_at_every_length_of_key(place: Place) -> None:
    cut = [(k, v) for k, v in contents(place.store.environment)[Database.INDEXES] if v]
    assert cut
    key, value = cut[0]
    found = plant(place.store, lambda w: w.put(Database.INDEXES, key, value + b"x"))
    assert [(p.kind, p.table, p.id.encode("ascii")) for p in found] == [
        ("entry_differs", "notes", key[-32:])
    ]


def test_an_entry_of_a_document_that_does_not_exist_is_extra(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_indexes, "_CHUNK", 3)
    key = b"\0\0\0\x01\x01" + b"9" * 32
    (found,) = plant(place.store, lambda w: w.put(Database.INDEXES, key, b""))
    assert (found.kind, found.table, found.id) == ("entry_extra", "notes", "9" * 32)
    assert "notes.by_a" in found.message


def test_entries_of_a_damaged_document_are_not_named_again(place: Place) -> None:
    damaged = place.record[:-1] + bytes([place.record[-1] ^ 1])
    (found,) = plant(place.store, lambda w: w.put(Database.DOCUMENTS, place.key, damaged))
    assert (found.kind, found.table, found.id) == ("document_damaged", "notes", place.id)
    assert found.ts == place.ts


def test_entries_in_a_space_without_index_are_no_problem(place: Place) -> None:
    assert plant(place.store, lambda w: w.put(Database.INDEXES, b"\0\0\0\x63left", b"")) == []


def test_an_index_that_is_being_filled_may_lack_what_is_not_filled_and_nothing_else() -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", None)])
        for n in range(10):
            transact(store, lambda writer, n=n: writer.insert("notes", {"a": n}))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        assert problems(store) == []
        table = store.catalog.by_name["notes"]
        with store.environment.write() as writer:
            _fill_some(writer, table, table.indexes[0], 4)
        assert problems(store) == []
        filled = contents(store.environment)[Database.INDEXES]
        assert len(filled) == 4
        for entry in (filled[0], filled[-1]):
            key = entry[0]
            found = plant(store, lambda writer, key=key: writer.delete(Database.INDEXES, key))
            assert kinds(found) == ["entry_missing"]
            with store.environment.write() as writer:
                writer.put(Database.INDEXES, *entry)
        build_indexes(store)
        assert problems(store) == []


def test_progress_is_reported_for_each_step() -> None:
    store, _ = store_after(HISTORY)
    seen: list[Progress] = []
    with closing(store), closing(store.snapshot()) as snapshot:
        verify(snapshot, progress=seen.append)
    assert [report.step for report in seen if report.done == 0] == [
        "reading the log",
        "comparing tombstones",
        "comparing documents",
        "checking index notes.by_a",
        "checking index notes.by_b_a",
        "checking index notes.by_c",
        "checking index tasks.by_a",
    ]
    assert all(0 <= report.done <= report.total for report in seen)


def test_every_timestamp_named_is_a_key_of_the_log(place: Place) -> None:
    found = plant(place.store, lambda w: w.delete(Database.DOCUMENTS, place.key))
    assert timestamp_key(found[0].ts) in dict(place.log)
