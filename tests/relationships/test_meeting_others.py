"""References where they meet undo, restore, imports, rules, projections and large transactions."""

import types
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.relationships import graphs
from tests.relationships.graphs import (
    Files,
    Folders,
    Links,
    Owners,
    Seals,
    cascades_of,
    open_graph,
    read_all,
    take_all_steps,
    take_step,
)
from tests.tables.histories import transact

import headwater as hw
from headwater.limits import Limits
from headwater.tables.verify import verify
from headwater.testing import check_serializable, database, record
from headwater.testing.database import ThrowAwayDatabase
from headwater.transactions.store import Store
from headwater.transactions.undo import restore, undo


@pytest.fixture
def db() -> Iterator[ThrowAwayDatabase]:
    with database(graphs, limits=Limits(cascade_documents=5)) as opened:
        yield opened


@pytest.fixture
def store() -> Iterator[Store]:
    """One whose cascades take steps of three documents, when they are told to."""
    with closing(open_graph(3)) as opened:
        yield opened


def tree(tx: hw.Writer, files: int = 2) -> list[Any]:
    """An owner, a folder, and files in it."""
    owner = tx.insert(Owners, {"name": "a"})
    folder = tx.insert(Folders, {"owner": owner})
    return [owner, folder, *(tx.insert(Files, {"folder": folder}) for _ in range(files))]


def head(store: Store) -> int:
    with closing(store.snapshot()) as snapshot:
        return snapshot.ts


# Undo and restore -------------------------------------------------------------------------------


def test_an_undo_does_not_leave_what_refers_to_what_it_takes_back(db: ThrowAwayDatabase) -> None:
    owner = db.transact(lambda tx: tx.insert(Owners, {"name": "a"}))
    inserted = db.ts
    folder = db.transact(lambda tx: tx.insert(Folders, {"owner": owner}))
    with pytest.raises(hw.ReferencedError) as refused:
        db.undo(inserted)
    assert refused.value.children == (folder,)
    assert db.get(owner) is not None
    db.undo(inserted, override=True)
    assert (db.get(owner), db.get(folder)) == (None, None)
    assert db.verify() == []


def test_what_holds_a_document_holds_it_against_an_undo_with_override(
    db: ThrowAwayDatabase,
) -> None:
    owner = db.transact(lambda tx: tx.insert(Owners, {"name": "a"}))
    inserted = db.ts
    db.transact(lambda tx: tx.insert(Seals, {"owner": owner}))
    with pytest.raises(hw.ReferencedError):
        db.undo(inserted, override=True)


def test_an_undo_takes_back_parents_and_children_together(db: ThrowAwayDatabase) -> None:
    ids = db.transact(tree)
    inserted = db.ts
    db.undo(inserted)
    assert [db.get(id) for id in ids] == [None] * 4
    db.undo(db.ts)
    assert None not in [db.get(id) for id in ids]
    db.transact(lambda tx: tx.delete(ids[0]))
    db.undo(db.ts)
    assert None not in [db.get(id) for id in ids]


def test_a_child_does_not_come_back_without_its_parent(db: ThrowAwayDatabase) -> None:
    owner, folder, file, _ = db.transact(tree)
    db.transact(lambda tx: tx.delete(file))
    deleted = db.ts
    db.transact(lambda tx: tx.delete(folder))
    for override in (False, True):
        with pytest.raises(hw.DanglingReferenceError):
            db.undo(deleted, override=override)
        with pytest.raises(hw.DanglingReferenceError):
            db.restore(file, deleted - 1, override=override)
    db.undo(db.ts)
    db.undo(deleted)
    assert db.get(file) is not None
    assert db.get(owner) is not None


@pytest.mark.parametrize("steps", range(6))
def test_undoing_a_large_deletion_brings_back_all_of_it_at_every_step(
    store: Store, steps: int
) -> None:
    ids = transact(store, lambda tx: tree(tx, files=9))
    transact(store, lambda tx: tx.insert(Owners, {"name": "b", "manager": ids[0]}))
    before = read_all(store)
    transact(store, lambda tx: tx.delete(ids[0]))
    deleted = head(store)
    assert len(cascades_of(store)) == 1
    for _ in range(steps):
        if underway := cascades_of(store):
            take_step(store, underway[0]["_id"])
    undo(store, deleted, override=False)
    assert read_all(store) == before
    assert cascades_of(store) == []
    with closing(store.snapshot()) as snapshot:
        assert verify(snapshot) == []


