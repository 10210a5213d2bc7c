"""Pinned examples of batches: what they cost, refuse and say. Their law is that of the loop."""

from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, Any, NotRequired

import pytest

import headwater as hw
from headwater import Document, Id, Index, Table, testing
from headwater.storage.transactions import ReadTransaction


class Task(Document["Task"]):
    name: str
    rank: int


class Tasks(Table[Task]):
    by_name = Index("name", unique=True)
    by_rank = Index("rank")


def module() -> ModuleType:
    declared = ModuleType("tasks")
    vars(declared).update(Tasks=Tasks, Task=Task)
    return declared


@pytest.fixture
def db() -> Iterator[hw.Database]:
    with testing.database(module(), limits=hw.Limits(documents_written=6)) as opened:
        yield opened


@pytest.fixture
def ids(db: hw.Database) -> list[Any]:
    rows = [{"name": f"task {n}", "rank": n} for n in range(5)]
    return list(db.transact(lambda tx: tx.insert_many(Tasks, rows)))


def ranks(db: hw.Database) -> list[int]:
    with db.snapshot() as snapshot:
        return [task["rank"] for task in snapshot.query(Tasks)]


def test_documents_are_read_in_one_step(db, ids, monkeypatch) -> None:
    asked: list[int] = []
    get_many = ReadTransaction.get_many

    def counted(self: Any, database: Any, keys: list[bytes]) -> Any:
        asked.append(len(keys))
        return get_many(self, database, keys)

    monkeypatch.setattr(ReadTransaction, "get_many", counted)
    with db.snapshot() as snapshot:
        found = snapshot.get_many([*ids, ids[0]])
    assert [task["rank"] for task in found] == [0, 1, 2, 3, 4, 0]
    assert asked == [6]


def test_own_writes_are_read(db, ids) -> None:
    with db.transaction() as tx:
        tx.delete(ids[0])
        tx.patch(ids[1], rank=7)
        new = tx.insert(Tasks, {"name": "new", "rank": 9})
        found = tx.get_many([new, ids[2], ids[1], ids[0]])
    assert [task and task["rank"] for task in found] == [9, 2, 7, None]


def test_a_generator_of_ids_will_do(db, ids) -> None:
    db.transact(lambda tx: tx.delete_many(task["_id"] for task in tx.query(Tasks).take(2)))
    assert ranks(db) == [2, 3, 4]


def test_keys_are_swapped_by_way_of_none(db, ids) -> None:
    one, two = ids[:2]
    swapped = {one: {"name": "task 1"}, two: {"name": "task 0"}}
    with pytest.raises(hw.UniqueViolationError) as caught:
        db.transact(lambda tx: tx.patch_many(swapped))
    assert caught.value.holder == two

    def aside(tx: hw.Writer) -> None:
        tx.patch(one, name="")
        tx.patch_many(dict(reversed(swapped.items())))

    db.transact(aside)
    with db.snapshot() as snapshot:
        assert [task["name"] for task in snapshot.query(Tasks).take(2)] == ["task 1", "task 0"]


def test_a_batch_beyond_the_limit_writes_nothing_even_if_that_is_caught(db, ids) -> None:
    def write(tx: hw.Writer) -> str:
        tx.insert(Tasks, {"name": "new", "rank": 9})
        tx.insert(Tasks, {"name": "other", "rank": 9})
        try:
            tx.delete_where(tx.query(Tasks))
        except hw.LimitExceededError as error:
            return str(error)
        return ""

    text = db.transact(write)
    assert "documents_written reached 7, the limit is 6; split the work into several" in text
    assert ranks(db) == [0, 1, 2, 3, 4, 9, 9]


