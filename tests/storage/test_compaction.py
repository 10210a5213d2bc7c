"""Goal: a compacted file holds the same in less space; however it ends, there is one whole file.

Method: what LMDB shows of both files; other processes at chosen moments, held there by what the
compaction tells; a process that kills itself before each line of the module that it reaches.
"""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.processes.children import Child, nursery
from tests.processes.dying import DIE_AT

from headwater.errors import (
    AlreadyOpenError,
    ClosedError,
    CorruptionError,
    DatabaseFullError,
    ReadOnlyError,
    SnapshotTooOldError,
)
from headwater.storage import compaction
from headwater.storage.checkpointing import CHECKPOINT_THREAD
from headwater.storage.compaction import NEW_DATA_NAME
from headwater.storage.environment import Environment
from headwater.storage.format import DATA_NAME, Database
from headwater.storage.pages import HEAD_BYTES, parse_head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.hw"


@pytest.fixture
def start() -> Iterator[type[Child]]:
    """Start a child on a piece of code; its first argument is bound to ``path``."""
    with nursery() as made:
        yield made


def fill(environment: Environment, count: int = 300) -> None:
    """Write some, and remove all but a few."""
    keys = [b"%d" % number for number in range(count)]
    with environment.write() as writer:
        for key in keys:
            writer.put(Database.DOCUMENTS, key, key * 1000)
    with environment.write() as writer:
        writer.delete_many(Database.DOCUMENTS, keys[10:])


def contents(environment: Environment) -> dict[Database, list[tuple[bytes, bytes]]]:
    with environment.read() as reader:
        return {database: list(reader.scan(database, b"", None)) for database in Database}


def heads(path: Path) -> list[Any]:
    raw = (path / DATA_NAME).read_bytes()
    return [parse_head(raw[:HEAD_BYTES]), parse_head(raw[4096 : 4096 + HEAD_BYTES])]


@pytest.mark.parametrize("more_transactions", [0, 1])
def test_the_file_gets_smaller_and_holds_the_same(path: Path, more_transactions: int) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        for number in range(more_transactions):
            fill(opened, 20 + number)
        before, newest = contents(opened), opened.stats().last_transaction
        size = (path / DATA_NAME).stat().st_size
        report = opened.compact()
        assert report.bytes_before == size
        assert report.bytes_after == (path / DATA_NAME).stat().st_size < size / 2
        assert contents(opened) == before
        assert opened.stats().last_transaction == newest
        assert sorted(head.transaction for head in heads(path)) == [newest - 1, newest]
        opened.run_write(lambda writer: writer.put(Database.META, b"again", b"1"))
        assert opened.stats().last_transaction == newest + 1
        after = contents(opened)
    with Environment.open(path) as opened:
        assert contents(opened) == after
    with Environment.open(path, read_only=True) as opened:
        assert contents(opened) == after
        with pytest.raises(ReadOnlyError):
            opened.compact()


def test_a_file_without_unused_space_stays(path: Path) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        opened.compact()
        file = (path / DATA_NAME).stat().st_ino
        report = opened.compact()
        assert report.bytes_after == report.bytes_before
        assert (path / DATA_NAME).stat().st_ino == file
        assert not (path / NEW_DATA_NAME).exists()


def test_a_closed_environment_is_not_compacted(path: Path) -> None:
    opened = Environment.open(path)
    opened.close()
    with pytest.raises(ClosedError):
        opened.compact()


def test_a_snapshot_that_is_kept_is_taken_away(path: Path) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        snapshot = opened.read()
        opened.compact()
        with pytest.raises(SnapshotTooOldError):
            snapshot.get(Database.META, b"uuid")


def test_readers_and_writers_wait_and_go_on(path: Path) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        failures: list[BaseException] = []
        stop = threading.Event()

        def work(number: int) -> None:
            try:
                done = 0
                while not stop.is_set():
                    key = b"w%d-%d" % (number, done)
                    opened.run_write(lambda writer, key=key: writer.put(Database.LOG, key, key))
                    with opened.read() as reader:
                        assert reader.get(Database.LOG, key) == key
                    done += 1
                counts[number] = done
            except BaseException as error:
                failures.append(error)

        counts = [0, 0]
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            fill(opened)
            opened.compact()
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(contents(opened)[Database.LOG]) == sum(counts) > 0


