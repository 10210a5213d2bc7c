"""Goal: who has not seen commits that are trimmed away takes nothing for unchanged.

Method: commits and trimmings behind the store's back, as another process makes them: the window of
recent commits does not know them, and the log does not have them any more.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.laws import cached
from tests.laws.clocks import SlowClock
from tests.tables.histories import TABLES, deploy_and_build, open_store, transact

import headwater as hw
from headwater.errors import ConflictError, LogTrimmedError
from headwater.storage.commit_log import Origin, head
from headwater.storage.environment import Environment
from headwater.tables import trim as trimming
from headwater.tables.projection import apply
from headwater.tables.trim import trim
from headwater.tables.verify import verify
from headwater.transactions import committer, index_building
from headwater.transactions.batch import Batch
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.store import Store
from headwater.transactions.writer import Writer
from headwater_indexes.definition import IndexDefinition


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store()) as opened:
        deploy_and_build(opened, *TABLES)
        yield opened


def commit_elsewhere(store: Store, act: Callable[[Writer], Any]) -> None:
    """Commit as another process does: nobody here is told."""

    def write(writer: Any) -> None:
        transaction = store.begin(store.snapshot_of(writer))
        act(store.writer(transaction))
        batch = Batch(transaction.snapshot.ts)
        batch.append(transaction.own, Origin(function="elsewhere"), store.clock.now_ns())
        apply(writer, batch.commits, batch.changes())

    store.environment.run_write(write)


def trim_everything(environment: Environment) -> int:
    with environment.read() as reader:
        newest = head(reader)
    return trim(environment, environment.run_write, newest + 1).horizon


def insert(table: str = "notes", **fields: Any) -> Callable[[Writer], Any]:
    return lambda writer: writer.insert(table, fields)


@pytest.mark.parametrize("reads", [True, False])
def test_a_transaction_from_before_the_horizon_loses(store: Store, reads: bool) -> None:
    note = transact(store, insert(a=1))
    with closing(store.snapshot()) as snapshot:
        old = store.begin(snapshot)
        if reads:
            assert store.writer(old).get(note)
        store.writer(old).insert("tasks", {})
        for number in range(3):
            commit_elsewhere(store, lambda writer, n=number: writer.patch(note, a=n))
        horizon = trim_everything(store.environment)
        with pytest.raises(ConflictError, match=f"trimmed to commit {horizon}.*Run it again"):
            store.commit(old, Origin())
    assert transact(store, lambda writer: writer.get(note)["a"]) == 2


def test_one_from_the_horizon_on_is_judged_by_what_it_read(store: Store) -> None:
    one, other = transact(store, insert(a=1)), transact(store, insert(a=2))
    commit_elsewhere(store, lambda writer: writer.patch(one, a=3))
    trim_everything(store.environment)
    with closing(store.snapshot()) as snapshot:
        good, bad = store.begin(snapshot), store.begin(snapshot)
        store.writer(good).patch(one, b=1)
        store.writer(bad).patch(other, b=1)
        commit_elsewhere(store, lambda writer: writer.patch(other, a=4))
        store.commit(good, Origin())
        with pytest.raises(ConflictError, match="elsewhere"):
            store.commit(bad, Origin())
    with closing(store.snapshot()) as snapshot:
        assert verify(snapshot) == []


def test_the_window_begins_anew_at_the_horizon(store: Store) -> None:
    transact(store, insert(a=1))
    old_ts = store.recent.head
    commit_elsewhere(store, insert(a=2))
    horizon = trim_everything(store.environment)
    commit_elsewhere(store, insert(a=3))
    with closing(store.snapshot()) as snapshot:
        assert store.recent.catch_up(snapshot)
        assert not store.recent.catch_up(snapshot)
        assert store.recent.between(old_ts, snapshot.ts) is None
        assert [keys.ts for keys in store.recent.since(snapshot, horizon)] == [snapshot.ts]
        with pytest.raises(LogTrimmedError):
            store.recent.since(snapshot, old_ts)


def test_live_queries_run_again() -> None:
    with hw.open(None, modules=[cached]) as db:
        db.mutate(cached.add, group=1)
        with db.watch(cached.count_runs, group=1) as live:
            assert live.next(30) == 1
            store = db._store
            for _ in range(3):
                commit_elsewhere(store, insert("items", group=1))
            trim_everything(store.environment)
            db._reactor.wake()
            assert live.next(30) == 4
            db.mutate(cached.add, group=1)
            assert live.next(30) == 5
        db._reactor.queries.check()


def test_cached_results_are_dropped() -> None:
    with hw.open(None, modules=[cached], clock=SlowClock()) as db:
        db.mutate(cached.add, group=1)
        assert [db.query(cached.count_runs, group=1) for _ in range(5)] == [1] * 5
        assert db._runner.cache.hits
        commit_elsewhere(db._store, insert("items", group=1))
        trim_everything(db._store.environment)
        assert db.query(cached.count_runs, group=1) == 2


def test_an_index_is_looked_through_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    transact(store, insert(a=1))
    find, looks = index_building.find_duplicates, []

    def find_and_trim(*arguments: Any) -> Any:
        found = find(*arguments)
        looks.append(found)
        if len(looks) == 1:
            commit_elsewhere(store, insert(a=2))
            trim_everything(store.environment)
        return found

    monkeypatch.setattr(index_building, "find_duplicates", find_and_trim)
    unique = IndexDefinition("unique_a", ("a",), unique=True)
    deploy(store, [DeclaredTable("notes", None, [unique])])
    index_building.build_indexes(store)
    assert len(looks) == 2
    assert store.snapshot().catalog.by_name["notes"].by_name["unique_a"].state == "ready"


def test_a_document_that_comes_back_while_its_past_is_trimmed_is_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hw.open(None) as db:
        note = db.transact(lambda tx: tx.insert("notes", {"a": 1}))
        written = db.ts
        db.transact(lambda tx: tx.delete(note))
        write, trims = committer._write, [trim_everything]

        def trim_and_write(writer: Any, batch: Batch) -> bool:
            if trims:
                # As another process does between the making of a batch and its writing.
                trims.pop()
                place = trimming._begin(writer, db.ts + 1)
                while place is not None:
                    place = trimming.Trimming(place.horizon).step(writer).next
            return write(writer, batch)

        monkeypatch.setattr(committer, "_write", trim_and_write)
        db.restore(note, written)
        assert not trims
        # What it comes back from is not known any more, so it is new.
        assert [(revision.document["a"], revision.is_cut) for revision in db.history(note)] == [
            (1, False)
        ]
        assert db.verify() == []
