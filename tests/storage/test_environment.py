"""Opening and closing: what is accepted, what is refused and in which words, and forks.

Goal: a directory is either a whole database or refused without being changed. Method: damage of
every kind done to a fresh database; whatever could kill a process happens in a child.
"""

import contextlib
import errno
import gc
import json
import os
import shutil
import struct

import lmdb
import pytest
from tests.storage.conftest import failure

from headwater.errors import (
    AlreadyOpenError,
    ClosedError,
    CorruptionError,
    DatabaseFullError,
    NewerFormatError,
    NotADatabaseError,
    ReadOnlyError,
    StorageError,
)
from headwater.storage import creation, engine, environment, filesystem, precheck
from headwater.storage.environment import Environment
from headwater.storage.format import (
    DATA_NAME,
    JOURNAL_NAME,
    LAST_TRANSACTION_NAME,
    LOCK_NAME,
    MANIFEST_NAME,
    MEMBERS_NAME,
    Database,
)
from headwater.storage.precheck import check_data_file

DATA = Database.DOCUMENTS


@pytest.fixture
def path(tmp_path):
    """A closed database with a hundred entries."""
    path = tmp_path / "db.hw"
    make(path)
    return path


def make(path, count: int = 100) -> str:
    with Environment.open(path) as opened:
        with opened.write() as transaction:
            transaction.put_many(DATA, [(b"%04d" % number, b"v" * 200) for number in range(count)])
        return opened.uuid


def names(path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_what_was_committed_is_there_after_reopening(path) -> None:
    with Environment.open(path) as first:
        uuid = first.uuid
        assert first.durability == "full"
    with Environment.open(path) as again, again.read() as snapshot:
        assert again.uuid == uuid
        assert len(uuid) == 32
        assert snapshot.count(DATA) == 100


def test_only_the_owner_may_look_into_a_new_database(path) -> None:
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / DATA_NAME).stat().st_mode & 0o777 == 0o600
    assert (path / MANIFEST_NAME).stat().st_mode & 0o777 == 0o600


def test_creation_makes_missing_parents_and_leaves_nothing_else(tmp_path) -> None:
    with Environment.open(tmp_path / "a" / "b") as opened:
        opened.sync()

    assert names(tmp_path / "a" / "b") == [
        DATA_NAME,
        MANIFEST_NAME,
        JOURNAL_NAME,
        LAST_TRANSACTION_NAME,
        LOCK_NAME,
        MEMBERS_NAME,
    ]


def test_a_throw_away_database_leaves_nothing(tmp_path) -> None:
    opened = Environment.open(None)
    closed = opened.path
    assert opened.durability == "none"
    opened.close()
    opened.close()
    dropped = (Environment.open(None)).path
    gc.collect()

    assert not closed.exists()
    assert not dropped.exists()


