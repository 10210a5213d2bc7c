"""What LMDB does not mend by itself: full and foreign maps, dead readers, failed writes.

Goal: after each failure there is one clear error or none, nothing acknowledged is lost, and the
next use works. Method: real failures in children (limits of the system, descriptors swapped for
/dev/full, processes killed), injected ones at the seam where LMDB is opened.
"""

import contextlib
import errno
import threading

import lmdb
import pytest
from tests.storage.conftest import failure

from headwater.errors import (
    CorruptionError,
    DatabaseFullError,
    DiskError,
    SnapshotTooOldError,
    StorageError,
)
from headwater.storage import connecting, engine, supervision
from headwater.storage.engine import open_engine
from headwater.storage.environment import Environment
from headwater.storage.failures import MapFullError, translate
from headwater.storage.format import Database

DATA = Database.DOCUMENTS
SMALL = 2**20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db.hw"


@pytest.fixture
def small(path, monkeypatch):
    monkeypatch.setattr(connecting, "DRAIN_SECONDS", 0.01)
    with Environment.open(path, map_size_bytes=SMALL) as environment:
        yield environment


def put(environment: Environment, key: bytes, value: bytes = b"1") -> None:
    with environment.write() as transaction:
        transaction.put(DATA, key, value)


def get(environment: Environment, key: bytes) -> bytes | None:
    with environment.read() as snapshot:
        return snapshot.get(DATA, key)


class Faults:
    """Opens LMDB as always; raises what is queued, at the beginning or end of transactions."""

    def __init__(self) -> None:
        self.at_opening: list[Exception] = []
        self.at_begin: list[Exception] = []
        self.at_end: list[Exception] = []
        self.opened = 0

    def __call__(self, path, options):
        if self.at_opening:
            raise self.at_opening.pop(0)
        self.opened += 1
        return FaultyEnvironment(open_engine(path, options), self)


class FaultyEnvironment:
    def __init__(self, real, faults: Faults) -> None:
        self.real = real
        self.faults = faults

    def begin(self, **options):
        if self.faults.at_begin:
            raise self.faults.at_begin.pop(0)
        transaction = self.real.begin(**options)
        if options.get("write") and self.faults.at_end:
            return FaultyTransaction(transaction, self.faults)
        return transaction

    def __getattr__(self, name):
        return getattr(self.real, name)


class FaultyTransaction:
    def __init__(self, real, faults: Faults) -> None:
        self.real = real
        self.faults = faults

    def commit(self) -> None:
        self.real.abort()
        raise self.faults.at_end.pop(0)

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def faulty(path, faults):
    with Environment.open(path, engine=faults) as environment:
        put(environment, b"before")
        yield environment


def test_a_full_map_grows_and_nothing_is_lost(small) -> None:
    value = b"x" * 100_000
    for number in range(100):
        small.run_write(lambda transaction, n=number: transaction.put(DATA, b"%d" % n, value))

    with small.read() as snapshot:
        assert snapshot.count(DATA) == 100
    assert small.stats().map_size_bytes >= 2**24


def test_one_transaction_may_be_larger_than_the_map(small) -> None:
    items = [(b"%05d" % number, b"x" * 10_000) for number in range(1000)]
    small.run_write(lambda transaction: transaction.put_many(DATA, items))

    with small.read() as snapshot:
        assert list(snapshot.scan(DATA, b"", None)) == items


def test_outside_run_write_a_full_map_is_an_error_with_advice(small) -> None:
    with pytest.raises(DatabaseFullError, match="run_write"):
        put(small, b"k", b"x" * 2 * SMALL)

    put(small, b"k")
    assert get(small, b"k") == b"1"


