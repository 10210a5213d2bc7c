"""The store beside other processes, and what a function that ran too long leaves behind.

Method: commits behind the store's back, as another process makes them, at chosen moments.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.tables.histories import contents, open_store, transact

from headwater.storage.commit_log import Commit, Event, Origin
from headwater.storage.format import Database, seal_document
from headwater.storage.transactions import NO_VERSION
from headwater.tables.history import history
from headwater.tables.projection import Changes, apply
from headwater.tables.rebuild import rebuild
from headwater.tables.verify import verify
from headwater.transactions import committer, watchdog
from headwater.transactions.batch import Batch
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.store import Store
from headwater.transactions.system_tables import insert_table
from headwater.transactions.watchdog import Watchdog, _Overran
from headwater_indexes.ids import mint


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store()) as opened:
        yield opened


def create_elsewhere(store: Store, writer: Any, name: str) -> None:
    """Create a table as another process does: nobody here is told."""
    transaction = store.begin(store.snapshot_of(writer))
    insert_table(transaction, name, schema=None)
    batch = Batch(transaction.snapshot.ts)
    batch.append(transaction.own, Origin(function="elsewhere"), store.clock.now_ns())
    apply(writer, batch.commits, batch.changes())


def test_a_table_that_another_process_has_made_is_not_made_again(store: Store) -> None:
    store.environment.run_write(lambda writer: create_elsewhere(store, writer, "notes"))
    made: set[int] = set()
    assert store.create_table("notes", made).name == "notes"
    assert made == set()
    assert [table.name for table in store.catalog.user_tables()] == ["notes"]


def test_who_loses_the_race_for_a_table_takes_that_of_the_winner(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, names = committer._write, ["notes"]

    def write_second(writer: Any, batch: Batch) -> bool:
        if names:
            create_elsewhere(store, writer, names.pop())
            batch.version = NO_VERSION  # that process has had a transaction of its own
        return write(writer, batch)

    monkeypatch.setattr(committer, "_write", write_second)
    made: set[int] = set()
    number = store.create_table("notes", made).number
    assert made == set()
    assert [table.number for table in store.catalog.user_tables()] == [number]
    assert transact(store, lambda writer: writer.insert("notes", {}))


def test_a_snapshot_that_cannot_be_looked_at_is_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reader: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "snapshot_of", fail)
        with pytest.raises(KeyboardInterrupt) as interrupted:
            store.snapshot()
        # The traceback holds the frame, which holds the snapshot.
        assert store.environment.readers == {}
    assert interrupted.type is KeyboardInterrupt


def test_a_creation_time_that_the_id_does_not_say_stays_with_the_document(store: Store) -> None:
    number = store.create_table("notes").number
    id_text = mint(number, 1000.0, 1)
    key, body, imported = id_text.encode(), b"\x80", 12.5

    def put(writer: Any) -> None:
        ts = store.recent.head
        commit = Commit(ts + 1, ts, Origin(), [Event(id_text, 0, imported, body)])
        changes = Changes()
        changes.records.append((key, seal_document(key, ts + 1, imported, body)))
        apply(writer, [commit], changes)

    store.environment.run_write(put)
    target: Any = id_text
    transact(store, lambda writer: writer.patch(target, a=1))
    transact(store, lambda writer: writer.patch(target, a=2))
    with closing(store.snapshot()) as snapshot:
        assert verify(snapshot) == []
        assert len(history(snapshot, target)) == 3
    before = contents(store.environment, Database.DOCUMENTS)
    rebuild(store.environment)
    assert contents(store.environment, Database.DOCUMENTS) == before
    found = transact(store, lambda writer: writer.get(target))
    assert found == {"a": 2, "_id": id_text, "_creationTime": imported}


# The watchdog -----------------------------------------------------------------------------------


def test_an_end_that_is_late_is_raised_in_the_function_that_it_was_meant_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []

    def late(count: int) -> Any:
        looked.append(count)
        raise _Overran

    dog = Watchdog(seconds=3600.0)
    hit, other = (CommitRequest(Origin(), run=lambda _: "done") for _ in range(2))
    transaction: Any = None
    dog._victim = hit
    monkeypatch.setattr(watchdog, "range", late, raising=False)
    assert dog.run(other, transaction) == "done"
    assert looked == [], "nobody else waits for it"
    assert dog.run(hit, transaction) == "done"
    assert looked == [1000]
    dog.close()


def test_a_watchdog_that_fell_asleep_is_woken_and_not_doubled() -> None:
    dog = Watchdog(seconds=3600.0)
    request = CommitRequest(Origin(), run=lambda _: "done")
    transaction: Any = None
    dog.run(request, transaction)
    thread = dog._thread
    dog._is_watched = False  # as it does when it has seen nothing for a while
    dog._activity.clear()
    dog.run(request, transaction)
    assert dog._activity.is_set()
    assert dog._thread is thread
    dog.close()