def test_a_throw_away_database_is_removed_if_it_cannot_be_opened(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(environment, "create_temporary_directory", lambda: tmp_path / "x")

    def refuse(path, options):
        raise failure(errno.EMFILE)

    with pytest.raises(StorageError, match="too many open files"):
        Environment.open(None, engine=refuse)

    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("room", [0, 2**20, OSError])
def test_without_room_in_memory_throw_away_data_goes_to_the_disk(monkeypatch, room) -> None:
    class Room:
        f_bavail = room
        f_frsize = 1

    def statvfs(path):
        if room is OSError:
            raise OSError
        return Room

    monkeypatch.setattr(creation.os, "statvfs", statvfs)
    directory = creation.create_temporary_directory()
    directory.rmdir()

    assert not directory.is_relative_to("/dev/shm")


def test_a_memory_directory_that_cannot_be_written_is_not_used(monkeypatch) -> None:
    monkeypatch.setattr(creation.os, "access", lambda path, mode: False)
    directory = creation.create_temporary_directory()
    directory.rmdir()

    assert not directory.is_relative_to("/dev/shm")


def test_a_directory_is_open_once_in_a_process(path, tmp_path) -> None:
    (tmp_path / "link").symlink_to(path)
    with Environment.open(path):
        for other in (path, tmp_path / "link"):
            with pytest.raises(AlreadyOpenError):
                Environment.open(other)
    with Environment.open(tmp_path / "link"):
        pass


def test_after_closing_everything_says_closed(path) -> None:
    opened = Environment.open(path)
    snapshot = opened.read()
    opened.close()
    opened.close()

    with pytest.raises(ClosedError):
        snapshot.get(DATA, b"0001")
    with pytest.raises(ClosedError):
        opened.read()
    with pytest.raises(ClosedError), opened.write():
        pass
    with pytest.raises(ClosedError):
        opened.sync()
    with pytest.raises(ClosedError):
        opened.check_readers()


def test_closing_inside_a_write_transaction_is_refused(path) -> None:
    with Environment.open(path) as opened, opened.write(), pytest.raises(AssertionError):
        opened.close()


def test_read_only_reads_and_never_writes(path) -> None:
    before = names(path)
    with Environment.open(path, read_only=True) as opened:
        with opened.read() as snapshot:
            assert snapshot.count(DATA) == 100
        with pytest.raises(ReadOnlyError, match="read_only=True"):
            opened.write()

    assert names(path) == before


def test_read_only_creates_nothing(tmp_path) -> None:
    with pytest.raises(NotADatabaseError, match="no database to read"):
        Environment.open(tmp_path / "none", read_only=True)

    assert names(tmp_path) == []


def test_a_file_is_no_database(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("hello")
    with pytest.raises(NotADatabaseError, match="found a file"):
        Environment.open(file)

    assert file.read_text() == "hello"


def test_a_directory_with_other_things_is_refused_and_they_are_named(tmp_path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(NotADatabaseError, match=r"thesis\.tex"):
        Environment.open(tmp_path)

    assert names(tmp_path) == ["thesis.tex"]


def test_a_lost_manifest_is_not_replaced(path) -> None:
    (path / MANIFEST_NAME).unlink()
    with pytest.raises(NotADatabaseError, match=r"data\.mdb"):
        Environment.open(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '"x"', '{"magic": "other", "format": 1, "uuid": "", "created": ""}'],
)
def test_a_manifest_of_something_else_is_refused(path, text) -> None:
    (path / MANIFEST_NAME).write_text(text)
    with pytest.raises(NotADatabaseError, match=MANIFEST_NAME):
        Environment.open(path)


@pytest.mark.parametrize("version", [0, -1, "1", True, None])
def test_an_impossible_version_is_refused(path, version) -> None:
    facts = json.loads((path / MANIFEST_NAME).read_text())
    (path / MANIFEST_NAME).write_text(json.dumps(facts | {"format": version}))
    with pytest.raises(NotADatabaseError):
        Environment.open(path)


def test_a_newer_format_is_refused_by_name_and_untouched(path) -> None:
    facts = json.loads((path / MANIFEST_NAME).read_text())
    (path / MANIFEST_NAME).write_text(json.dumps(facts | {"format": 7}))
    before = (path / DATA_NAME).read_bytes()

    with pytest.raises(
        NewerFormatError, match=r"format 7.*format 3.*nothing was changed"
    ) as caught:
        Environment.open(path)

    assert (caught.value.found, caught.value.supported) == (7, 3)
    assert (path / DATA_NAME).read_bytes() == before


def test_a_missing_data_file_is_no_new_database(path) -> None:
    (path / DATA_NAME).unlink()
    with pytest.raises(CorruptionError, match="missing"):
        Environment.open(path)

    assert not (path / DATA_NAME).exists()


@pytest.mark.parametrize("size", [0, 1, 151, 152, 4095, 4096, 4096 + 151])
def test_an_empty_or_headless_data_file_is_damage(path, size) -> None:
    os.truncate(path / DATA_NAME, size)
    with pytest.raises(CorruptionError):
        Environment.open(path)

    assert (path / DATA_NAME).stat().st_size == size


def test_a_truncated_file_is_an_error_and_kills_nobody(path, run) -> None:
    full = (path / DATA_NAME).stat().st_size
    output = run(
        """
        for size in range(4096, int(sys.argv[2]), 4096):
            os.truncate(path / "data.mdb", size)
            try:
                with Environment.open(path) as environment, environment.read() as snapshot:
                    list(snapshot.scan(Database.DOCUMENTS, b"", None))
                    print("read", size)
            except CorruptionError as error:
                print("refused", size)
            os.truncate(path / "data.mdb", int(sys.argv[2]))
        """,
        path,
        full,
    )

    assert output.split("\n")[:-1] == [f"refused {size}" for size in range(4096, full, 4096)]


def test_a_short_file_whose_tail_is_free_is_accepted(path, monkeypatch) -> None:
    full = (path / DATA_NAME).stat().st_size
    os.truncate(path / DATA_NAME, full - 4096)
    with pytest.raises(CorruptionError, match="truncated"):
        check_data_file(path / DATA_NAME)

    monkeypatch.setattr(precheck, "walk_pages", lambda path: [])

    assert check_data_file(path / DATA_NAME) > 0


def test_the_slow_walk_finds_nothing_in_a_whole_file(path) -> None:
    assert precheck.walk_pages(path / DATA_NAME) == []


def test_a_flipped_bit_in_a_head_never_passes_for_another_history(path) -> None:
    file = path / DATA_NAME
    raw = file.read_bytes()
    newest = check_data_file(file)
    silent: list[int] = []
    with file.open("r+b") as handle:
        for head in (0, 4096):
            for at in range(head, head + 152):
                for bit in range(8):
                    handle.seek(at)
                    handle.write(bytes([raw[at] ^ (1 << bit)]))
                    handle.flush()
                    with contextlib.suppress(CorruptionError):
                        found = check_data_file(file)
                        if found != newest:
                            silent.append(found)
                            with pytest.raises(CorruptionError, match="commits are missing"):
                                Environment.open(path)
                    handle.seek(at)
                    handle.write(raw[at : at + 1])
                    handle.flush()

    # Both heads agree on the page before: only the note of the last close can tell.
    assert silent == [newest - 1]


@pytest.mark.parametrize(
    ("at", "layout", "value", "message"),
    [
        (0, "Q", 5, "says it is page 5"),
        (16, "I", 1, "magic"),
        (40, "I", 3, "page size of 3"),
        (40, "I", 2**20, "page size"),
        (4096 + 40, "I", 8192, "page sizes 4096 and 8192"),
        (128, "Q", 10**6, "beyond its last page"),
        (136, "Q", 10**9, "truncated"),
        (144, "Q", 1001, "written by 1001"),
        (144, "Q", 1000, "do not follow"),
    ],
)
def test_an_impossible_head_is_named(path, at, layout, value, message) -> None:
    with (path / DATA_NAME).open("r+b") as handle:
        for head in (0, 4096) if at in {128, 136} else (0,):
            handle.seek(head + at)
            handle.write(struct.pack(layout, value))
    with pytest.raises(CorruptionError, match=message):
        Environment.open(path)


def test_heads_that_change_while_they_are_read_are_read_again(path, monkeypatch) -> None:
    good = precheck._read_heads
    torn = []

    def tear_once(path, descriptor):
        raw = good(path, descriptor)
        if not torn:
            torn.append(raw)
            return raw[:144] + struct.pack("Q", 1000) + raw[152:]
        return raw

    monkeypatch.setattr(precheck, "_read_heads", tear_once)

    assert check_data_file(path / DATA_NAME) > 0
    assert torn


def test_files_of_two_databases_do_not_mix(path, tmp_path) -> None:
    make(tmp_path / "other")
    shutil.copy(tmp_path / "other" / DATA_NAME, path / DATA_NAME)
    with pytest.raises(CorruptionError, match="two databases were mixed"):
        Environment.open(path)
    shutil.copy(tmp_path / "other" / MANIFEST_NAME, path / MANIFEST_NAME)
    with Environment.open(path):
        pass


def test_an_older_copy_of_the_data_file_is_noticed(path) -> None:
    old = (path / DATA_NAME).read_bytes()
    make(path, 200)
    make(path, 300)
    (path / DATA_NAME).write_bytes(old)

    with pytest.raises(CorruptionError, match="commits are missing"):
        Environment.open(path)

    (path / LAST_TRANSACTION_NAME).unlink()
    with Environment.open(path):
        pass


def test_who_only_reads_writes_no_note(path) -> None:
    note = path / LAST_TRANSACTION_NAME
    before = note.stat()
    with Environment.open(path) as environment, environment.read() as snapshot:
        snapshot.count(Database.LOG)
    assert note.stat().st_ino == before.st_ino
    make(path, 300)
    assert note.stat().st_ino != before.st_ino


@pytest.mark.parametrize("text", ["", "x", "-1", "-1 -1", "1", "1 x", "1 0 7"])
def test_a_damaged_note_of_the_newest_transaction_is_passed_over(path, text) -> None:
    (path / LAST_TRANSACTION_NAME).write_text(text)
    with Environment.open(path):
        pass


def test_a_note_that_cannot_be_written_does_not_keep_a_database_open(path, monkeypatch) -> None:
    def fail(path, content):
        raise OSError(errno.ENOSPC, "full")

    opened = Environment.open(path)
    monkeypatch.setattr(environment, "write_newest", fail)
    opened.close()

    with Environment.open(path):
        pass


def test_a_database_without_a_sub_database_is_damage_when_read_only(tmp_path, path) -> None:
    with (
        lmdb.open(str(path), max_dbs=9, lib_version=0) as raw,
        raw.begin(write=True) as transaction,
    ):
        transaction.drop(raw.open_db(b"log", txn=transaction))
    with pytest.raises(CorruptionError):
        Environment.open(path, read_only=True)


def test_a_creation_that_died_is_begun_anew_or_finished(tmp_path) -> None:
    uuid = make(tmp_path / "whole")
    half, moved = tmp_path / "half", tmp_path / "moved"
    (half / "new-database-x").mkdir(parents=True)
    (half / "new-database-x" / DATA_NAME).write_bytes(b"half")
    (moved / "new-database-x").mkdir(parents=True)
    for name in (JOURNAL_NAME, DATA_NAME):
        shutil.copy(tmp_path / "whole" / name, moved / name)
    shutil.copy(tmp_path / "whole" / MANIFEST_NAME, moved / "new-database-x" / MANIFEST_NAME)

    with Environment.open(half) as opened, opened.read() as snapshot:
        assert snapshot.count(DATA) == 0
    with Environment.open(moved) as opened, opened.read() as snapshot:
        assert (opened.uuid, snapshot.count(DATA)) == (uuid, 100)
    assert not (half / "new-database-x").exists()
    assert not (moved / "new-database-x").exists()


def test_a_creation_that_lost_the_race_takes_the_winner(tmp_path, monkeypatch) -> None:
    uuid = make(tmp_path / "db")
    monkeypatch.setattr(environment, "is_database", lambda directory: False)

    with Environment.open(tmp_path / "db") as opened:
        assert opened.uuid == uuid


@pytest.mark.parametrize(("count", "copies"), [(900, 3), (4000, 2)])
def test_a_great_transaction_leaves_one_copy_of_the_pages_that_it_changed(
    tmp_path, count, copies
) -> None:
    """Of what smaller ones change LMDB keeps two."""
    items = [(b"%08d" % number, b"v" * 500) for number in range(count)]
    with Environment.open(tmp_path / "db", durability="none") as opened:
        for _ in range(8):
            with opened.write() as transaction:
                transaction.put_many(DATA, items)
        statistics = opened.stats()
        used = statistics.file_bytes - statistics.free_bytes
        assert round(statistics.file_bytes / used) == copies


def test_a_copy_is_the_same_database_without_unused_space(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        with opened.write() as transaction:
            transaction.put_many(DATA, [(b"x%04d" % number, b"v" * 500) for number in range(2000)])
        with opened.write() as transaction:
            transaction.delete_many(DATA, [b"x%04d" % number for number in range(2000)])
        opened.copy_to(tmp_path / "copy")
        with Environment.open(tmp_path / "copy") as copy, copy.read() as snapshot:
            assert copy.uuid == opened.uuid
            assert snapshot.count(DATA) == 100
            assert copy.stats().file_bytes * 5 < opened.stats().file_bytes
        with pytest.raises(AlreadyOpenError, match="already"):
            opened.copy_to(tmp_path / "copy")
        with pytest.raises(NotADatabaseError):
            opened.copy_to(tmp_path)


def test_a_copy_that_fails_leaves_no_half_of_a_database(path, tmp_path) -> None:
    with Environment.open(path, engine=UncopyableEnvironment) as opened:
        with pytest.raises(DatabaseFullError, match="copy"):
            opened.copy_to(tmp_path / "copy")
        assert names(tmp_path / "copy") == []


class UncopyableEnvironment:
    def __init__(self, path, options) -> None:
        self.real = engine.open_engine(path, options)

    def copyfd(self, descriptor, *, compact) -> None:
        raise failure(errno.ENOSPC)

    def __getattr__(self, name):
        return getattr(self.real, name)


def test_processes_that_create_at_once_share_one_database(tmp_path, start) -> None:
    code = """
    sys.stdin.readline()
    with Environment.open(path) as environment:
        with environment.write() as transaction:
            transaction.put(Database.DOCUMENTS, str(os.getpid()).encode(), b"")
        print(environment.uuid)
    """
    children = [start(code, tmp_path / "db") for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [child.communicate(timeout=60) for child in children]

    assert [errors for _, errors in results] == [""] * 4
    assert len({output for output, _ in results}) == 1
    with Environment.open(tmp_path / "db") as opened, opened.read() as snapshot:
        assert snapshot.count(DATA) == 4


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EROFS, ReadOnlyError), (errno.EACCES, ReadOnlyError)]
)
def test_a_file_system_that_cannot_be_written_is_named(path, number, kind) -> None:
    def refuse(path, options):
        raise failure(number)

    with pytest.raises(kind, match="mount it writable"):
        Environment.open(path, engine=refuse)


def test_an_error_of_the_system_is_translated(tmp_path) -> None:
    with pytest.raises(StorageError, match="open the database") as caught:
        Environment.open(tmp_path / ("x" * 300))

    assert caught.value.errno == errno.ENAMETOOLONG


def test_an_unpatched_library_is_refused(path, monkeypatch) -> None:
    monkeypatch.setattr(engine.lmdb, "version", lambda subpatch: (0, 9, 36, 0))
    with pytest.raises(StorageError, match="liblmdb"):
        Environment.open(path)


MOUNTS = """
22 1 8:1 / / rw - ext4 /dev/a rw
23 22 0:1 / /mnt/share rw shared:1 - nfs4 server:/x rw
24 22 0:2 / /mnt/with\\040space rw - fuse.sshfs x rw
25 23 0:3 / /mnt/share/local rw - xfs /dev/b rw
26 22 0:4 / /twice rw - xfs a rw
27 22 0:5 / /twice rw - cifs b rw
nonsense
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/home/x", "ext4"),
        ("/mnt/share/db", "nfs4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/db", "xfs"),
        ("/mnt/with space/db", "fuse.sshfs"),
        ("/twice/x", "cifs"),
    ],
)
def test_the_nearest_mount_decides_the_file_system(directory, kind) -> None:
    assert filesystem.kind_of(filesystem.Path(directory), MOUNTS) == kind


def test_network_file_systems_are_refused_unless_forced(tmp_path, monkeypatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path} rw - fuse.sshfs x rw\n")
    with pytest.raises(StorageError, match=r"fuse\.sshfs"):
        filesystem.refuse_unsuitable(tmp_path / "new" / "db", mounts)

    filesystem.refuse_unsuitable(tmp_path.parent, mounts)
    filesystem.refuse_unsuitable(tmp_path, tmp_path / "no table here")
    monkeypatch.setenv(filesystem.FORCE_VARIABLE, "1")
    filesystem.refuse_unsuitable(tmp_path, mounts)
    assert filesystem.kind_of(tmp_path, "") == ""


def test_a_directory_that_was_suitable_is_looked_at_again_once_it_changed(tmp_path) -> None:
    mounts, directory = tmp_path / "mountinfo", tmp_path / "db"
    directory.mkdir()
    mounts.write_text("1 0 0:1 / / rw - ext4 x rw\n")
    filesystem.refuse_unsuitable(directory, mounts)
    mounts.write_text("1 0 0:1 / / rw - nfs x rw\n")
    filesystem.refuse_unsuitable(directory, mounts)
    before = directory.stat().st_ctime_ns
    while directory.stat().st_ctime_ns == before:  # it is counted in ticks
        (directory / "new").touch()
        (directory / "new").unlink()
    with pytest.raises(StorageError, match="nfs"):
        filesystem.refuse_unsuitable(directory, mounts)


@pytest.mark.parametrize("durability", ["full", "none"])
def test_who_only_reads_flushes_nothing_and_leaves_every_file_as_it_was(
    tmp_path, monkeypatch, durability
) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {
            file.name: (file.stat().st_mtime_ns, file.read_bytes())
            for file in tmp_path.rglob("*")
            if file.is_file() and file.name != LOCK_NAME
        }

    def flush(_: int) -> None:
        raise AssertionError("flushed")

    with Environment.open(tmp_path, durability=durability) as environment:
        environment.run_write(lambda writer: writer.put(Database.META, b"key", b"value"))
    before = state()
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, flush)
    with Environment.open(tmp_path, durability=durability) as environment:
        assert environment.get(Database.META, b"key") == b"value"
        assert before.items() <= state().items()
    assert state() == before


def test_a_fork_is_refused_in_the_child_and_harmless_to_the_parent(tmp_path, run) -> None:
    output = run(
        """
        environment = Environment.open(path)
        with environment.write() as transaction:
            transaction.put(Database.DOCUMENTS, b"k", b"1")
        snapshot = environment.read()
        scan = snapshot.scan(Database.DOCUMENTS, b"", None)
        pid = os.fork()
        if pid == 0:
            tried = [
                lambda: environment.read(),
                lambda: environment.write().__enter__(),
                lambda: snapshot.get(Database.DOCUMENTS, b"k"),
                lambda: environment.sync(),
            ]
            for attempt in tried:
                try:
                    attempt()
                    os._exit(1)
                except ForkedError:
                    pass
            try:
                Environment.open(path)
                os._exit(2)
            except ForkedError as error:
                assert "close snapshots before" in str(error), error
            snapshot.close()
            environment.close()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        for number in range(500):
            with environment.write() as transaction:
                transaction.put(Database.DOCUMENTS, b"k", b"%d" % number)
        assert snapshot.get(Database.DOCUMENTS, b"k") == b"1"
        environment.close()
        print("done")
        """,
        tmp_path / "db",
    )

    assert output == "done\n"


def test_the_child_of_a_fork_may_open_the_database_itself(tmp_path, run) -> None:
    output = run(
        """
        environment = Environment.open(path)
        temporary = Environment.open(None)
        pid = os.fork()
        if pid == 0:
            with Environment.open(path) as own, own.write() as transaction:
                transaction.put(Database.DOCUMENTS, b"child", b"1")
            del temporary
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        with environment.write() as transaction:
            transaction.put(Database.DOCUMENTS, b"parent", b"1")
        with environment.read() as snapshot:
            print(snapshot.count(Database.DOCUMENTS), temporary.path.exists())
        environment.close()
        """,
        tmp_path / "db",
    )

    assert output == "2 True\n"


def test_a_fork_inside_a_write_transaction_leaves_it_to_the_parent(tmp_path, run) -> None:
    output = run(
        """
        environment = Environment.open(path)
        pid = 0
        try:
            with environment.write() as transaction:
                transaction.put(Database.DOCUMENTS, b"k", b"1")
                pid = os.fork()
                if pid == 0:
                    try:
                        transaction.put(Database.DOCUMENTS, b"child", b"1")
                        os._exit(1)
                    except ForkedError:
                        pass
                    raise SystemExit(0)
        finally:
            if pid:
                assert os.waitpid(pid, 0)[1] == 0
        with environment.read() as snapshot:
            print(snapshot.count(Database.DOCUMENTS))
        environment.close()
        """,
        tmp_path / "db",
    )

    assert output == "1\n"


def test_a_fork_waits_for_the_writer_of_another_thread(tmp_path, run) -> None:
    output = run(
        """
        import threading
        environment = Environment.open(path)
        begun, go_on = threading.Event(), threading.Event()
        def write():
            with environment.write() as transaction:
                begun.set()
                go_on.wait()
                transaction.put(Database.DOCUMENTS, b"k", b"1")
        thread = threading.Thread(target=write)
        thread.start()
        begun.wait()
        acquire = environment._writer.acquire
        class Watched:
            def acquire(self, timeout):
                go_on.set()
                return acquire(timeout=timeout)
            release = environment._writer.release
        environment._writer = Watched()
        pid = os.fork()
        if pid == 0:
            with Environment.open(path) as own, own.read() as snapshot:
                os._exit(0 if snapshot.count(Database.DOCUMENTS) == 1 else 1)
        print(os.waitpid(pid, 0)[1])
        thread.join()
        """,
        tmp_path / "db",
    )

    assert output == "0\n"


def test_a_fork_waits_until_the_writer_of_another_thread_has_looked_around(tmp_path, run) -> None:
    """After its commit it asks LMDB how the file stands.

    Whoever is inside LMDB at the fork is inside for ever in the child, where closing waits for it.
    """
    output = run(
        """
        import threading
        from headwater.storage.engine import open_engine
        looks, go_on, looked = threading.Event(), threading.Event(), threading.Event()
        class Engine:
            def __init__(self, path, options):
                self.real = open_engine(path, options)
            def info(self):
                found = self.real.info()
                if threading.current_thread() is not threading.main_thread():
                    looks.set()
                    go_on.wait()
                    looked.set()
                return found
            def __getattr__(self, name):
                return getattr(self.real, name)
        environment = Environment.open(path, engine=Engine)
        def write():
            with environment.write() as transaction:
                transaction.put(Database.DOCUMENTS, b"k", b"1")
        thread = threading.Thread(target=write)
        thread.start()
        looks.wait()
        real = environment._writer
        class Watched:
            def acquire(self, timeout):
                if real.acquire(blocking=False):
                    return True
                go_on.set()
                return real.acquire(timeout=timeout)
            release = real.release
        environment._writer = Watched()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if looked.is_set() else 1)
        go_on.set()
        print(os.waitpid(pid, 0)[1])
        thread.join()
        """,
        tmp_path / "db",
    )

    assert output == "0\n"


def test_a_fork_waits_for_a_batch_that_is_between_two_of_its_snapshots(tmp_path, run) -> None:
    """While it is flushed none is open, and the next one is begun by the time of the fork."""
    output = run(
        """
        import threading
        environment = Environment.open(path)
        made, go_on, ended = threading.Event(), threading.Event(), threading.Event()
        class Turn:
            def __init__(self):
                self.lock, self.tries = threading.Lock(), 0
            def acquire(self, timeout):
                self.tries += 1
                if self.tries == 2:
                    go_on.set()
                return self.lock.acquire(timeout=timeout)
            def release(self):
                self.lock.release()
        class Batches:
            turn = Turn()
            def is_made_here(self):
                return threading.current_thread() is not threading.main_thread()
        environment.batches = batches = Batches()
        def make():
            with batches.turn.lock:
                made.set()
                go_on.wait()
                environment.read().close()
                ended.set()
        thread = threading.Thread(target=make)
        thread.start()
        made.wait()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if ended.is_set() else 1)
        go_on.set()
        print(os.waitpid(pid, 0)[1])
        thread.join()
        environment.close()
        """,
        tmp_path / "db",
    )

    assert output == "0\n"


def test_a_fork_lets_a_batch_go_on_that_a_snapshot_waits_for(tmp_path, run) -> None:
    """Who makes it gets the turn only while the fork waits: else the fork is always the first."""
    output = run(
        """
        import threading
        environment = Environment.open(path)
        turn, begun, waits = threading.Lock(), threading.Event(), threading.Event()
        class Batches:
            def __init__(self):
                self.turn = turn
            def is_made_here(self):
                return False
        environment.batches = Batches()
        def make():
            snapshot = environment.read()
            begun.set()
            waits.wait()
            with turn:
                snapshot.close()
        thread = threading.Thread(target=make)
        thread.start()
        begun.wait()
        wait = environment.drained.wait
        def watched(seconds):
            if not turn.locked():
                waits.set()
            return wait(seconds)
        environment.drained.wait = watched
        pid = os.fork()
        if pid == 0:
            Environment.open(path)  # refused if a snapshot was open
            os._exit(0)
        waits.set()
        print(os.waitpid(pid, 0)[1])
        thread.join()
        environment.close()
        """,
        tmp_path / "db",
    )

    assert output == "0\n"


def test_who_makes_batches_lets_a_fork_have_the_turn_first(tmp_path, run) -> None:
    output = run(
        """
        import threading
        from headwater.storage import forks
        forks._SLICE_SECONDS = 50
        environment = Environment.open(path)
        environment.give_way()  # to nobody
        asks, gives, gave = threading.Event(), threading.Event(), []
        class Turn:
            lock = threading.Lock()
            def acquire(self, timeout):
                asks.set()
                gives.wait()
                return self.lock.acquire(timeout=timeout)
            def release(self):
                self.lock.release()
        class Batches:
            turn = Turn()
            def is_made_here(self):
                return False
        environment.batches = batches = Batches()
        wait = environment._has_turn.wait
        environment._has_turn.wait = lambda seconds: (gives.set(), wait(seconds))
        def make():
            asks.wait()
            environment.give_way()
            gave.append(batches.turn.lock.locked() or environment._at_fork is None)
        thread = threading.Thread(target=make)
        thread.start()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        thread.join()
        print(gave)
        environment.close()
        """,
        tmp_path / "db",
    )

    assert output == "[True]\n"


OPENING = """
import threading
from headwater.storage import environment
from headwater.storage.engine import open_engine
Environment.open(path).close()
opening, go_on = threading.Event(), threading.Event()
def held(function):
    def hold(*arguments):
        if threading.current_thread() is not threading.main_thread():
            opening.set()
            go_on.wait()
            {then}
        return function(*arguments)
    return hold