def test_snapshots_outlive_growth_if_they_end_soon_and_say_so_if_not(path) -> None:
    with Environment.open(path, map_size_bytes=SMALL) as environment:
        put(environment, b"k")
        snapshot = environment.read()
        reached = threading.Event()

        def read_and_close() -> None:
            reached.wait()
            seen.append(snapshot.get(DATA, b"k"))
            snapshot.close()

        seen: list[bytes | None] = []
        reader = threading.Thread(target=read_and_close)
        reader.start()
        clear = environment.drained.clear
        environment.drained.clear = lambda: (clear(), reached.set())  # type: ignore[assignment]
        environment.grow()
        reader.join()
        assert seen == [b"1"]

        forgotten = environment.read()
        environment._monotonic = iter(range(10**6)).__next__  # type: ignore[assignment]
        environment.grow()
        with pytest.raises(SnapshotTooOldError, match="outgrew"):
            forgotten.get(DATA, b"k")


def test_growth_waits_for_a_single_look_that_is_under_way(path) -> None:
    with Environment.open(path, map_size_bytes=SMALL) as environment:
        put(environment, b"k")
        assert environment.get(DATA, b"nothing") is None
        is_waited_for = threading.Event()
        clear = environment.drained.clear
        environment.drained.clear = lambda: (clear(), is_waited_for.set())  # type: ignore[assignment]
        growing = threading.Thread(target=environment.grow)
        begin = environment._begin

        def begin_slowly():
            transaction = begin()
            growing.start()
            assert is_waited_for.wait(60)
            return transaction

        environment._begin = begin_slowly  # type: ignore[assignment]
        assert environment.get(DATA, b"k") == b"1"
        growing.join()
        assert environment.get(DATA, b"k") == b"1"
        assert environment.stats().map_size_bytes == 2 * SMALL
        assert environment.readers == {}


def test_growth_that_another_thread_has_done_is_not_done_again(small) -> None:
    generation = small._generation
    small.grow(generation)
    small.grow(generation)

    assert small.stats().map_size_bytes == 2 * SMALL


def test_growth_inside_a_write_transaction_is_refused(small) -> None:
    with small.write(), pytest.raises(AssertionError):
        small.grow()


def test_a_map_that_another_process_grew_is_taken_over(small, path, run) -> None:
    put(small, b"mine")
    run(
        """
        with Environment.open(path, map_size_bytes=2**20) as environment:
            for number in range(200):
                environment.run_write(
                    lambda t: t.put(Database.DOCUMENTS, b"%d" % number, b"x" * 100_000))
        """,
        path,
    )

    assert small.get(DATA, b"199") == b"x" * 100_000
    assert get(small, b"mine") == b"1"
    put(small, b"more")
    with small.read() as snapshot:
        assert snapshot.count(DATA) == 202


def test_a_writer_takes_over_a_map_that_another_process_grew(small, path, run) -> None:
    run(
        """
        with Environment.open(path, map_size_bytes=2**24) as environment:
            with environment.write() as t:
                t.put(Database.DOCUMENTS, b"k", b"x" * 5_000_000)
        """,
        path,
    )

    put(small, b"k", b"2")
    assert get(small, b"k") == b"2"


def test_a_killed_reader_gives_its_slot_back(path, start) -> None:
    with Environment.open(path) as environment:
        child = start(
            """
            environment = Environment.open(path)
            snapshot = environment.read()
            print("reading", flush=True)
            sys.stdin.readline()
            """,
            path,
        )
        assert child.stdout.readline() == "reading\n"
        assert environment.check_readers() == 0
        child.kill()
        child.wait()

        assert environment.check_readers() == 1


def test_dead_readers_are_cleared_by_the_writer_now_and_then(path, start, monkeypatch) -> None:
    monkeypatch.setattr(supervision, "COMMITS_PER_READER_CHECK", 3)
    with Environment.open(path) as environment:
        child = start(
            "snapshot = Environment.open(path).read(); print('reading', flush=True); input()", path
        )
        child.stdout.readline()
        child.kill()
        child.wait()
        for number in range(3):
            put(environment, b"%d" % number)

        assert environment.check_readers() == 0


