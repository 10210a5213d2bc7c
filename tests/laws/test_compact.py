"""Goal: whoever uses a database goes on after its file was replaced by a smaller one.

Method: writers, live queries and readers in threads while the file is compacted again and again.
`tests/storage/test_compaction.py` looks at the files, at other processes, and at every end.
"""

import threading
from pathlib import Path

import pytest
from tests.crashes.raw import check_sound, dump
from tests.laws import cached
from tests.processes.children import nursery

import headwater as hw


def test_writers_watchers_and_readers_go_on(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db", modules=[cached], durability="none") as db:
        stop = threading.Event()
        written = [0, 0]
        failures: list[BaseException] = []

        def write(group: int) -> None:
            try:
                while not stop.is_set():
                    db.mutate(cached.add, group=group)
                    written[group] += 1
                    assert db.query(cached.count_runs, group=group) == written[group]
            except BaseException as error:
                failures.append(error)

        live = db.watch(cached.count_runs, group=0)
        threads = [threading.Thread(target=write, args=(group,)) for group in range(2)]
        for thread in threads:
            thread.start()
        sizes = []
        for _ in range(6):
            ids = db.transact(lambda tx: [tx.insert("junk", {"a": "x" * 9000}) for _ in range(50)])
            db.transact(lambda tx, ids=ids: [tx.delete(each) for each in ids])
            db.trim_log(db.ts + 1)
            report = db.compact()
            assert report.bytes_after < report.bytes_before
            sizes.append(report.bytes_after)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        while live.next(30) != written[0]:
            pass
        live.close()
        assert max(sizes) < 50 * 9000
        before = dump(db)
        db.compact()
        assert dump(db) == before
        check_sound(db)


def test_what_was_open_is_taken_away_and_begins_again(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db") as db:
        note = db.transact(lambda tx: tx.insert("notes", {"a": 1}))
        snapshot, transaction = db.snapshot(), db.transaction()

        def write() -> None:
            with transaction as tx:
                tx.insert("notes", {"a": 2})
                db.compact()
                tx.get(note)

        with pytest.raises(hw.SnapshotTooOldError):
            write()
        with pytest.raises(hw.SnapshotTooOldError):
            snapshot.get(note)
        with db.snapshot() as again:
            assert len(again.query("notes").collect()) == 1
        assert db.verify() == []


def test_a_database_that_is_open_elsewhere_stays_as_it_is(tmp_path: Path) -> None:
    code = """
    with hw.open(path) as db:
        say("open")
        hear()
        say(len(db.snapshot().query("notes").collect()))
    """
    with hw.open(tmp_path / "db") as db, nursery() as start:
        db.transact(lambda tx: tx.insert("notes", {"a": 1}))
        child = start(code, tmp_path / "db")
        assert child.hear() == "open"
        with db.snapshot() as snapshot:
            with pytest.raises(hw.AlreadyOpenError, match=str(child.process.pid)):
                db.compact()
            assert len(snapshot.query("notes").collect()) == 1
        db.transact(lambda tx: tx.insert("notes", {"a": 2}))
        child.tell()
        assert child.finish() == ["2"]
        db.compact()


def test_progress_is_told(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db") as db:
        told: list[hw.Progress] = []
        db.compact(progress=told.append)
        assert {progress.step for progress in told} == {"compacting the file"}
        assert told[-1].done == told[-1].total > 0


def test_it_cannot_be_called_by_a_function() -> None:
    @hw.query
    def compact(ctx: hw.QueryCtx) -> int:
        return db.compact().bytes_after

    with hw.open(None) as db, pytest.raises(hw.UsageError):
        db.query(compact)