before_fork = Environment.before_fork
def before(self):
    if self._writer.acquire(blocking=False):
        self._writer.release()
    else:
        go_on.set()
    before_fork(self)
Environment.before_fork = before
environment.read_newest = held(environment.read_newest) if {is_early} else environment.read_newest
def work():
    try:
        Environment.open(path, engine=open_engine if {is_early} else held(open_engine)).close()
    except StorageError as error:
        said.append(str(error).partition(": ")[2])
said = []
thread = threading.Thread(target=work)
thread.start()
opening.wait()
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        Environment.open(path).close()
        os._exit(0)
    print(os.waitpid(pid, 0)[1])
go_on.set()
thread.join()
print(*said)
"""


@pytest.mark.parametrize("is_early", [True, False], ids=["before LMDB", "inside LMDB"])
def test_a_fork_while_another_thread_opens_the_database_harms_nobody(
    tmp_path, run, is_early
) -> None:
    assert run(OPENING.format(is_early=is_early, then=""), tmp_path / "db") == "0\n0\n\n"


def test_a_fork_may_wait_for_an_opening_that_fails(tmp_path, run) -> None:
    code = OPENING.format(is_early=False, then='raise StorageError("db: no luck")')
    assert run(code, tmp_path / "db") == "0\n0\nno luck\n"
