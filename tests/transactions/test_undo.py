"""Undo where it meets the rest: other types, unique keys, batches, trimming, other processes.

The law over random histories is in tests/laws/test_undo.py.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.tables.histories import contents, open_store, transact
from tests.transactions.test_deployment import INTEGERS, STRINGS, typed
from tests.transactions.test_index_building import insert
from tests.transactions.test_revival import WAIT_SECONDS, in_one_batch, make_foreign

from headwater.errors import (
    DocumentInvalidError,
    SchemaMismatchError,
    UndoConflictError,
    UniqueViolationError,
    UsageError,
)
from headwater.schema import v
from headwater.storage import commit_log
from headwater.storage.commit_log import Origin
from headwater.storage.format import Database
from headwater.tables.history import history
from headwater.tables.rebuild import rebuild
from headwater.tables.trim import trim
from headwater.tables.verify import verify
from headwater.transactions import undo as undo_module
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.index_building import build_indexes
from headwater.transactions.origins import origin
from headwater.transactions.revival import adopt
from headwater.transactions.store import Store
from headwater.transactions.undo import restore, undo
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.ids import encode_id

UNIQUE = DeclaredTable("notes", None, [IndexDefinition("by_a", ("a",), unique=True)])


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store()) as opened:
        deploy(opened, [DeclaredTable("notes", None)])
        yield opened


def head(store: Store) -> int:
    with closing(store.snapshot()) as snapshot:
        return snapshot.ts


def get(store: Store, id: Any) -> dict[str, Any] | None:
    return transact(store, lambda writer: writer.get(id))


def problems(store: Store) -> list[Any]:
    with closing(store.snapshot()) as snapshot:
        return verify(snapshot)


def one(store: Store, **fields: Any) -> Any:
    return transact(store, lambda writer: writer.insert("notes", fields))


def test_a_commit_that_exchanged_unique_keys_is_undone(store: Store) -> None:
    deploy(store, [UNIQUE])
    first, second = one(store, a=1), one(store, a=2)

    def exchange(writer: Any) -> None:
        writer.patch(first, a=3)
        writer.patch(second, a=1)
        writer.patch(first, a=2)

    transact(store, exchange)
    assert undo(store, head(store), override=False) == head(store)
    assert [get(store, id)["a"] for id in (first, second)] == [1, 2]
    assert problems(store) == []


def test_a_unique_key_that_was_taken_meanwhile_stays_where_it_is(store: Store) -> None:
    deploy(store, [UNIQUE])
    first = one(store, a=1)
    transact(store, lambda writer: writer.delete(first))
    deleted = head(store)
    holder = one(store, a=1)
    before = head(store)
    for override in (False, True):
        with pytest.raises(UniqueViolationError) as refused:
            undo(store, deleted, override=override)
        assert refused.value.holder == holder
    assert head(store) == before
    assert get(store, first) is None


def test_a_version_of_another_type_is_refused(store: Store) -> None:
    deploy(store, [INTEGERS])
    note = one(store, a=1)
    transact(store, lambda writer: writer.delete(note))
    deleted = head(store)
    deploy(store, [STRINGS])
    before = head(store)
    with pytest.raises(DocumentInvalidError):
        undo(store, deleted, override=False)
    assert head(store) == before
    deploy(store, [typed(v.object({"a": v.any()}))])
    undo(store, deleted, override=False)
    assert get(store, note)["a"] == 1


def test_an_undo_says_in_the_log_what_it_undoes_and_who_asked(store: Store) -> None:
    note = one(store, a=1)
    inserted = head(store)
    with origin(identity="ada", request_id="r-1"):
        undone = undo(store, inserted, override=False)
    restored = restore(store, note, inserted, override=False)
    with closing(store.snapshot()) as snapshot:
        first, second = commit_log.after(snapshot.reader, inserted)
    assert (first.ts, second.ts) == (undone, restored)
    assert (first.origin.function, first.origin.details) == ("_undo", {"undoes": inserted})
    assert (first.origin.identity, first.origin.request_id) == ("ada", "r-1")
    assert (second.origin.function, second.origin.details) == ("_restore", {"restores": inserted})


def test_what_is_already_so_is_not_written(store: Store) -> None:
    note = one(store, a=1)
    inserted = head(store)
    assert restore(store, note, inserted, override=False) == 0
    undone = undo(store, inserted, override=False)
    assert undo(store, inserted, override=False) == 0
    assert restore(store, note, 0, override=False) == 0
    assert head(store) == undone


@pytest.mark.parametrize("verb", ["undo", "restore"])
def test_it_sees_what_was_waiting_before_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    note = one(store, a=0)
    inserted = head(store)
    transact(store, lambda writer: writer.patch(note, a=1))
    patched = head(store)
    is_held, is_queued = threading.Event(), threading.Event()
    submit = store.committer.submit

    def submit_and_tell(request: CommitRequest) -> None:
        submit(request)
        is_queued.set()

    def hold() -> None:
        is_held.set()
        assert is_queued.wait(WAIT_SECONDS)

    refused: list[UndoConflictError] = []

    def take_back() -> int:
        if verb == "undo":
            return undo(store, patched, override=False)
        return restore(store, note, inserted, override=False)

    def undo_it() -> None:
        with pytest.raises(UndoConflictError) as caught:
            take_back()
        refused.append(caught.value)

    holding = threading.Thread(target=store.committer.call, args=(hold,))
    holding.start()
    assert is_held.wait(WAIT_SECONDS)
    patch = CommitRequest(
        Origin(function="patch"), run=lambda transaction: store.writer(transaction).patch(note, a=2)
    )
    submit(patch)
    monkeypatch.setattr(store.committer, "submit", submit_and_tell)
    undoing = threading.Thread(target=undo_it)
    undoing.start()
    for thread in (holding, undoing):
        thread.join(WAIT_SECONDS)
    patch.wait()
    later = (patch.ts,) if verb == "undo" else (patch.ts, patched)
    assert refused[0].later == {note: later}
    assert get(store, note)["a"] == 2


def test_a_commit_of_the_catalog_is_not_undone(store: Store) -> None:
    deploy(store, [UNIQUE])
    with pytest.raises(UsageError, match="changed tables or indexes"):
        undo(store, head(store), override=True)


def test_a_document_comes_back_after_its_deletion_was_trimmed(store: Store) -> None:
    note = one(store, a=1)
    transact(store, lambda writer: writer.delete(note))
    deleted = head(store)
    one(store, a=2)
    undone = undo(store, deleted, override=False)
    trim(store.environment, store.environment.run_write, undone)
    assert problems(store) == []
    with closing(store.snapshot()) as snapshot:
        newest, *_, oldest = history(snapshot, note)
    assert (newest.ts, oldest.is_cut) == (undone, True)
    # What was before the revival is known: that there was nothing.
    undo(store, newest.ts, override=False)
    assert get(store, note) is None
    assert problems(store) == []
    before = contents(store.environment, Database.DOCUMENTS, Database.DELETED, Database.INDEXES)
    rebuild(store.environment)
    assert before == contents(store.environment, *before)


def test_a_document_that_was_brought_in_anew_gets_its_old_creation_time_back(store: Store) -> None:
    deploy(store, [UNIQUE])
    make_foreign(store, "notes")
    id: Any = encode_id(store.catalog.by_name["notes"].number, bytes(16))

    def bring(created: float) -> int:
        def run(transaction: Any) -> None:
            table = transaction.tables["notes"]
            existing = transaction.existing(id.encode())
            if existing is not None:
                transaction.remove(table, id, existing)
            adopt(transaction, table, id, created, {"a": 1}, b"\x81\xa1a\x01")

        return in_one_batch(store, [run])[0].ts

    bring(5.0)
    undo(store, bring(-7.5), override=False)
    assert get(store, id) == {"a": 1, "_id": id, "_creationTime": 5.0}
    assert problems(store) == []


def test_foreign_ids_do_not_hide_documents_that_share_a_unique_key(store: Store) -> None:
    deploy(store, [DeclaredTable("notes", None)])
    make_foreign(store, "notes")
    first, second, third = insert(store, 1, 1, 2)
    deploy(store, [UNIQUE])
    with pytest.raises(SchemaMismatchError, match="documents share a key") as refused:
        build_indexes(store)
    assert [id for id, _ in refused.value.documents] == [second]
    assert {first, third}.isdisjoint(id for id, _ in refused.value.documents)
    assert problems(store) == []


def test_a_document_with_many_later_versions_is_told_by_the_newest(store: Store) -> None:
    note = one(store, a=0)
    inserted = head(store)
    for number in range(undo_module._LATER_MAX + 1):
        transact(store, lambda writer, number=number: writer.patch(note, a=number + 1))
    with pytest.raises(UndoConflictError) as refused:
        undo(store, inserted, override=False)
    assert len(refused.value.later[note]) == undo_module._LATER_MAX
    assert refused.value.later[note][0] == head(store)