def test_a_large_deletion_is_not_undone_over_what_has_changed_since(store: Store) -> None:
    ids = transact(store, lambda tx: tree(tx, files=9))
    other = transact(store, lambda tx: tx.insert(Owners, {"name": "b", "manager": ids[0]}))
    transact(store, lambda tx: tx.delete(ids[0]))
    deleted = head(store)
    take_all_steps(store)
    transact(store, lambda tx: tx.patch(other, name="c"))
    with pytest.raises(hw.UndoConflictError) as refused:
        undo(store, deleted, override=False)
    assert refused.value.later == {other: (head(store),)}
    undo(store, deleted, override=True)
    assert ids[0] in read_all(store)


def test_a_parent_does_not_come_back_alone_while_its_children_go(store: Store) -> None:
    ids = transact(store, lambda tx: tree(tx, files=9))
    before = head(store)
    transact(store, lambda tx: tx.delete(ids[1]))
    take_step(store, cascades_of(store)[0]["_id"])
    with pytest.raises(hw.UsageError, match="cannot come back while what referred to it"):
        restore(store, ids[1], before, override=True)
    take_all_steps(store)
    restore(store, ids[1], before, override=False)
    assert set(ids[2:]).isdisjoint(read_all(store))


# Imports ----------------------------------------------------------------------------------------


def lines(path: Path, *documents: dict[str, Any]) -> Path:
    import json

    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def test_an_import_refuses_what_names_nothing(db: ThrowAwayDatabase, tmp_path: Path) -> None:
    owner = db.transact(lambda tx: tx.insert(Owners, {"name": "a"}))
    good = lines(tmp_path / "folders.jsonl", {"owner": owner})
    db.import_from(good)
    absent = owner[:-1] + ("0" if owner[-1] != "0" else "1")
    bad = lines(tmp_path / "bad.jsonl", {"owner": owner}, {"owner": absent})
    with pytest.raises(hw.ImportRefusedError, match=f"'folders' refers by 'owner' to {absent}"):
        db.import_from(bad, table="folders", mode="append")
    assert len(db.query(count_folders)) == 1


def test_an_import_does_not_take_away_what_others_name(
    db: ThrowAwayDatabase, tmp_path: Path
) -> None:
    db.transact(tree)
    others = lines(tmp_path / "owners.jsonl", {"name": "x"})
    with pytest.raises(hw.ImportRefusedError, match="of 'folders' refers by 'owner'"):
        db.import_from(others, mode="replace")
    assert db.verify() == []


def test_tables_that_refer_to_each_other_come_back_together(
    db: ThrowAwayDatabase, tmp_path: Path
) -> None:
    ids = db.transact(tree)
    db.export_to(tmp_path / "all")
    db.transact(lambda tx: tx.delete(ids[0]))
    db.import_from(tmp_path / "all")
    assert None not in [db.get(id) for id in ids]
    assert db.verify() == []


@hw.query
def count_folders(ctx: hw.QueryCtx) -> list[Any]:
    return ctx.db.query(Folders).collect()


# Background -------------------------------------------------------------------------------------


def test_a_large_deletion_is_over_when_the_jobs_are(db: ThrowAwayDatabase) -> None:
    ids = db.transact(lambda tx: tree(tx, files=20))
    db.transact(lambda tx: tx.delete(ids[0]))
    assert db.get(ids[0]) is None
    with db.snapshot() as s:
        (cascade,) = s.query(hw.Cascades).collect()
        assert cascade["roots"] == [ids[0]]
        assert s.query(Files).count() == 20
    with pytest.raises(hw.DanglingReferenceError):
        db.transact(lambda tx: tx.insert(Folders, {"owner": ids[0]}))
    db.finish_jobs()
    with db.snapshot() as s:
        assert s.query(hw.Cascades).collect() == []
        assert s.query(Files).collect() == []
    assert db.verify() == []


def test_a_large_deletion_ends_by_itself(tmp_path: Path) -> None:
    limits = Limits(cascade_documents=5)
    with hw.open(tmp_path / "db", modules=[graphs], durability="none", limits=limits) as db:
        ids = db.transact(lambda tx: tree(tx, files=30))
        db.transact(lambda tx: tx.delete(ids[0]))
        wait_for_cascades(db)
        with db.snapshot() as s:
            assert s.query(Files).collect() == []


def test_what_was_not_ended_is_ended_at_the_next_opening(tmp_path: Path) -> None:
    limits = Limits(cascade_documents=5)
    with hw.open(
        tmp_path / "db", modules=[graphs], durability="none", limits=limits, jobs="hold"
    ) as db:
        ids = db.transact(lambda tx: tree(tx, files=30))
        db.transact(lambda tx: tx.delete(ids[0]))
        assert db.query(underway) == 1
    with hw.open(tmp_path / "db", durability="none", limits=limits) as db:
        wait_for_cascades(db)
        with db.snapshot() as s:
            assert s.query("files").collect() == []


