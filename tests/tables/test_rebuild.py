"""Goal: the log alone is enough.

Method: random histories, with keys too long for LMDB, deletions and patches; what a rebuild makes
is compared byte for byte with what the commits made.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb.verify
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import (
    INDEXES,
    TABLES,
    Act,
    contents,
    histories,
    open_store,
    store_after,
    transact,
)
from tests.transactions.dying import Killed, open_dying

from headwater.errors import CorruptionError
from headwater.storage import commit_log
from headwater.storage.format import Database, timestamp_key
from headwater.tables import index_entries
from headwater.tables import rebuild as rebuild_module
from headwater.tables.progress import Progress
from headwater.tables.rebuild import RebuildReport, rebuild
from headwater.transactions import index_building
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.index_building import build_indexes
from headwater_indexes.definition import IndexDefinition

TEN_NOTES = [[Act("insert", "notes", 0, {"a": n % 3, "b": "x" * 50 * n})] for n in range(10)]


@settings(deadline=None, max_examples=60)
@given(histories())
def test_a_rebuild_gives_the_bytes_that_the_commits_made(history: list[list[Act]]) -> None:
    store, model = store_after(history)
    with closing(store):
        made = contents(store.environment)
        report = rebuild(store.environment)
        assert contents(store.environment) == made
        assert report.commits == len(made[Database.LOG])
        assert report.documents == len(made[Database.DOCUMENTS])
        assert report.deleted == len(made[Database.DELETED])
        assert report.entries == len(made[Database.INDEXES])
        alive = sum(len(table) for table in model.documents.values())
        assert report.documents == alive + 2 + 4  # the catalog: two tables, four indexes


@settings(deadline=None, max_examples=20)
@given(histories())
def test_a_rebuild_needs_nothing_but_the_log(history: list[list[Act]]) -> None:
    store, _ = store_after(history)
    with closing(store):
        made = contents(store.environment)
        with store.environment.write() as writer:
            writer.clear(Database.DOCUMENTS)
            writer.clear(Database.INDEXES)
            writer.put(Database.INDEXES, b"\0\0\0\x09 planted", b"")
            writer.put(Database.DELETED, b"planted", bytes(8))
            writer.delete(Database.META, b"catalog")
        rebuild(store.environment)
        assert contents(store.environment) == made


@settings(deadline=None, max_examples=40)
@given(histories(), st.sampled_from([0, 3, 1_000_000]))
def test_small_chunks_caches_and_runs_give_the_same_bytes(
    history: list[list[Act]], gathered: int
) -> None:
    store, _ = store_after(history)
    with closing(store), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild_module, "_CHUNK_DOCUMENTS", 2)
        patch.setattr(rebuild_module, "_CACHE_EVENTS", 3)
        patch.setattr(rebuild_module, "_GATHERED_ENTRIES", gathered)
        patch.setattr(index_entries, "_RUN_ENTRIES", 2)
        made = contents(store.environment)
        rebuild(store.environment)
        assert contents(store.environment) == made


def test_an_index_that_is_being_filled_comes_out_complete() -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", None)])
        for n in range(10):
            transact(store, lambda writer, n=n: writer.insert("notes", {"a": n}))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        with store.environment.write() as writer:
            catalog = store.catalog
            (index,) = catalog.indexes_by_space.values()
            table = catalog.by_number[index.table_number]
            assert index_building._fill_some(writer, table, index, 4) == 4
        rebuild(store.environment)
        rebuilt = contents(store.environment)
        assert all(not key.startswith(b"backfill/") for key, _ in rebuilt[Database.META])
        assert store.catalog.by_number[table.number].indexes[0].state == "building"
        build_indexes(store)
        assert store.catalog.by_number[table.number].indexes[0].state == "ready"
        filled = contents(store.environment)
        assert filled[Database.INDEXES] == rebuilt[Database.INDEXES]
        assert len(filled[Database.INDEXES]) == 10


def test_a_rebuild_clears_what_a_dropped_index_left_behind() -> None:
    store, _ = store_after(TEN_NOTES)
    with closing(store):
        deploy(store, [DeclaredTable("notes", None), DeclaredTable("tasks", None)])
        assert contents(store.environment)[Database.INDEXES]
        assert rebuild(store.environment).entries == 0
        assert contents(store.environment)[Database.INDEXES] == []


def test_an_empty_database_rebuilds_to_an_empty_one() -> None:
    with closing(open_store()) as store:
        made = contents(store.environment)
        assert rebuild(store.environment) == RebuildReport(0, 0, 0, 0)
        assert contents(store.environment) == made


def test_an_index_declared_and_dropped_in_one_transaction_leaves_no_trace_of_the_catalog() -> None:
    from headwater.storage.commit_log import NO_ORIGIN
    from headwater.transactions.system_tables import delete_index, insert_index

    store, _ = store_after(TEN_NOTES)
    with closing(store):
        with closing(store.snapshot()) as snapshot:
            transaction = store.begin(snapshot)
            table = store.catalog.by_name["notes"]
            insert_index(transaction, table, IndexDefinition("z", ("z",)), space=90, state="ready")
            (key,) = transaction.own.documents
            info: Any = replace(table.indexes[0], id=key.decode("ascii"))
            delete_index(transaction, info)
            store.writer(transaction).insert("notes", {"a": 1})
            store.commit(transaction, NO_ORIGIN)
        made = contents(store.environment)
        rebuild(store.environment)
        assert contents(store.environment) == made


@pytest.mark.parametrize("at", [0, 5, 11])
def test_a_damaged_commit_ends_a_rebuild_and_changes_nothing(at: int) -> None:
    store, _ = store_after([*TEN_NOTES, [Act("delete", "notes", 3, {})]])
    with closing(store):
        key, value = contents(store.environment)[Database.LOG][at]
        with store.environment.write() as writer:
            writer.put(Database.LOG, key, value[:-1] + bytes([value[-1] ^ 1]))
        made = contents(store.environment)
        with pytest.raises(CorruptionError, match=str(int.from_bytes(key, "big"))):
            rebuild(store.environment)
        assert contents(store.environment) == made


@pytest.mark.parametrize("at", [0, 5])
def test_a_missing_commit_ends_a_rebuild_and_changes_nothing(at: int) -> None:
    store, _ = store_after(TEN_NOTES)
    with closing(store):
        log = contents(store.environment)[Database.LOG]
        with store.environment.write() as writer:
            writer.delete(Database.LOG, log[at][0])
        made = contents(store.environment)
        with pytest.raises(CorruptionError, match="commits are missing"):
            rebuild(store.environment)
        assert contents(store.environment) == made


def test_progress_names_each_step_and_ends_at_its_total() -> None:
    store, _ = store_after(TEN_NOTES)
    seen: list[Progress] = []
    with closing(store):
        rebuild(store.environment, progress=seen.append)
    steps = {report.step: report for report in seen}
    assert list(steps) == [
        "reading the log",
        "writing documents",
        *(f"writing index {t.name}.{', '.join(i.name for i in t.indexes)}" for t in TABLES),
    ]
    assert all(report.done == report.total for report in steps.values())
    assert steps["reading the log"].total == 11


def test_a_commit_is_found_by_its_timestamp_after_a_rebuild() -> None:
    store, _ = store_after(TEN_NOTES)
    with closing(store):
        rebuild(store.environment)
        transact(store, lambda writer: writer.insert("notes", {"a": "later"}))
        with closing(store.snapshot()) as snapshot:
            commit = commit_log.read(snapshot.reader, snapshot.ts)
            assert commit is not None
            assert timestamp_key(commit.ts) > timestamp_key(commit.previous_ts)


def test_a_rebuilt_file_passes_the_offline_verifier(tmp_path: Path) -> None:
    """LMDB's verifier takes a key that was written twice in one transaction for damage."""
    history = [[Act("insert", "notes", 0, {"b": "x" * 3000 * n})] for n in range(12)]
    history += [[Act("replace", "notes", n, {"b": "y" * 500 * n})] for n in range(0, 12, 2)]
    store, _ = store_after(history, tmp_path / "db.hw")
    with closing(store):
        rebuild(store.environment)
    assert lmdb.verify.verify(str(tmp_path / "db.hw" / "data.mdb"), subdir=False) == []


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_killed_rebuild_leaves_everything_as_it_was(
    tmp_path: Path, dies_after_commit: bool
) -> None:
    store, _ = store_after(TEN_NOTES, tmp_path / "db.hw")
    with closing(store):
        made = contents(store.environment)
    store, environment = open_dying(tmp_path / "db.hw")
    with closing(store):
        environment.steps_to_live, environment.dies_after_commit = 0, dies_after_commit
        with pytest.raises(Killed):
            rebuild(environment)
    with closing(open_store(tmp_path / "db.hw")) as store:
        assert contents(store.environment) == made
