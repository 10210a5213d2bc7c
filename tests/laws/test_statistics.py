"""Goal: what the statistics count is what is there.

Method: everything is counted once more by reading it, after random programs; readers are
made on purpose, here and in another process.
"""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.laws import cached, things
from tests.laws.test_past import PROGRAMS, History, Program, opened
from tests.processes.children import nursery

import headwater as hw
from headwater.storage.format import DATA_NAME, Database
from headwater.tables.measuring import IndexStatistics, TableStatistics


def stored(db: hw.Database, database: Database) -> list[tuple[bytes, bytes]]:
    with db._store.environment.read() as reader:
        return list(reader.scan(database, b"", None))


@settings(max_examples=15)
@given(PROGRAMS)
def test_tables_and_indexes_are_counted_as_they_are(program: Program) -> None:
    with opened() as db:
        history = History(db).play(program)
        stats = db.stats()
        assert sorted(stats.tables) == db.tables()
        table = stats.tables["things"]
        documents = [
            len(key) + len(value)
            for key, value in stored(db, Database.DOCUMENTS)
            if key.decode() in history.ids
        ]
        assert (table.documents, table.bytes) == (len(history.documents), sum(documents))
        assert list(table.indexes) == list(things.INDEXES)
        for name, index in table.indexes.items():
            assert index.fields == things.INDEXES[name]
            assert index.unique == (name == "by_u")
            assert index.state == "ready"
            assert index.entries == len(history.documents)
        entries = sum(len(key) + len(value) for key, value in stored(db, Database.INDEXES))
        measured = [index.bytes or 0 for t in stats.tables.values() for index in t.indexes.values()]
        assert sum(measured) == entries
        log = stored(db, Database.LOG)
        assert stats.log.commits == len(log)
        assert stats.log.first_ts == int.from_bytes(log[0][0], "big")
        assert stats.log.last_ts == db.ts
        assert stats.log.horizon == 0
        assert stats.log.bytes >= sum(len(key) + len(value) for key, value in log)


def test_without_sizes_nothing_is_counted() -> None:
    with opened() as db:
        History(db).play([[("insert", 0, {"a": 1})]])
        whole = db.stats()
        told: list[hw.Progress] = []
        short = db.stats(sizes=False, progress=told.append)
        assert told == []
        assert (short.log, short.file) == (whole.log, whole.file)
        assert short.tables["things"] == TableStatistics(
            None,
            None,
            {
                name: IndexStatistics(fields, name == "by_u", "ready", None, None)
                for name, fields in things.INDEXES.items()
            },
        )


def test_an_empty_database_has_statistics() -> None:
    with hw.open(None) as db:
        stats = db.stats()
        assert stats.tables == {}
        assert (stats.log.commits, stats.log.first_ts, stats.log.last_ts) == (0, 0, 0)
        assert (stats.readers, stats.oldest_snapshot_seconds, stats.conflicts) == ({}, 0.0, 0)


def test_free_space_is_what_compacting_gives_back(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db") as db:
        ids = db.transact(lambda tx: [tx.insert("a", {"b": "x" * 3000}) for _ in range(200)])
        db.transact(lambda tx: [tx.delete(each) for each in ids])
        full = db.stats().file
        assert full.bytes == (tmp_path / "db" / DATA_NAME).stat().st_size
        db.trim_log(db.ts + 1)
        trimmed = db.stats()
        assert trimmed.log.horizon == db.ts
        assert trimmed.file.free_bytes > full.bytes / 2
        db.compact()
        after = db.stats().file
        assert after.bytes <= trimmed.file.bytes - trimmed.file.free_bytes * 0.9
        assert after.free_bytes < 20_000
        assert after.map_bytes == full.map_bytes


def test_readers_are_counted_by_process(tmp_path: Path) -> None:
    code = """
    with hw.open(path) as db, db.snapshot(), db.snapshot():
        say("open")
        hear()
    """
    with hw.open(tmp_path / "db") as db, nursery() as start:
        child = start(code, tmp_path / "db")
        assert child.hear() == "open"
        with db.snapshot():
            stats = db.stats(sizes=False)
            assert stats.readers == {os.getpid(): 1, child.process.pid: 2}
            assert stats.oldest_snapshot_seconds > 0
        assert db.stats().readers == {child.process.pid: 2}
        child.tell()
        child.finish()
        assert db.stats().readers == {}


def test_live_queries_and_who_watches_them_are_counted() -> None:
    with hw.open(None, modules=[cached]) as db:
        first = db.watch(cached.count_runs, group=1)
        second = db.watch(cached.count_runs, group=1)
        third = db.watch(cached.count_runs, group=2)
        stats = db.stats()
        assert (stats.live_queries, stats.subscriptions) == (2, 3)
        for live in (first, second, third):
            live.close()
        assert (db.stats().live_queries, db.stats().subscriptions) == (0, 0)


def test_lost_conflicts_are_added_up() -> None:
    @hw.mutation
    def count(ctx: hw.MutationCtx) -> int:
        found = ctx.db.query(cached.Items).count()
        if rivals:
            rival = rivals.pop()
            rival.start()
            rival.join()
        ctx.db.insert(cached.Items, {"group": found})
        return found

    with hw.open(None, modules=[cached]) as db:
        rivals = [
            threading.Thread(target=db.mutate, args=(cached.add,), kwargs={"group": number})
            for number in range(2)
        ]
        assert db.mutate(count) == 2
        assert db.stats().conflicts == 2
        assert sum(sum(places.values()) for places in db.conflicts().values()) == 2


def test_progress_is_told_and_may_interrupt() -> None:
    with opened() as db:
        History(db).play([[("insert", 0, {"a": number})] for number in range(5)])
        told: list[hw.Progress] = []
        db.stats(progress=told.append)
        assert told[-1].done == told[-1].total > 5

        def interrupt(_: hw.Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            db.stats(progress=interrupt)
        assert db.stats().readers == {}
