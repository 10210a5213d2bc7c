"""Goal: storage as of an earlier commit, byte for byte, whatever has happened since.

Method: random histories; the bytes are remembered after every commit, and compared with what a
`PastReader` shows of that moment, as a whole, in ranges, key by key, and both ways.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import (
    INDEXES,
    TABLES,
    Act,
    Model,
    contents,
    deploy_and_build,
    histories,
    open_store,
    transact,
)

from headwater.errors import CorruptionError, LogTrimmedError
from headwater.storage.codec import pack
from headwater.storage.format import TIMESTAMP, Database, timestamp_key, timestamp_of
from headwater.storage.transactions import ReadTransaction
from headwater.tables import trim as trimming
from headwater.tables.catalog import load_catalog
from headwater.tables.fill_notes import FILL_NOTES, note_key, write_note
from headwater.tables.horizon import META_TRIMMED
from headwater.tables.past import PastReader, past_snapshot
from headwater.tables.past_difference import difference
from headwater.tables.snapshot import Snapshot
from headwater.tables.verify import verify
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.revival import adopt
from headwater.transactions.store import Store
from headwater.transactions.writer import Writer
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.ids import creation_time_of

Bytes = dict[Database, list[tuple[bytes, bytes]]]


def remembered(store: Store) -> Bytes:
    found = contents(store.environment)
    found[Database.META] = [
        entry for entry in found[Database.META] if not entry[0].startswith(FILL_NOTES)
    ]
    return found


def past(store: Store, ts: int) -> PastReader:
    reader = store.environment.read()
    return PastReader(reader, store.snapshot_of(reader).catalog, ts)


def head_of(store: Store) -> int:
    with closing(store.snapshot()) as snapshot:
        return snapshot.ts


def play(store: Store, history: list[list[Act]], model: Model | None = None) -> dict[int, Bytes]:
    """The bytes after every commit, by its timestamp; after some of them a document comes back."""
    states = {head_of(store): remembered(store)}
    model = model or Model()
    for transaction in history:
        model.commit(store, transaction)
        states[head_of(store)] = remembered(store)
        if transaction[0].which % 2:
            revive_one(store, model)
            states[head_of(store)] = remembered(store)
    return states


def revive_one(store: Store, model: Model) -> None:
    """Bring back a document that was deleted, if there is one."""
    with closing(store.snapshot()) as snapshot:
        tombstones = snapshot.reader.scan(Database.DELETED, b"", None)
        ids = [key.decode() for key, _ in tombstones]
        gone = [(id_text, snapshot.catalog.table_of(id_text)) for id_text in ids]
    user_tables = [(id_text, info) for id_text, info in gone if info and not info.is_system]
    if not user_tables:
        return
    id_text, table = user_tables[0]
    fields = {"a": "back", "b": 1}

    def run(writer: Writer) -> None:
        created = creation_time_of(id_text)
        adopt(writer._transaction, table, id_text, created, fields, pack(fields))

    transact(store, run)
    model.documents[table.name][id_text] = fields


@settings(max_examples=40)
@given(histories())
def test_every_sub_database_is_what_it_was(history: list[list[Act]]) -> None:
    with closing(open_store()) as store:
        states = {0: remembered(store)}
        deploy_and_build(store, *TABLES)
        for ts, expected in {**states, **play(store, history)}.items():
            with past(store, ts) as reader:
                for database in Database:
                    assert list(reader.scan(database, b"", None)) == expected[database]
                    backwards = reader.scan(database, b"", None, reverse=True)
                    assert list(backwards) == expected[database][::-1]
                    assert reader.count(database) == len(expected[database])


@settings(max_examples=30)
@given(histories(), st.data())
def test_ranges_and_single_keys_are_what_they_were(
    history: list[list[Act]], data: st.DataObject
) -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        states = play(store, history)
        for ts in data.draw(st.lists(st.sampled_from(sorted(states)), max_size=4)):
            for database in Database:
                expected = states[ts][database]
                now = [key for key, _ in contents(store.environment, database)[database]]
                keys = st.sampled_from([b"", *now, *(key for key, _ in expected)])
                wanted = data.draw(st.lists(keys.filter(bool), max_size=4))
                low, high = data.draw(keys), data.draw(st.none() | keys)
                within = [e for e in expected if low <= e[0] and (high is None or e[0] < high)]
                with past(store, ts) as reader:
                    # Before any range: single documents are found without the log since then.
                    found = [dict(expected).get(key) for key in wanted]
                    assert [reader.get(database, key) for key in wanted] == found
                    assert list(reader.scan(database, low, high, expected=2)) == within
                    backwards = reader.scan(database, low, high, reverse=True)
                    assert list(backwards) == within[::-1]
                    assert reader.get_many(database, wanted) == found
                    assert reader.first(database) == (expected[0] if expected else None)
                    assert reader.last(database) == (expected[-1] if expected else None)


@settings(max_examples=20)
@given(histories(5), histories(5))
def test_what_was_is_sound(before: list[list[Act]], after: list[list[Act]]) -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        model = Model()
        play(store, before, model)
        ts = head_of(store)
        play(store, after, model)
        with past(store, ts) as reader:
            assert verify(past_snapshot(reader, reader.catalog, ts)) == []


INDEX_SETS = st.lists(
    st.sampled_from([*INDEXES, IndexDefinition("by_b_a", ("b",)), IndexDefinition("by_b", ("b",))]),
    unique_by=lambda index: index.name,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(INDEX_SETS, histories(3), st.booleans()), min_size=2, max_size=4))
def test_indexes_may_come_and_go(steps: list[tuple[Any, list[list[Act]], bool]]) -> None:
    """What was is there byte for byte, and every index of then and of now can be read."""
    with closing(open_store()) as store:
        deploy(store, TABLES)
        model = Model()
        states: dict[int, Bytes] = {}
        for indexes, history, is_built in steps:
            deploy(store, [DeclaredTable("notes", None, indexes)])
            if is_built:
                deploy_and_build(store)
                states |= play(store, history, model)
            else:
                play(store, history, model)
        for ts, expected in states.items():
            with past(store, ts) as reader:
                check_indexes(reader, expected, steps[-1][0])


def check_indexes(reader: PastReader, expected: Bytes, newest: list[IndexDefinition]) -> None:
    for database in Database:
        assert list(reader.scan(database, b"", None)) == expected[database], database
    of_then = load_catalog(reader).by_name["notes"]
    readable = reader.catalog.by_name["notes"]
    names = {index.name for index in of_then.indexes} | {index.name for index in newest}
    assert set(readable.by_name) == names
    definitions = {i.name: i.definition for i in of_then.indexes} | {i.name: i for i in newest}
    assert {i.name: i.definition for i in readable.indexes} == definitions
    assert len({index.space for index in readable.indexes}) == len(readable.indexes)
    snapshot = past_snapshot(reader, reader.catalog, reader.ts)
    documents = list(snapshot.decode(snapshot.records(*readable.bounds, reverse=False)))
    for index in readable.indexes:
        keys = sorted(index.key_of(document, document["_id"]) for document in documents)
        assert list(snapshot.entries(index, b"", b"\xff", reverse=False)) == keys
        assert list(snapshot.entries(index, b"", b"\xff", reverse=True)) == keys[::-1]


def test_at_the_head_and_beyond_it_is_the_newest_state() -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        with closing(store.snapshot()) as now:
            for ts in (now.ts, now.ts + 1, 2**70):
                assert past_snapshot(now.reader, now.catalog, ts).reader is now.reader


def test_a_moment_between_two_commits_is_that_of_the_earlier_one() -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        note = transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        first = head_of(store)
        transact(store, lambda writer: writer.patch(note, a=2))
        with closing(store.snapshot()) as now:
            between = past_snapshot(now.reader, now.catalog, now.ts - 1)
            assert between.ts == first
            before = past_snapshot(now.reader, now.catalog, first - 1)
            assert before.record(note.encode()) is None


@settings(max_examples=30)
@given(histories(), st.floats(0, 1), st.data())
def test_from_the_horizon_on_a_trimmed_log_tells_the_same(
    history: list[list[Act]], share: float, data: st.DataObject
) -> None:
    """Also in the middle of a trimming. What was deleted up to the horizon may be forgotten."""
    with closing(open_store()) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trimming, "STEP_COMMITS", 1)
        deploy_and_build(store, *TABLES)
        states = play(store, history)
        horizon = sorted(states)[int(share * (len(states) - 1))]
        moments = data.draw(st.lists(st.sampled_from([ts for ts in states if ts >= horizon])))
        write = store.environment.run_write
        place = write(partial(trimming._begin, before=horizon + 1))
        while place is not None:
            place = write(trimming.Trimming(place.horizon).step).next
            for ts in moments:
                with past(store, ts) as reader:
                    check_trimmed(reader, states[ts], horizon)


def check_trimmed(reader: PastReader, expected: Bytes, horizon: int) -> None:
    for database in (Database.DOCUMENTS, Database.INDEXES):
        assert list(reader.scan(database, b"", None)) == expected[database]
    assert (
        list(reader.scan(Database.DELETED, b"", None))
        == [entry for entry in expected[Database.DELETED] if timestamp_of(entry[1]) > horizon]
        or reader.get(Database.META, trimming.META_TRIMMING) is not None
    )
    keys = [key for key, _ in expected[Database.DOCUMENTS]]
    assert reader.get_many(Database.DOCUMENTS, keys) == [v for _, v in expected[Database.DOCUMENTS]]
    log = [entry for entry in expected[Database.LOG] if timestamp_of(entry[0]) > horizon]
    found = dict(reader.scan(Database.LOG, b"", None))
    assert [key for key, _ in log] == [key for key in found if timestamp_of(key) > horizon]


def test_a_moment_that_was_trimmed_is_refused() -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        note = transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        horizon = head_of(store)
        transact(store, lambda writer: writer.delete(note))
        pretend_trimmed(store, horizon)
        with closing(store.snapshot()) as now:
            assert past_snapshot(now.reader, now.catalog, horizon).record(note.encode())
            with pytest.raises(LogTrimmedError) as caught:
                past_snapshot(now.reader, now.catalog, horizon - 1)
        assert (caught.value.ts, caught.value.horizon) == (horizon - 1, horizon)
        assert str(caught.value) == (
            f"moment {horizon - 1} was asked for, and the log has been trimmed (db.trim_log()): "
            f"what it still tells begins at {horizon}. Ask for {horizon} or later, or open a "
            "backup from before the trimming"
        )


def pretend_trimmed(store: Store, horizon: int) -> None:
    with store.environment.write() as writer:
        writer.put(Database.META, META_TRIMMED, TIMESTAMP.pack(horizon))


def test_notes_of_fillings_are_not_of_the_past() -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        ts = head_of(store)
        deploy(store, [DeclaredTable("notes", None, [IndexDefinition("by_d", ("d",))])])
        (index,) = store.catalog.by_name["notes"].indexes
        with store.environment.write() as writer:
            write_note(writer, index, b"here")
        with past(store, ts) as reader:
            assert reader.get(Database.META, note_key(index.space)) is None
            assert note_key(index.space) not in dict(reader.scan(Database.META, b"", None))
            (now,) = reader.catalog.by_name["notes"].indexes[-1:]
            assert (now.name, now.state) == ("by_d", "ready")


def test_what_a_trimmed_log_does_not_have_was_not_there() -> None:
    """As a log that was trimmed, or saved from damage, may leave it."""
    with closing(open_store()) as store:
        deploy(store, TABLES)
        note = transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        first = head_of(store)
        transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        horizon = head_of(store)
        transact(store, lambda writer: writer.patch(note, a=2))
        with store.environment.write() as writer:
            writer.delete(Database.LOG, timestamp_key(first))
        pretend_trimmed(store, horizon)
        with past(store, horizon) as reader:
            assert reader.get(Database.DOCUMENTS, note.encode()) is None
            assert note.encode() not in dict(reader.scan(Database.DOCUMENTS, b"", None))


class Counting:
    """A storage transaction that counts the commits that are read through it."""

    def __init__(self, reader: ReadTransaction) -> None:
        self.reader = reader
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def get_many(self, database: Database, keys: list[bytes]) -> list[bytes | None]:
        self.commits += len(keys) if database is Database.LOG else 0
        return self.reader.get_many(database, keys)

    def scan(self, database: Database, *bounds: Any, **options: Any) -> Iterator[Any]:
        for entry in self.reader.scan(database, *bounds, **options):
            self.commits += database is Database.LOG
            yield entry


@pytest.fixture
def busy() -> Iterator[tuple[Store, str, list[int]]]:
    """One document changed twice, long ago, and a hundred commits that change others."""
    with closing(open_store()) as store:
        deploy(store, TABLES)
        note = transact(store, lambda writer: writer.insert("notes", {"a": 0}))
        moments = [head_of(store)]
        for number in (1, 2):
            transact(store, lambda writer, number=number: writer.patch(note, a=number))
            moments.append(head_of(store))
        for _ in range(100):
            transact(store, lambda writer: writer.insert("notes", {"a": 0}))
            moments.append(head_of(store))
        yield store, note, moments


def test_one_document_costs_its_own_versions(busy: tuple[Store, str, list[int]]) -> None:
    store, note, moments = busy
    with closing(store.snapshot()) as snapshot:
        now: Any = Counting(snapshot.reader)
        reader = PastReader(now, snapshot.catalog, moments[0])
        assert reader.get(Database.DOCUMENTS, note.encode()) is not None
        assert now.commits == 3
        reader = PastReader(now, snapshot.catalog, moments[2])
        assert reader.get(Database.DOCUMENTS, note.encode()) is not None
        assert now.commits == 3


def test_a_difference_costs_the_commits_between(busy: tuple[Store, str, list[int]]) -> None:
    store, note, moments = busy
    with closing(store.snapshot()) as snapshot:
        now: Any = Counting(snapshot.reader)
        counted = Snapshot(now, snapshot.catalog)
        (change,) = difference(counted, moments[0], moments[2])
        assert (change.id, change.changed) == (note, {"a": (0, 2)})
        assert now.commits <= 2 * len(moments[:3])


def test_a_second_range_does_not_read_the_log_again(busy: tuple[Store, str, list[int]]) -> None:
    store, _, moments = busy
    with closing(store.snapshot()) as snapshot:
        now: Any = Counting(snapshot.reader)
        reader = PastReader(now, snapshot.catalog, moments[-11])
        for _ in range(3):
            assert len(list(reader.scan(Database.INDEXES, b"", None))) == 3 * 91
            assert now.commits == 10


def test_a_missing_commit_is_told_and_not_taken_for_no_document() -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        note = transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        first = head_of(store)
        transact(store, lambda writer: writer.patch(note, a=2))
        with store.environment.write() as writer:
            writer.delete(Database.LOG, timestamp_key(first))
        with past(store, first) as reader:
            with pytest.raises(CorruptionError, match=f"says that commit {first} changed it"):
                reader.get(Database.DOCUMENTS, note.encode())
            with pytest.raises(CorruptionError, match=r"db.verify\(\)"):
                list(reader.scan(Database.DOCUMENTS, b"", None))