@hw.query
def underway(ctx: hw.QueryCtx) -> int:
    return ctx.db.query(hw.Cascades).count()


def wait_for_cascades(db: hw.Database) -> None:
    with db.watch(underway) as live:
        for count in live:
            if not count:
                return


def test_a_deletion_that_is_held_far_below_is_refused_as_a_whole(db: ThrowAwayDatabase) -> None:
    ids = db.transact(lambda tx: tree(tx, files=20))
    other = db.transact(tree)
    held = ids[15]
    link = db.transact(lambda tx: tx.insert(Links, {"source": other[2], "target": held}))
    ts = db.ts
    with pytest.raises(hw.ReferencedError) as refused:
        db.transact(lambda tx: tx.delete(ids[0]))
    error = refused.value
    assert (error.id, error.table, error.field) == (held, "links", "target")
    assert (error.index, error.children) == ("reference_target", (link,))
    assert db.ts == ts
    inside = db.transact(lambda tx: tx.insert(Links, {"source": ids[3], "target": ids[4]}))
    db.transact(lambda tx: tx.delete(link))
    db.transact(lambda tx: tx.delete(ids[0]))
    db.finish_jobs()
    assert db.get(inside) is None


def test_a_transaction_takes_along_no_more_than_its_limit(db: ThrowAwayDatabase) -> None:
    """Several small deletions in one transaction are one large one."""
    trees = [db.transact(tree) for _ in range(4)]
    db.transact(lambda tx: [tx.delete(ids[0]) for ids in trees])
    with db.snapshot() as s:
        assert s.query(Owners).collect() == []
        assert s.query(Folders).count() == 3
    db.finish_jobs()
    with db.snapshot() as s:
        assert s.query(Files).collect() == []


def test_a_projection_is_fed_with_what_a_cascade_deletes() -> None:
    class Count(hw.Document["Count"]):
        folder: str
        files: int

    class Counts(hw.Table[Count]):
        by_folder = hw.Index("folder", unique=True)

    @hw.projection(into=[Counts], of=[Files])
    def counts(state: hw.ProjectionState, event: hw.Change) -> None:
        fields = event.after or event.before
        assert fields is not None
        known = state.query(Counts).with_index(Counts.by_folder, fields["folder"]).unique()
        step = (event.after is not None) - (event.before is not None)
        if known is None:
            state.insert(Counts, {"folder": fields["folder"], "files": step})
        else:
            state.patch(known["_id"], files=known["files"] + step)

    module = types.ModuleType("counting")
    module.counts = counts  # type: ignore[attr-defined]
    with database(graphs, module, limits=Limits(cascade_documents=5)) as db:
        small, large = db.transact(tree), db.transact(lambda tx: tree(tx, files=20))
        db.transact(lambda tx: [tx.delete(ids[1]) for ids in (small, large)])
        db.finish_jobs()
        with db.snapshot() as s:
            assert [one["files"] for one in s.query(Counts)] == [0, 0]


# The recorder -----------------------------------------------------------------------------------


def test_a_recorder_sees_what_references_make_a_transaction_read(db: ThrowAwayDatabase) -> None:
    owner, folder, *_ = db.transact(tree)

    def reads(function: Callable[[hw.Writer], object]) -> list[tuple[str, str]]:
        with record(db) as recorder:
            db.transact(function)
        (found,) = [one for one in recorder.history().transactions if one.began is not None]
        return [(read.id, read.through) for read in found.reads]

    assert (owner, "") in reads(lambda tx: tx.insert(Folders, {"owner": owner}))
    assert (folder, "folders.reference_owner") in reads(lambda tx: tx.delete(owner))


def test_an_insert_and_the_deletion_of_what_it_names_are_in_some_order(
    db: ThrowAwayDatabase,
) -> None:
    one, other = (db.transact(lambda tx: tx.insert(Owners, {"name": "a"})) for _ in range(2))
    with record(db) as recorder:
        inserting, deleting = db.transaction(), db.transaction()
        inserting.insert(Folders, {"owner": one})
        db.transact(lambda tx: tx.delete(one))
        deleting.delete(other)
        db.transact(lambda tx: tx.insert(Folders, {"owner": other}))
        for losing in (inserting, deleting):
            with pytest.raises(hw.ConflictError):
                losing.commit()
    assert check_serializable(recorder.history())
    assert db.verify() == []