def test_a_full_reader_table_is_cleared_of_the_dead_or_named(path, start, monkeypatch) -> None:
    monkeypatch.setattr(engine, "READERS_MAX", 4)
    with Environment.open(path) as environment:
        child = start(
            """
            environment = Environment.open(path)
            snapshots = [environment.read() for _ in range(3)]
            print("reading", flush=True)
            input()
            """,
            path,
        )
        child.stdout.readline()
        mine = [environment.read()]
        with pytest.raises(StorageError, match="reader slots"):
            environment.read()
        child.kill()
        child.wait()

        mine += [environment.read() for _ in range(3)]

        assert len(mine) == 4
        mine.clear()


def test_a_killed_writer_leaves_nothing_half_written(path, start) -> None:
    with Environment.open(path) as environment:
        child = start(
            """
            with Environment.open(path).write() as transaction:
                transaction.put(Database.DOCUMENTS, b"half", b"1")
                print("writing", flush=True)
                input()
            """,
            path,
        )
        assert child.stdout.readline() == "writing\n"
        child.kill()
        child.wait()
        put(environment, b"whole")

        assert get(environment, b"half") is None
        assert get(environment, b"whole") == b"1"


def test_a_failed_write_of_the_head_is_in_doubt_and_the_next_use_works(path, run) -> None:
    """In the mode of format 1, which has no journal."""
    output = run(
        """
        Environment.open(path).close()
        manifest = path / "headwater.json"
        manifest.write_text(manifest.read_text().replace('"format": 3', '"format": 1'))
        environment = Environment.open(path, is_alone=True)  # and so it is not upgraded
        def put(key):
            with environment.write() as transaction:
                transaction.put(Database.DOCUMENTS, key, b"1")
        put(b"before")
        old = environment.read()
        # LMDB writes the heads through a second, synchronous descriptor of the data file.
        heads = [int(fd) for fd in os.listdir("/proc/self/fd")
                 if os.path.realpath(f"/proc/self/fd/{fd}") == str(path / "data.mdb")
                 and os.get_inheritable(int(fd)) is False]
        flags = {fd: int(open(f"/proc/self/fdinfo/{fd}").read().split("flags:")[1].split()[0], 8)
                 for fd in heads}
        head = next(fd for fd in heads if flags[fd] & os.O_DSYNC)
        saved = os.dup(head)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, head)
        try:
            put(b"in doubt")
            print("no error")
        except DiskError as error:
            print("may or may not" in str(error))
        os.dup2(saved, head)
        os.close(saved)
        put(b"after")
        with environment.read() as snapshot:
            found = [key for key, _ in snapshot.scan(Database.DOCUMENTS, b"", None)]
        print(b"before" in found, b"after" in found)
        try:
            old.get(Database.DOCUMENTS, b"before")
        except SnapshotTooOldError as error:
            print("head failed" in str(error))
        environment.close()
        """,
        path,
    )

    assert output == "True\nTrue True\nTrue\n"


def test_a_full_disk_is_an_error_and_writing_goes_on_when_there_is_room(path, run) -> None:
    output = run(
        """
        import resource
        environment = Environment.open(path)
        size = (path / "data.mdb").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            environment.run_write(lambda t: t.put(Database.DOCUMENTS, b"large", b"x" * 10**6))
        except DatabaseFullError as error:
            print("make room" in str(error))
        with environment.read() as snapshot:
            print(snapshot.count(Database.DOCUMENTS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        environment.run_write(lambda t: t.put(Database.DOCUMENTS, b"large", b"x" * 10**6))
        with environment.read() as snapshot:
            print(snapshot.count(Database.DOCUMENTS))
        environment.close()
        """,
        path,
    )

    assert output == "True\n0\n1\n"