# Others -----------------------------------------------------------------------------------------


HOLDER = """
from headwater.storage.environment import Environment
with Environment.open(path) as environment:
    say("open")
    hear()
"""


def test_who_has_it_open_elsewhere_is_named_and_nothing_is_done(path: Path, start: Any) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        size = (path / DATA_NAME).stat().st_size
        with opened.read() as snapshot:
            other = start(HOLDER, path)
            assert other.hear() == "open"
            with pytest.raises(AlreadyOpenError, match=rf"open \({other.process.pid} .*close it"):
                opened.compact()
            assert snapshot.get(Database.META, b"uuid")
        fill(opened)
        other.tell()
        other.finish()
        assert opened.compact().bytes_after < size


OPENER = """
import fcntl
from headwater.storage.environment import Environment
from headwater.storage.format import Database
say("ready")
hear()
with Environment.open(path, read_only=sys.argv[2] == "True") as environment:
    if sys.argv[2] != "True":
        with environment.write() as writer:
            writer.put(Database.META, b"opener", b"was here")
    with environment.read() as reader:
        say(*[key.decode() for key, _ in reader.scan(Database.DOCUMENTS, b"", None)])
    say(os.stat(path / "data.mdb").st_ino, environment._lmdb.info()["last_txnid"])
"""


def is_waiting_for_a_lock(pid: int) -> bool:
    return any(
        f" {pid} " in line and "->" in line for line in Path("/proc/locks").read_text().splitlines()
    )


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not list locks")
@pytest.mark.parametrize("read_only", [False, True])
def test_who_opens_it_meanwhile_waits_and_finds_the_new_file(
    path: Path, start: Any, read_only: bool
) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        keys = [key.decode() for key, _ in contents(opened)[Database.DOCUMENTS]]
        newest = opened.stats().last_transaction
        other = start(OPENER, path, read_only)
        assert other.hear() == "ready"
        waited = []

        def told(done: int, total: int) -> None:
            if not waited:
                other.tell()
                while not is_waiting_for_a_lock(other.process.pid):
                    os.sched_yield()
                waited.append(done)

        opened.compact(told)
        assert waited
        assert other.hear().split() == keys
        file, last = map(int, other.hear().split())
        assert file == (path / DATA_NAME).stat().st_ino
        assert last == newest + (not read_only)
        other.finish()
        opened.run_write(lambda writer: writer.put(Database.META, b"mine", b"too"))
        assert opened.stats().last_transaction == last + 1


def test_a_killed_one_leaves_a_lock_file_that_fits_the_new_file(path: Path, start: Any) -> None:
    """Who waits for the lock of a dying process goes by what stands in the lock file."""
    code = """
    from headwater.storage import compaction
    from headwater.storage.environment import Environment
    flush = compaction.flush
    def flush_and_die(what):
        flush(what)
        if what == path:
            say("swapped")
            hear()
            os.kill(os.getpid(), signal.SIGKILL)
    compaction.flush = flush_and_die
    with Environment.open(path) as environment:
        environment.compact()
    """
    with Environment.open(path) as opened:
        fill(opened)
        keys = [key.decode() for key, _ in contents(opened)[Database.DOCUMENTS]]
        newest = opened.stats().last_transaction
    killed = start(code, path)
    assert killed.hear() == "swapped"
    other = start(OPENER, path, False)
    assert other.hear() == "ready"
    other.tell()
    while not is_waiting_for_a_lock(other.process.pid):
        os.sched_yield()
    killed.tell()
    assert other.hear().split() == keys
    assert int(other.hear().split()[1]) > newest
    other.finish()
    with Environment.open(path) as opened:
        assert contents(opened)[Database.META]
        assert [key.decode() for key, _ in contents(opened)[Database.DOCUMENTS]] == keys


# Ends -------------------------------------------------------------------------------------------