WRONG = {
    "one id": (lambda tx, ids: tx.delete_many(ids[0]), hw.InvalidIdError, "delete_many() takes"),
    "one id to get": (lambda tx, ids: tx.get_many(ids[0]), hw.InvalidIdError, "get_many() takes"),
    "no ids": (lambda tx, _: tx.get_many(3), hw.InvalidIdError, "3 (int) is no document id"),
    "a number": (lambda tx, _: tx.get_many([3]), hw.InvalidIdError, "3 (int) is no document id"),
    "no dict": (
        lambda tx, ids: tx.patch_many(ids),
        hw.UsageError,
        "expected a dict of what to set by id",
    ),
    "no dict in it": (
        lambda tx, ids: tx.patch_many(dict.fromkeys(ids, 3)),
        hw.UsageError,
        "patch_many() is to set 3 (int) on ",
    ),
    "what was read": (
        lambda tx, _: tx.delete_where(tx.query(Tasks).collect()),
        hw.UsageError,
        "expected a query that has not run",
    ),
    "a table": (
        lambda tx, _: tx.patch_where(Tasks, rank=1),
        hw.UsageError,
        "expected a query that has not run",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments_are_refused(db, ids, what) -> None:
    use, kind, text = WRONG[what]
    with pytest.raises(kind) as caught:
        db.transact(lambda tx: use(tx, ids))
    assert text in str(caught.value)
    assert ranks(db) == [0, 1, 2, 3, 4]


def test_a_query_of_another_transaction_is_refused(db, ids) -> None:
    with db.snapshot() as snapshot:
        query = snapshot.query(Tasks)
        with pytest.raises(hw.UsageError, match="the query is of another transaction"):
            db.transact(lambda tx: tx.delete_where(query))
    assert ranks(db) == [0, 1, 2, 3, 4]


def test_a_batch_of_an_ended_transaction_is_refused(db, ids) -> None:
    with db.transaction() as tx:
        query = tx.query(Tasks)
    with pytest.raises(hw.ClosedError):
        tx.delete_where(query)
    with pytest.raises(hw.ClosedError):
        tx.patch_many({ids[0]: {"rank": 7}})


def test_a_table_that_is_not_there_has_nothing_to_delete(db) -> None:
    assert db.transact(lambda tx: tx.delete_where(tx.query("nowhere"))) == 0
    assert db.transact(lambda tx: tx.get_many([])) == []


def test_tables_of_the_database_are_closed_to_batches(db, ids) -> None:
    with pytest.raises(hw.InvalidIdError, match="an id of a system table"):
        db.transact(lambda tx: tx.delete_where(tx.query("_tables")))


class Folder(Document["Folder"]):
    name: str
    parent: NotRequired[Annotated[Id["Folder"], hw.references(on_delete="cascade")]]


class Folders(Table[Folder]):
    by_parent = Index("parent")


class Pin(Document["Pin"]):
    folder: Annotated[Id[Folder], hw.references(on_delete="restrict")]


class Pins(Table[Pin]):
    by_folder = Index("folder")


def test_what_a_deletion_takes_along_is_passed_over_by_a_query_and_missed_by_its_id() -> None:
    declared = ModuleType("folders")
    vars(declared).update(Folders=Folders, Pins=Pins)
    with testing.database(declared) as db:

        def build(tx: hw.Writer) -> list[Any]:
            above = tx.insert(Folders, {"name": "above"})
            below = tx.insert(Folders, {"name": "below", "parent": above})
            pinned = tx.insert(Folders, {"name": "pinned"})
            tx.insert(Pins, {"folder": pinned})
            return [above, below, pinned]

        above, below, pinned = db.transact(build)
        with pytest.raises(hw.DocumentNotFoundError):
            db.transact(lambda tx: tx.delete_many([above, below]))
        with pytest.raises(hw.ReferencedError):
            db.transact(lambda tx: tx.delete_where(tx.query(Folders)))
        with db.snapshot() as snapshot:
            assert None not in snapshot.get_many([above, below, pinned])
        unpinned = db.transact(
            lambda tx: tx.delete_where(tx.query(Folders).filter(lambda one: one["_id"] != pinned))
        )
        assert unpinned == 1
        with db.snapshot() as snapshot:
            assert [one["name"] for one in snapshot.query(Folders)] == ["pinned"]
