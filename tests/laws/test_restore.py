"""Goal: a restored database is the one that was backed up, or nothing is there.

Method: bytes and reads of both; faults and interrupts in the midst; children that kill themselves
before each line of what restores.
"""

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.processes.children import nursery
from tests.processes.dying import DIE_AT

import headwater as hw
from headwater.storage import compaction


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a database with some history."""
    with hw.open(tmp_path / "original") as db:
        note = db.transact(lambda tx: tx.insert("notes", {"text": "a", "more": "x" * 5000}))
        db.transact(lambda tx: tx.patch(note, text="b"))
        db.transact(lambda tx: tx.insert("others", {"of": note}))
        db.backup(tmp_path / "backup")
    return tmp_path / "backup"


def contents(path: Path) -> list[Any]:
    with hw.open(path) as db:
        assert db.verify() == []
        with db.snapshot() as snapshot:
            notes = snapshot.query("notes").collect()
            return [notes, db.history(notes[0]["_id"]), snapshot.query("others").collect(), db.ts]


def test_a_restored_database_is_the_one_that_was_backed_up(backup: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in backup.iterdir())
    hw.restore_backup(backup, tmp_path / "deep" / "new")
    assert contents(tmp_path / "deep" / "new") == contents(tmp_path / "original")
    hw.restore_backup(str(backup), tmp_path / "again")
    names = {path.name for path in backup.iterdir()} - {"lock.mdb", "members"}
    assert sorted(names) == before
    assert contents(backup) == contents(tmp_path / "again")


def test_a_backup_that_is_in_use_elsewhere_is_restored(backup: Path, tmp_path: Path) -> None:
    code = """
    with hw.open(path) as db:
        say("open")
        hear()
        db.transact(lambda tx: tx.insert("notes", {"text": "later"}))
    """
    with nursery() as start:
        child = start(code, backup)
        assert child.hear() == "open"
        hw.restore_backup(backup, tmp_path / "new")
        child.tell()
        child.finish()
    assert contents(tmp_path / "new") == contents(tmp_path / "original")


def test_a_database_that_is_there_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    before = contents(tmp_path / "original")
    with pytest.raises(hw.AlreadyThereError, match="move the directory away"):
        hw.restore_backup(backup, tmp_path / "original")
    assert contents(tmp_path / "original") == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    with pytest.raises(hw.NotADatabaseError, match="choose another path"):
        hw.restore_backup(backup, tmp_path / "letters")
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear"


def test_what_is_no_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(hw.NotADatabaseError, match="expected a backup"):
            hw.restore_backup(wrong, tmp_path / "new")
    with hw.open(backup), pytest.raises(hw.AlreadyOpenError):
        hw.restore_backup(backup, tmp_path / "new")
    assert not (tmp_path / "missing").exists()
    assert not (tmp_path / "new").exists()


def test_a_damaged_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    data = backup / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(hw.CorruptionError, match=r"data\.mdb"):
        hw.restore_backup(backup, tmp_path / "new")
    data.write_bytes(whole)
    with hw.open(tmp_path / "stranger"):
        pass
    shutil.copy(tmp_path / "stranger" / "headwater.json", backup)
    with pytest.raises(hw.CorruptionError, match="files of two databases"):
        hw.restore_backup(backup, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def interrupted_at(number: int, copy: Any) -> bool:
    """Let a copy be interrupted at one of its reports; False if there are not so many."""
    calls: list[hw.Progress] = []

    def interrupt(progress: hw.Progress) -> None:
        calls.append(progress)
        if len(calls) > number:
            raise KeyboardInterrupt

    try:
        copy(interrupt)
    except KeyboardInterrupt:
        return True
    return False


def test_progress_is_told_and_an_interrupt_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    told: list[hw.Progress] = []
    hw.restore_backup(backup, tmp_path / "whole", progress=told.append)
    assert {progress.step for progress in told} == {"restoring the backup"}
    assert told[-1].done == told[-1].total > 0
    # How many reports there are depends on how the system hands the bytes over.
    with hw.open(tmp_path / "whole") as db:
        ways = {
            "new": lambda report: hw.restore_backup(backup, tmp_path / "new", progress=report),
            "copy": lambda report: db.backup(tmp_path / "copy", progress=report),
        }
        for name, copy in ways.items():
            stops = 0
            while interrupted_at(stops, copy):
                assert list((tmp_path / name).iterdir()) == []
                stops += 1
            assert stops > 1
            shutil.rmtree(tmp_path / name)
    hw.restore_backup(backup, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tmp_path / "original")


def test_a_database_can_be_read_and_measured_while_it_is_copied(
    backup: Path, tmp_path: Path
) -> None:
    with hw.open(tmp_path / "original") as db:
        before = db.stats()
        seen: list[hw.DatabaseStatistics] = []

        def look(_: hw.Progress) -> None:
            seen.append(db.stats())
            db.transact(lambda tx: tx.insert("notes", {"text": "meanwhile"}))

        db.backup(tmp_path / "copy", progress=look)
        assert seen[0].tables == before.tables
        assert sum(seen[0].readers.values()) > 0
    with hw.open(tmp_path / "copy") as copy:
        assert copy.stats().tables == before.tables


def test_a_full_disk_leaves_nothing(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, chunk: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(compaction, "_write_all", fail)
    with pytest.raises(hw.DatabaseFullError):
        hw.restore_backup(backup, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


KILLED = (
    DIE_AT
    + """
import shutil
from headwater.storage import compaction, creation, manifest

MODULES = {compaction.__file__, creation.__file__, manifest.__file__}

backup, new = path / "backup", path / "new"
line, status, whole = 0, 1, 0
while status:
    shutil.rmtree(new, ignore_errors=True)
    line += 7
    child = os.fork()
    if not child:
        die_at(line, MODULES)
        hw.restore_backup(backup, new)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    try:
        hw.restore_backup(backup, new)
    except hw.HeadwaterError as error:
        assert "there is a database already" in str(error), error
        whole += 1
    with hw.open(new) as db:
        assert db.verify() == []
        assert db.tables() == ["notes", "others"]
say(line, whole)
"""
)


def test_after_a_kill_at_any_line_it_can_be_restored_again(backup: Path) -> None:
    with nursery() as start:
        (line,) = start(KILLED, backup.parent).finish()
    lines, whole = map(int, line.split())
    assert lines > 100
    assert 1 <= whole < lines // 14


def test_a_copy_ends_when_the_database_is_closed(backup: Path, tmp_path: Path) -> None:
    """LMDB is not closed under a running copy: who closes waits for it, and it ends soon."""
    db = hw.open(tmp_path / "original")
    closer = threading.Thread(target=db.close)
    started: list[hw.Progress] = []

    def close(progress: hw.Progress) -> None:
        if not started:
            started.append(progress)
            closer.start()
        while db._store.environment.readers:  # the snapshot that keeps what is copied
            closer.join(0.001)
        assert closer.is_alive()

    with pytest.raises((hw.ClosedError, hw.SnapshotTooOldError)):
        db.backup(tmp_path / "copy", progress=close)
    closer.join()
    assert list((tmp_path / "copy").iterdir()) == []