class Interrupted(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("at", [0, 1, -1])
def test_an_interrupt_leaves_everything_as_it_was(path: Path, at: int) -> None:
    others = {thread.name for thread in threading.enumerate()}
    with Environment.open(path) as opened:
        with opened.write() as writer:
            for number in range(3000):
                writer.put(Database.DOCUMENTS, b"%d" % number, b"x" * 1000)
        before = contents(opened)
        told: list[int] = []
        opened.compact(lambda done, total: told.append(done))
        fill(opened)
        before = contents(opened)
        stop_at = range(len(told))[at]
        calls: list[int] = []

        def tell(done: int, total: int) -> None:
            calls.append(done)
            if len(calls) > stop_at:
                raise Interrupted

        with pytest.raises(Interrupted):
            opened.compact(tell)
        assert not (path / NEW_DATA_NAME).exists()
        assert contents(opened) == before
        fill(opened)
        opened.compact()
        names = {thread.name for thread in threading.enumerate()}
        assert names <= others | {CHECKPOINT_THREAD}


def test_a_full_disk_leaves_everything_as_it_was(path: Path, monkeypatch: Any) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        before = contents(opened)

        def fail(descriptor: int, chunk: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(compaction, "_write_all", fail)
            with pytest.raises(DatabaseFullError, match="compact"):
                opened.compact()
        assert contents(opened) == before
        opened.compact()
        assert contents(opened) == before


def test_a_copy_that_is_not_the_same_is_not_used(path: Path, monkeypatch: Any) -> None:
    with Environment.open(path) as opened:
        fill(opened)
        before, file = contents(opened), (path / DATA_NAME).stat().st_ino
        numbers = iter([[1], [2]])
        with monkeypatch.context() as patch:
            patch.setattr(compaction, "_count", lambda _: next(numbers))
            with pytest.raises(CorruptionError, match="was not used"):
                opened.compact()
        assert (path / DATA_NAME).stat().st_ino == file
        assert contents(opened) == before


KILLED = (
    DIE_AT
    + """
from headwater.storage import compaction, environment
from headwater.storage.environment import Environment

def contents(opened):
    with opened.read() as reader:
        return list(reader.scan(environment.Database.DOCUMENTS, b"", None))

MODULES = {compaction.__file__}

with Environment.open(path) as opened:
    before = contents(opened)
size = os.path.getsize(path / "data.mdb")
import shutil
shutil.copytree(path, path.with_suffix(".kept"))
line = smaller = 0
status = 1
while status:
    shutil.rmtree(path)
    shutil.copytree(path.with_suffix(".kept"), path)
    line += 1
    child = os.fork()
    if not child:
        opened = Environment.open(path)
        die_at(line, MODULES)
        opened.compact()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    smaller += os.path.getsize(path / "data.mdb") < size
    with Environment.open(path) as opened:
        assert contents(opened) == before
        files = {entry.name for entry in path.iterdir() if entry.is_file()}
        assert files - {"last-transaction"} == {
            "data.mdb", "headwater.json", "journal", "lock.mdb"
        }, files
        with opened.write() as writer:
            writer.put(environment.Database.META, b"more", b"1")
    with Environment.open(path) as opened:
        opened.compact()
        assert contents(opened) == before
say(line, smaller)
"""
)


def test_a_kill_at_any_line_leaves_one_whole_file(path: Path, start: Any) -> None:
    with Environment.open(path) as opened:
        fill(opened, 60)
    (line,) = start(KILLED, path).finish()
    lines, smaller = map(int, line.split())
    assert lines > 60
    assert 1 < smaller < lines


def test_a_copy_that_was_left_over_is_removed(path: Path) -> None:
    with Environment.open(path):
        pass
    (path / NEW_DATA_NAME).write_bytes(b"half")
    with Environment.open(path, read_only=True):
        assert (path / NEW_DATA_NAME).exists()
    with Environment.open(path):
        assert not (path / NEW_DATA_NAME).exists()
        (path / NEW_DATA_NAME).write_bytes(b"half")
        fill_and_compact = Environment.compact
    with Environment.open(path) as opened:
        (path / NEW_DATA_NAME).write_bytes(b"half")
        fill(opened)
        fill_and_compact(opened)
        assert not (path / NEW_DATA_NAME).exists()
        assert opened.stats().last_transaction > 0
