"""Documents that come and go under the same id, within transactions and within batches.

Goal: whatever comes and goes, the log, the tables, the tombstones and the histories agree. Method:
random batches over few ids, beside a model that applies one event after the other.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.tables.histories import contents, open_store, transact

from headwater.errors import ConflictError, IndexRangeError, InvalidIdError, UsageError
from headwater.storage import commit_log
from headwater.storage.codec import pack
from headwater.storage.commit_log import Origin
from headwater.storage.format import TIMESTAMP, Database
from headwater.tables.history import history
from headwater.tables.rebuild import rebuild
from headwater.tables.verify import verify
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.recent_commits import keys_of
from headwater.transactions.revival import adopt
from headwater.transactions.store import Store
from headwater.transactions.system_tables import insert_table, set_foreign_ids
from headwater.transactions.transaction import Transaction
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.ids import creation_time_of, encode_id, mint

WAIT_SECONDS = 10
INDEXES = [IndexDefinition("by_a", ("a",)), IndexDefinition("by_u", ("u",), unique=True)]
TABLES = [DeclaredTable("notes", None, INDEXES)]

Act = tuple[str, int, int]
ACTS = st.tuples(
    st.sampled_from(["adopt", "delete", "patch"]), st.integers(0, 2), st.integers(0, 2)
)
BATCHES = st.lists(
    st.lists(st.lists(ACTS, min_size=1, max_size=4), min_size=1, max_size=4), max_size=5
)


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store()) as opened:
        deploy(opened, TABLES)
        yield opened


def in_one_batch(store: Store, runs: list[Callable[[Transaction], Any]]) -> list[CommitRequest]:
    """Run functions in turn, all in one batch."""
    is_held, release = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        assert release.wait(WAIT_SECONDS)

    thread = threading.Thread(target=store.committer.call, args=(hold,))
    thread.start()
    assert is_held.wait(WAIT_SECONDS)
    requests = [CommitRequest(Origin(function="test"), run=run) for run in runs]
    for request in requests:
        store.committer.submit(request)
    release.set()
    thread.join(WAIT_SECONDS)
    for request in requests:
        request.wait()
    return requests


def make_foreign(store: Store, table: str) -> None:
    in_one_batch(store, [lambda tx: set_foreign_ids(tx, tx.tables[table])])


class Model:
    """Documents, tombstones, and how many versions there have been."""

    def __init__(self, store: Store, *, is_foreign: bool) -> None:
        number = store.catalog.by_name["notes"].number
        self.ids = [mint(number, 1000.0 + n, n) for n in range(3)]
        self.is_foreign = is_foreign
        self.alive: dict[str, tuple[int, float]] = {}
        self.deleted: dict[str, int] = {}
        self.versions: dict[str, int] = {}

    def time_of(self, id: str, value: int) -> float:
        return value * 10.0 if self.is_foreign else creation_time_of(id)

    def run(self, transaction: Transaction, acts: list[Act]) -> None:
        table = transaction.tables["notes"]
        for verb, which, value in acts:
            id = self.ids[which]
            fields = {"a": value, "u": which}
            existing = transaction.existing(id.encode())
            if verb == "adopt" and existing is None:
                created = self.time_of(id, value)
                adopt(transaction, table, id, created, fields, pack(fields))
            elif verb == "delete" and existing is not None:
                transaction.remove(table, id, existing)
            elif verb == "patch" and existing is not None:
                transaction.update(table, id, existing, fields, pack(fields))

    def note(self, acts: list[Act], ts: int) -> None:
        """What the transaction has done, once its timestamp is known."""
        now, touched = dict(self.alive), set[str]()
        for verb, which, value in acts:
            id = self.ids[which]
            if verb == "adopt" and id not in now:
                now[id] = (value, self.time_of(id, value))
            elif verb == "delete" and id in now:
                del now[id]
            elif verb == "patch" and id in now:
                now[id] = (value, now[id][1])
            else:
                continue
            touched.add(id)
        for id in touched:
            if id in now:
                self.deleted.pop(id, None)
            elif id in self.alive:
                self.deleted[id] = ts
            else:
                continue
            self.versions[id] = self.versions.get(id, 0) + 1
        self.alive = now

    def check(self, store: Store) -> None:
        with closing(store.snapshot()) as snapshot:
            assert verify(snapshot) == []
            for id in self.ids:
                assert len(history(snapshot, id)) == self.versions.get(id, 0)
                assert not any(revision.is_cut for revision in history(snapshot, id))
            low, high = snapshot.catalog.by_name["notes"].bounds
            rows = list(snapshot.decode(snapshot.records(low, high, reverse=False)))
            found = {row["_id"]: (row["a"], row["_creationTime"]) for row in rows}
            assert found == self.alive
            tombstones = dict(snapshot.reader.scan(Database.DELETED, low, high))
            assert tombstones == {
                id.encode(): TIMESTAMP.pack(ts) for id, ts in self.deleted.items()
            }


@pytest.mark.parametrize("is_foreign", [False, True])
@given(batches=BATCHES)
@example(batches=[[[("adopt", 0, 0)]], [[("delete", 0, 0)], [("adopt", 0, 1), ("delete", 0, 0)]]])
@example(batches=[[[("adopt", 0, 0)]], [[("delete", 0, 0)], [("adopt", 0, 1)]]])
@example(batches=[[[("adopt", 0, 0)], [("delete", 0, 0)], [("adopt", 0, 1), ("adopt", 1, 0)]]])
@example(
    batches=[
        [[("adopt", 0, 0)]],
        [[("delete", 0, 0)]],
        [[("adopt", 0, 1), ("delete", 0, 0), ("adopt", 1, 0)], [("adopt", 0, 2)]],
    ]
)
@example(
    batches=[
        [[("adopt", 0, 0)]],
        [[("delete", 0, 0)]],
        [[("adopt", 0, 1)], [("patch", 0, 2)], [("delete", 0, 0)]],
    ]
)
def test_log_tables_and_histories_agree(is_foreign: bool, batches: list[list[list[Act]]]) -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        if is_foreign:
            make_foreign(store, "notes")
        model = Model(store, is_foreign=is_foreign)
        for batch in batches:
            runs = [lambda tx, acts=acts: model.run(tx, acts) for acts in batch]
            for request, acts in zip(in_one_batch(store, runs), batch, strict=True):
                model.note(acts, request.ts)
            model.check(store)
        before = contents(store.environment)
        rebuild(store.environment)
        assert contents(store.environment) == before


@given(batches=BATCHES)
def test_other_processes_find_the_same_keys_in_the_log(batches: list[list[list[Act]]]) -> None:
    with closing(open_store()) as store:
        deploy(store, TABLES)
        make_foreign(store, "notes")
        model, start = Model(store, is_foreign=True), store.recent.head
        for batch in batches:
            in_one_batch(store, [lambda tx, acts=acts: model.run(tx, acts) for acts in batch])
        with closing(store.snapshot()) as snapshot:
            told = store.recent.since(snapshot, start)
            for keys, commit in zip(told, commit_log.after(snapshot.reader, start), strict=True):
                found = keys_of(snapshot, commit)
                # What came and went within a transaction is no matter of the log.
                for space, expected in found.by_space().items():
                    assert set(expected) <= set(keys.keys_of(space))


def adopted(store: Store, *times: float) -> list[str]:
    """Documents with these creation times, whose ids are in the opposite order."""
    number = store.catalog.by_name["notes"].number
    ids = [encode_id(number, bytes([255 - at] * 16)) for at in range(len(times))]

    def run(transaction: Transaction) -> None:
        for id, time in zip(ids, times, strict=True):
            adopt(transaction, transaction.tables["notes"], id, time, {"a": 1}, pack({"a": 1}))

    in_one_batch(store, [run])
    return ids


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"gt": 1.5}, [2]),
        ({"gte": 1.5}, [1, 2]),
        ({"lt": 1.5}, [0]),
        ({"lte": 1.5}, [0, 1]),
        ({"gt": -(10**400), "lt": 10**400}, [0, 1, 2]),
        ({"gt": float("inf")}, []),
        ({"gt": 2, "lt": 1}, []),
    ],
)
def test_creation_times_from_elsewhere_have_ranges(
    store: Store, bounds: dict[str, float], expected: list[int]
) -> None:
    make_foreign(store, "notes")
    ids = adopted(store, -2.25, 1.5, 7.0)
    query = transact(
        store, lambda w: w.query("notes").with_index("by_creation_time", **bounds).collect()
    )
    assert [row["_id"] for row in query] == [ids[at] for at in expected]
    with pytest.raises(IndexRangeError, match="milliseconds"):
        transact(store, lambda w: w.query("notes").with_index("by_creation_time", True).first())
    exact = transact(store, lambda w: w.query("notes").with_index("by_creation_time", 1.5).unique())
    assert exact["_id"] == ids[1]


def test_ties_of_an_index_are_in_order_of_creation(store: Store) -> None:
    make_foreign(store, "notes")
    ids = adopted(store, 5.0, 6.0, 7.0)
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        rows = transact(
            store,
            lambda w, order=order: w.query("notes").with_index("by_a", 1).order(order).collect(),
        )
        assert [row["_id"] for row in rows] == expected


def test_a_conflict_names_the_declared_fields_only(store: Store) -> None:
    make_foreign(store, "notes")
    adopted(store, 5.0)
    with closing(store.snapshot()) as snapshot:
        losing = store.begin(snapshot)
        store.writer(losing).query("notes").with_index("by_a", 1).collect()
        store.writer(losing).insert("notes", {"a": 2})
        transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        with pytest.raises(ConflictError) as lost:
            store.commit(losing, Origin())
    assert (lost.value.index, lost.value.key) == ("by_a", (1,))


def test_a_document_that_comes_while_a_table_is_changed_is_not_forgotten(store: Store) -> None:
    with closing(store.snapshot()) as snapshot:
        changing = store.begin(snapshot)
        set_foreign_ids(changing, changing.tables["notes"])
        transact(store, lambda writer: writer.insert("notes", {"a": 1}))
        with pytest.raises(ConflictError):
            store.commit(changing, Origin())


@pytest.mark.parametrize(
    ("id", "time", "kind"),
    [
        ("j5700000000000000000000000000000", 1.0, InvalidIdError),
        (encode_id(10_009, bytes(16)), 1.0, InvalidIdError),
        (encode_id(10_001, bytes(16)), float("nan"), UsageError),
        (encode_id(10_001, bytes(16)), 2.0**48, UsageError),
        (encode_id(10_001, bytes(16)), 1.0, UsageError),
    ],
)
def test_what_cannot_be_adopted_is_refused(
    store: Store, id: str, time: float, kind: type[Exception]
) -> None:
    def run(transaction: Transaction) -> None:
        with pytest.raises(kind) as refused:
            adopt(transaction, transaction.tables["notes"], id, time, {}, b"\x80")
        assert type(refused.value) is kind
        assert not transaction.own

    in_one_batch(store, [run])


def test_an_id_is_adopted_once(store: Store) -> None:
    id = encode_id(store.catalog.by_name["notes"].number, bytes(16))

    def run(transaction: Transaction) -> None:
        adopt(transaction, transaction.tables["notes"], id, 0.0, {}, b"\x80")

    in_one_batch(store, [run])

    def again(transaction: Transaction) -> None:
        with pytest.raises(UsageError, match="there is a document"):
            run(transaction)

    in_one_batch(store, [again])


def test_a_table_may_have_the_number_of_its_ids(store: Store) -> None:
    in_one_batch(store, [lambda tx: insert_table(tx, "imported", schema=None, number=12_345)])
    assert store.catalog.by_name["imported"].number == 12_345
    in_one_batch(store, [lambda tx: insert_table(tx, "next", schema=None)])
    assert store.catalog.by_name["next"].number == 12_346


@pytest.mark.parametrize("number", [1, 10_000, 10_001, 2**32])
def test_a_number_that_is_taken_or_out_of_bounds_is_refused(store: Store, number: int) -> None:
    def run(transaction: Transaction) -> None:
        with pytest.raises(TypeError, match=f"cannot have the number {number}"):
            insert_table(transaction, "imported", schema=None, number=number)

    in_one_batch(store, [run])