def test_where_address_space_is_short_a_smaller_map_is_taken(path, run) -> None:
    output = run(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, resource.RLIM_INFINITY))
        environment = Environment.open(path)
        print(environment.stats().map_size_bytes <= 4 * 2**30)
        with environment.write() as transaction:
            transaction.put(Database.DOCUMENTS, b"k", b"1")
        try:
            for _ in range(8):
                environment.grow()
            print("grew")
        except DatabaseFullError as error:
            print("ulimit -v" in str(error))
        with environment.read() as snapshot:
            print(snapshot.count(Database.DOCUMENTS))
        try:
            Environment.open(path.parent / "other", map_size_bytes=2**40)
        except StorageError as error:
            print("ulimit -v" in str(error))
        """,
        path,
    )

    assert output == "True\nTrue\n1\nTrue\n"


def test_no_address_space_at_all_is_an_error(path, monkeypatch) -> None:
    tried: list[int] = []

    def refuse(path, options, size):
        tried.append(size)
        raise failure(errno.ENOMEM, lmdb.MemoryError)

    monkeypatch.setattr(engine, "_open", refuse)
    with pytest.raises(StorageError, match="address space"):
        Environment.open(path)

    assert tried == [64 * 2**30 >> step for step in range(11)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failure(errno.ENOSPC, lmdb.DiskError), DatabaseFullError),
        (failure(errno.EIO), DiskError),
        (failure(errno.EINVAL, lmdb.InvalidParameterError), StorageError),
        (lmdb.CorruptedError("x"), CorruptionError),
        (lmdb.MapFullError("x"), MapFullError),
    ],
)
def test_a_failed_commit_did_not_happen_and_says_why(faulty, faults, error, kind) -> None:
    faults.at_end.append(error)
    with pytest.raises(kind):
        put(faulty, b"k")

    assert get(faulty, b"k") is None
    assert get(faulty, b"before") == b"1"
    put(faulty, b"k")


def test_a_write_cut_short_on_a_full_disk_is_called_so(faulty, faults, monkeypatch) -> None:
    monkeypatch.setattr(supervision, "_room_bytes", lambda path: 4096)
    faults.at_end.append(failure(errno.EIO))
    with pytest.raises(DatabaseFullError, match="disk is full"):
        put(faulty, b"k")


def test_a_commit_is_in_doubt_if_lmdb_gives_up(faulty, faults) -> None:
    faults.at_end.append(failure(errno.EIO))
    with pytest.raises(DiskError, match="may or may not"), faulty.write():
        faults.at_begin.append(lmdb.PanicError("x"))


def test_a_commit_that_fails_while_nothing_begins_is_still_explained(faulty, faults) -> None:
    faults.at_end.append(failure(errno.EIO))
    with pytest.raises(DiskError, match="commit"), faulty.write():
        faults.at_begin.append(failure(errno.EIO))


def test_an_environment_that_lmdb_gave_up_is_opened_anew(faulty, faults) -> None:
    opened = faults.opened
    faults.at_begin.append(lmdb.PanicError("x"))
    faults.at_begin.append(lmdb.PanicError("x"))
    assert get(faulty, b"before") == b"1"
    assert faults.opened == opened + 1

    faults.at_begin.append(lmdb.PanicError("x"))
    put(faulty, b"k")
    assert faults.opened == opened + 2

    faults.at_begin += [lmdb.PanicError("x") for _ in range(3)]
    assert faulty.get(DATA, b"k") == b"1"
    assert faults.opened == opened + 3


def test_if_it_cannot_be_opened_anew_the_next_use_tries_again(faulty, faults) -> None:
    faults.at_begin += [lmdb.PanicError("x"), lmdb.PanicError("x")]
    faults.at_opening.append(failure(errno.EMFILE))
    with pytest.raises(StorageError, match="too many open files"):
        faulty.read()

    assert get(faulty, b"before") == b"1"


def test_a_database_that_could_not_be_opened_anew_can_be_closed(path, faults) -> None:
    with Environment.open(path, engine=faults) as environment:
        faults.at_begin += [lmdb.PanicError("x"), lmdb.PanicError("x")]
        faults.at_opening.append(failure(errno.EMFILE))
        with pytest.raises(StorageError, match="too many open files"):
            environment.read()

    with Environment.open(path):
        pass


def test_growth_that_fails_for_another_reason_is_translated(faulty, faults) -> None:
    faults.at_opening.append(failure(errno.EIO))
    with pytest.raises(DiskError, match="enlarge"):
        faulty.grow()

    assert get(faulty, b"before") == b"1"


def test_a_map_that_never_suffices_ends_with_an_error(faulty, faults, monkeypatch) -> None:
    for module in (supervision, connecting):
        monkeypatch.setattr(module, "MENDS_MAX", 2)
    monkeypatch.setattr(supervision.SupervisedEngine, "_mend", lambda self, cause, seen: None)
    monkeypatch.setattr(supervision.SupervisedEngine, "grow", lambda self, seen: None)

    def never_fits(transaction) -> None:
        raise MapFullError("x")

    with pytest.raises(DatabaseFullError, match="tried 2 times"):
        faulty.run_write(never_fits)
    for _ in range(3):
        faults.at_begin.append(lmdb.MapResizedError("x"))
    with pytest.raises(DatabaseFullError, match="tried 2 times"):
        faulty.read()
    faults.at_begin[:] = [lmdb.MapResizedError("x")] * 2
    with pytest.raises(DatabaseFullError, match="tried 2 times"):
        put(faulty, b"k")
    faults.at_begin.clear()
    put(faulty, b"k")


def test_what_cannot_be_mended_is_raised(faulty, faults) -> None:
    faults.at_begin += [failure(errno.EIO)] * 2
    with pytest.raises(DiskError):
        faulty.read()
    faults.at_begin.append(failure(errno.EIO))
    with pytest.raises(DiskError):
        put(faulty, b"k")

    put(faulty, b"k")


def test_inside_a_write_transaction_the_file_is_not_opened_anew(faulty, faults) -> None:
    opened = faults.opened
    with faulty.write() as transaction:
        for error in (lmdb.PanicError("x"), lmdb.MapResizedError("x")):
            faults.at_begin += [error, error]
            with pytest.raises(StorageError):
                faulty.read()
        transaction.put(DATA, b"k", b"1")

    assert faults.opened == opened
    assert get(faulty, b"k") == b"1"


def test_a_mend_that_another_thread_has_done_is_not_done_again(faulty, faults) -> None:
    opened = faults.opened
    faulty._mend(lmdb.PanicError("x"), faulty._generation - 1)

    assert faults.opened == opened


def test_what_began_in_the_moment_of_closing_is_too_old(faulty) -> None:
    snapshot = faulty.read()
    snapshot._transaction.abort()  # as reopening does to one that is not yet in its list

    for use in (
        lambda: snapshot.get(DATA, b"k"),
        lambda: snapshot.get_many(DATA, [b"k"]),
        lambda: list(snapshot.scan(DATA, b"", None)),
        lambda: list(snapshot.scan(DATA, b"", None, reverse=True)),
        lambda: snapshot.first(DATA),
        lambda: snapshot.last(DATA),
        lambda: snapshot.count(DATA),
    ):
        with pytest.raises(SnapshotTooOldError):
            use()


def test_every_write_of_an_aborted_transaction_is_an_error(faulty) -> None:
    with contextlib.suppress(StorageError), faulty.write() as transaction:
        with pytest.raises(MapFullError):
            raise faulty.failure(lmdb.MapFullError("x"), "write")
        transaction._transaction.abort()
        for use in (
            lambda: transaction.put(DATA, b"k", b"1"),
            lambda: transaction.put_many(DATA, [(b"k", b"1")]),
            lambda: transaction.put_keys(DATA, b"k", [b"1"]),
            lambda: transaction.delete(DATA, b"k"),
            lambda: transaction.delete_many(DATA, [b"k"]),
            lambda: transaction.clear(DATA),
        ):
            with pytest.raises(SnapshotTooOldError):
                use()
        transaction.close()


def test_a_flush_that_fails_is_translated(faulty, faults) -> None:
    def fail(force):
        raise failure(errno.EIO)

    faulty._lmdb.sync = fail
    with pytest.raises(DiskError, match="flush"):
        faulty.sync()


def test_handles_that_cannot_be_opened_close_the_file(path, faults) -> None:
    with Environment.open(path):
        pass
    faults.at_begin.append(failure(errno.EIO))
    with pytest.raises(DiskError):
        Environment.open(path, engine=faults)

    with Environment.open(path):
        pass


def test_an_error_without_a_number_is_translated_all_the_same() -> None:
    error = translate(OSError("odd"), "/db", "read")

    assert type(error) is StorageError
    assert error.errno is None
    assert str(error) == "/db: cannot read: odd"


def test_readers_survive_growth_and_expiry_at_any_moment(path, run) -> None:
    output = run(
        """
        import threading
        from headwater.storage import connecting
        connecting.DRAIN_SECONDS = 0.001
        environment = Environment.open(path, map_size_bytes=2**20, durability="none")
        environment.run_write(lambda t: t.put_many(
            Database.DOCUMENTS, [(b"%05d" % n, b"%05d" % n * 50) for n in range(2000)]))
        over, wrong, seen = threading.Event(), [], [0, 0]
        def read():
            while not over.is_set():
                try:
                    with environment.read() as snapshot:
                        for key, value in snapshot.scan(Database.DOCUMENTS, b"", None):
                            if value[:5] != key:
                                wrong.append((key, value))
                        if snapshot.get(Database.DOCUMENTS, b"00007") != b"00007" * 50:
                            wrong.append("get")
                    if environment.get(Database.DOCUMENTS, b"00007") != b"00007" * 50:
                        wrong.append("look")
                    seen[0] += 1
                except SnapshotTooOldError:
                    seen[1] += 1
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for round in range(60):
            key = b"%05d" % (3000 + round)
            environment.run_write(lambda t: t.put(Database.DOCUMENTS, key, key * 20_000))
            environment.expire_readers(-1)
            if round % 10 == 0:
                environment.grow()
        over.set()
        for thread in threads:
            thread.join()
        print(len(wrong), seen[0] > 0, environment.stats().snapshots)
        environment.close()
        """,
        path,
    )

    assert output == "0 True 0\n"


def test_a_snapshot_for_long_work_is_not_taken_away_for_its_age(tmp_path) -> None:
    with Environment.open(tmp_path / "db") as environment:
        ordinary, lasting = environment.read(), environment.read_for_long()

        assert environment.expire_readers(older_than_seconds=-1.0) == 1

        assert not ordinary.is_open
        assert lasting.is_open
        assert environment.stats().oldest_snapshot_seconds == 0.0
        lasting.close()


def test_a_file_that_outgrows_the_map_while_it_is_opened_is_opened_with_a_larger_one(
    faulty, faults
) -> None:
    before = faulty.stats().map_size_bytes
    faults.at_begin.append(lmdb.MapResizedError("x"))
    faulty.grow()
    assert faulty.stats().map_size_bytes == 4 * before
    put(faulty, b"k")


def test_a_file_that_outgrows_every_map_is_given_up(faulty, faults, monkeypatch) -> None:
    monkeypatch.setattr(connecting, "MENDS_MAX", 2)
    faults.at_begin += [lmdb.MapResizedError("x")] * 2
    with pytest.raises(DatabaseFullError, match="another process keeps enlarging"):
        faulty.grow()
    put(faulty, b"k")


@pytest.mark.parametrize("kind", ["at_begin", "at_end"])
def test_what_a_great_transaction_wrote_is_there_whatever_happens_after_it(
    path, faults, kind
) -> None:
    items = [(b"%08d" % number, b"v") for number in range(2000)]
    with Environment.open(path, durability="none", engine=faults) as opened:
        with opened.write() as transaction:
            transaction.put_many(DATA, items)
            getattr(faults, kind).append(lmdb.Error("for the small one that follows"))
        assert not getattr(faults, kind)
        with opened.read() as snapshot:
            assert list(snapshot.scan(DATA, b"", None)) == items
