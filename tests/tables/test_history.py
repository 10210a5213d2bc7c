"""Goal: every version of a document, newest first, and an honest end where the log has one.

Method: the model of random histories keeps all versions; commits are then removed from the log.
"""

from contextlib import closing
from itertools import groupby
from typing import Any

import pytest
from hypothesis import example, given, settings
from tests.strategies import documents
from tests.tables.histories import Act, histories, open_store, store_after, transact

from headwater.errors import CorruptionError, InvalidIdError
from headwater.storage.codec import pack
from headwater.storage.commit_log import NO_ORIGIN, Commit, Event, encode_commit
from headwater.storage.format import Database, seal_document, timestamp_key
from headwater.tables.history import Revision, changed_fields, history
from headwater.transactions.store import Store
from headwater_indexes.ids import encode_id
from headwater_indexes.values import MISSING


def history_of(store: Store, id_text: str) -> list[Revision]:
    with closing(store.snapshot()) as snapshot:
        return history(snapshot, id_text)


def fields_of(revision: Revision) -> dict[str, Any] | None:
    if revision.document is None:
        return None
    return {name: value for name, value in revision.document.items() if name[0] != "_"}


@settings(deadline=None, max_examples=40)
@given(histories())
def test_a_history_has_every_version_newest_first(acts: list[list[Act]]) -> None:
    store, model = store_after(acts)
    with closing(store):
        for id_text, versions in model.versions.items():
            found = history_of(store, id_text)
            if versions == [None]:  # it was deleted by the transaction that inserted it
                versions = []
            # A transaction may change a document and change it back: a version, and no change.
            states = [pack(fields_of(revision)) for revision in found]
            assert [state for state, _ in groupby(states)] == [pack(v) for v in reversed(versions)]
            assert [r.ts for r in found] == sorted({r.ts for r in found}, reverse=True)
            assert not any(r.is_cut for r in found)
            assert all(r.origin.function == "test" for r in found)
            for newer, older in zip(found, [*found[1:], None], strict=False):
                before = {} if older is None else fields_of(older) or {}
                changes = changed_fields(before, fields_of(newer) or {})
                assert pack_changes(newer.changed) == pack_changes(changes)
            for revision in found:
                if revision.document is not None:
                    assert revision.document["_id"] == id_text


def pack_changes(changed: dict[str, tuple[Any, Any]]) -> dict[str, list[Any]]:
    """Comparable, as NaN is not."""
    return {
        name: [value if value is MISSING else pack(value) for value in pair]
        for name, pair in changed.items()
    }


@settings(deadline=None)
@given(documents(), documents())
@example({"a": 1}, {"a": 1.0})
@example({"a": 1}, {"a": True})
@example({"a": float("nan")}, {"a": float("nan")})
def test_changes_turn_the_old_fields_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    changed = changed_fields(old, new)
    patched = {**old, **{name: after for name, (_, after) in changed.items()}}
    patched = {name: value for name, value in patched.items() if value is not MISSING}
    assert {n: pack(v) for n, v in patched.items()} == {n: pack(v) for n, v in new.items()}
    for name, (before, after) in changed.items():
        assert before is old.get(name, MISSING)
        assert after is MISSING or before is MISSING or pack(before) != pack(after)
    if pack(old) == pack(new):
        assert changed == {}


def versions(store: Store) -> str:
    """A document with three versions."""
    id_text: Any = transact(store, lambda writer: writer.insert("notes", {"a": 1, "b": 1}))
    transact(store, lambda writer: writer.patch(id_text, a=2))
    transact(store, lambda writer: writer.patch(id_text, {"b": MISSING}, c=3))
    return str(id_text)


def test_revisions_say_what_changed() -> None:
    store, _ = store_after([])
    with closing(store):
        id_text: Any = versions(store)
        transact(store, lambda writer: writer.delete(id_text), "notes:remove")
        gone, *older = history_of(store, id_text)
        assert gone.document is None
        assert gone.origin.function == "notes:remove"
        assert gone.changed == {"a": (2, MISSING), "c": (3, MISSING)}
        assert [revision.changed for revision in older] == [
            {"b": (1, MISSING), "c": (MISSING, 3)},
            {"a": (1, 2)},
            {"a": (MISSING, 1), "b": (MISSING, 1)},
        ]


def remove_commit(store: Store, ts: int) -> None:
    with store.environment.write() as writer:
        assert writer.delete(Database.LOG, timestamp_key(ts))


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_missing_commit_ends_the_history_with_a_flag(at: int, is_deleted: bool) -> None:
    store, _ = store_after([])
    with closing(store):
        id_text: Any = versions(store)
        if is_deleted:
            transact(store, lambda writer: writer.delete(id_text))
        else:
            transact(store, lambda writer: writer.patch(id_text, a=9))
        whole = history_of(store, id_text)
        remove_commit(store, whole[at].ts)
        found = history_of(store, id_text)
        assert [r.is_cut for r in found] == [False] * (len(found) - 1) + [True]
        assert found[-1].changed == {}
        if at == 0:
            # The tables still have the newest version, and do not know where it came from.
            assert found == [Revision(whole[0].ts, NO_ORIGIN, whole[0].document, {}, is_cut=True)]
        else:
            assert found[:-1] == whole[: at - 1]
            assert found[-1].document == whole[at - 1].document


def test_a_commit_without_the_document_ends_the_history_too() -> None:
    store, _ = store_after([])
    with closing(store):
        id_text = versions(store)
        newest, before, _ = history_of(store, id_text)
        other = Commit(before.ts, 0, NO_ORIGIN, (Event("other", 0, None, None),))
        with store.environment.write() as writer:
            writer.put(Database.LOG, *encode_commit(other))
        (found,) = history_of(store, id_text)
        assert (found.ts, found.is_cut) == (newest.ts, True)


def test_a_damaged_commit_is_an_error_that_names_it() -> None:
    store, _ = store_after([])
    with closing(store):
        id_text = versions(store)
        ts = history_of(store, id_text)[1].ts
        with store.environment.write() as writer:
            writer.put(Database.LOG, timestamp_key(ts), b"damaged")
        with pytest.raises(CorruptionError, match=str(ts)):
            history_of(store, id_text)


def test_what_never_existed_has_no_history() -> None:
    with closing(open_store()) as store:
        assert history_of(store, encode_id(10_001, bytes(16))) == []


@pytest.mark.parametrize("text", ["", "nonsense", "é" * 32, "0" * 32])
def test_what_is_no_id_is_refused(text: str) -> None:
    with closing(open_store()) as store, pytest.raises(InvalidIdError, match="expected the _id"):
        history_of(store, text)


def test_a_creation_time_of_its_own_is_kept() -> None:
    store, _ = store_after([])
    with closing(store):
        id_text = encode_id(10_001, b"imported\0\0\0\0\0\0\0\0")
        ts = 2**61
        event = Event(id_text, 0, 123.5, pack({"a": 1}))
        record = seal_document(id_text.encode("ascii"), ts, 123.5, pack({"a": 1}))
        with store.environment.write() as writer:
            writer.put(Database.LOG, *encode_commit(Commit(ts, 0, NO_ORIGIN, (event,))))
            writer.put(Database.DOCUMENTS, id_text.encode("ascii"), record)
        (found,) = history_of(store, id_text)
        assert found.document == {"a": 1, "_id": id_text, "_creationTime": 123.5}
