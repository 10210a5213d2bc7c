"""Transactions: sorted maps of bytes, with snapshots.

Goal: a scan reads what a sorted list would, a snapshot never changes, an aborted write leaves
nothing. Method: a dict as model, keys drawn from few values and from all.
"""

import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.conftest import HandClock

from headwater.errors import ClosedError, SnapshotTooOldError, StorageError
from headwater.storage.environment import Environment
from headwater.storage.format import Database
from headwater.storage.transactions import CHUNK_FIRST, ReadTransaction, WriteTransaction

KEYS = st.binary(min_size=1, max_size=3) | st.sampled_from([b"a", b"aa", b"ab", b"b", b"\xff\xff"])
BOUNDS = st.just(b"") | KEYS
DATA = Database.DOCUMENTS


@pytest.fixture(scope="module")
def shared():
    with Environment.open(None) as environment:
        yield environment


@pytest.fixture
def environment():
    with Environment.open(None) as environment:
        yield environment


def fill(environment: Environment, count: int) -> list[tuple[bytes, bytes]]:
    entries = [(b"%05d" % number, b"value %d" % number) for number in range(count)]
    with environment.write() as transaction:
        transaction.put_many(DATA, entries)
    return entries


@settings(deadline=None)
@given(
    st.dictionaries(KEYS, st.binary(max_size=3), max_size=60),
    BOUNDS,
    st.none() | KEYS,
    st.booleans(),
)
def test_a_scan_reads_what_a_sorted_list_would(shared, model, low, high, reverse) -> None:
    expected = sorted(
        (key, value) for key, value in model.items() if low <= key and (high is None or key < high)
    )
    if reverse:
        expected.reverse()

    with shared.write() as transaction:
        transaction.clear(DATA)
        transaction.put_many(DATA, list(model.items()))
        own = list(transaction.scan(DATA, low, high, reverse=reverse))
    with shared.read() as snapshot:
        seen = list(snapshot.scan(DATA, low, high, reverse=reverse))
        ends = snapshot.first(DATA), snapshot.last(DATA), snapshot.count(DATA)

    assert own == seen == expected
    ordered = sorted(model.items())
    assert ends == ((ordered[0], ordered[-1], len(ordered)) if ordered else (None, None, 0))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [0, 1, CHUNK_FIRST - 1, CHUNK_FIRST, CHUNK_FIRST + 1, 24, 3000])
def test_a_scan_crosses_its_chunks_without_loss(environment, count, reverse) -> None:
    entries = fill(environment, count)

    with environment.read() as snapshot:
        seen = list(snapshot.scan(DATA, b"", None, reverse=reverse))

    assert seen == (entries[::-1] if reverse else entries)


@given(st.lists(KEYS, max_size=20), st.dictionaries(KEYS, st.binary(max_size=3)))
@settings(deadline=None)
def test_get_many_gives_values_in_the_order_of_its_keys(shared, keys, model) -> None:
    with shared.write() as transaction:
        transaction.clear(DATA)
        transaction.put_many(DATA, list(model.items()))

    with shared.read() as snapshot:
        assert snapshot.get_many(DATA, keys) == [model.get(key) for key in keys]
        assert [snapshot.get(DATA, key) for key in keys] == [model.get(key) for key in keys]


def test_a_snapshot_never_changes(environment) -> None:
    entries = fill(environment, 5)

    with environment.read() as before:
        with environment.write() as transaction:
            assert transaction.delete_many(DATA, [key for key, _ in entries[:3]] + [b"none"]) == 3
            assert transaction.delete(DATA, entries[3][0])
            assert not transaction.delete(DATA, b"none")
            transaction.put(DATA, b"new", b"1")
        with environment.read() as after:
            assert list(before.scan(DATA, b"", None)) == entries
            assert list(after.scan(DATA, b"", None)) == [entries[4], (b"new", b"1")]


def test_an_exception_leaves_nothing_behind(environment) -> None:
    def put_and_fail(transaction: WriteTransaction) -> None:
        transaction.put(DATA, b"a", b"1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        environment.run_write(put_and_fail)

    with environment.read() as snapshot:
        assert snapshot.count(DATA) == 0


def test_a_closed_write_transaction_is_aborted(environment) -> None:
    with environment.write() as transaction:
        transaction.put(DATA, b"a", b"1")
        transaction.close()
        transaction.close()
        with pytest.raises(ClosedError):
            transaction.put(DATA, b"b", b"1")

    with environment.read() as snapshot:
        assert snapshot.count(DATA) == 0


def test_databases_are_separate(environment) -> None:
    with environment.write() as transaction:
        transaction.put(Database.LOG, b"k", b"log")
        transaction.put(Database.INDEXES, b"k", b"")

    with environment.read() as snapshot:
        assert snapshot.get(Database.LOG, b"k") == b"log"
        assert snapshot.get(Database.INDEXES, b"k") == b""
        assert snapshot.get(Database.DELETED, b"k") is None


def test_a_closed_snapshot_says_so(environment) -> None:
    fill(environment, 100)
    snapshot = environment.read()
    scan = snapshot.scan(DATA, b"", None)
    next(scan)
    assert snapshot.is_open

    snapshot.close()
    snapshot.close()

    assert not snapshot.is_open
    with pytest.raises(ClosedError):
        snapshot.get(DATA, b"a")
    with pytest.raises(ClosedError):
        list(scan)


def test_a_write_transaction_begins_with_its_with_statement(environment) -> None:
    with pytest.raises(ClosedError, match="with statement"):
        environment.write().put(DATA, b"a", b"1")


def test_a_thread_cannot_begin_a_second_write_transaction(environment) -> None:
    with environment.write(), pytest.raises(AssertionError), environment.write():
        pass


def test_a_write_transaction_ends_on_its_own_thread(environment) -> None:
    seen: list[type[BaseException]] = []
    with environment.write() as transaction:

        def close_elsewhere() -> None:
            try:
                transaction.close()
            except AssertionError as error:
                seen.append(type(error))

        thread = threading.Thread(target=close_elsewhere)
        thread.start()
        thread.join()
        transaction.put(DATA, b"a", b"1")

    assert seen == [AssertionError]
    with environment.read() as snapshot:
        assert snapshot.get(DATA, b"a") == b"1"


def test_writers_of_several_threads_take_turns(environment) -> None:
    def count_up() -> None:
        for _ in range(50):
            with environment.write() as transaction:
                number = int(transaction.get(DATA, b"n") or b"0")
                transaction.put(DATA, b"n", b"%d" % (number + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with environment.read() as snapshot:
        assert snapshot.get(DATA, b"n") == b"200"


@pytest.mark.parametrize("key", [b"", b"x" * 512])
def test_a_key_of_impossible_length_is_refused(environment, key) -> None:
    with pytest.raises(StorageError, match="1 to 511 bytes"), environment.write() as transaction:
        transaction.put(DATA, key, b"1")


def test_appending_out_of_order_is_refused(environment) -> None:
    fill(environment, 3)
    with pytest.raises(StorageError, match="append"), environment.write() as transaction:
        transaction.put_many(DATA, [(b"0", b"1")], append=True)


def test_appending_in_order_writes(environment) -> None:
    with environment.write() as transaction:
        transaction.put_many(DATA, [(b"2", b""), (b"1", b"")], append=True)

    with environment.read() as snapshot:
        assert [key for key, _ in snapshot.scan(DATA, b"", None)] == [b"1", b"2"]


@pytest.mark.parametrize("append", [False, True])
def test_keys_without_values_are_written_below_their_prefix(environment, append) -> None:
    with environment.write() as transaction:
        transaction.put_keys(DATA, b"a/", [], append=append)
        transaction.put_keys(DATA, b"a/", [b"1"], append=append)
        transaction.put_keys(DATA, b"b/", [b"", b"1", b"2"], append=append)

    with environment.read() as snapshot:
        written = list(snapshot.scan(DATA, b"", None))
    assert written == [(key, b"") for key in (b"a/1", b"b/", b"b/1", b"b/2")]


def test_appending_keys_out_of_order_is_refused(environment) -> None:
    fill(environment, 3)
    with pytest.raises(StorageError, match="append"), environment.write() as transaction:
        transaction.put_keys(DATA, b"0", [b"", b"9"], append=True)


def test_an_old_snapshot_is_taken_away_by_the_next_write(clock: HandClock) -> None:
    with Environment.open(None, clock=clock, snapshot_seconds=60) as environment:
        entries = fill(environment, 100)
        old = environment.read()
        scan = old.scan(DATA, b"", None)
        assert next(scan) == entries[0]
        clock.seconds += 30
        young = environment.read()
        clock.seconds += 31
        assert environment.stats().oldest_snapshot_seconds == 61

        with environment.write():
            pass

        assert not old.is_open
        assert young.is_open
        with pytest.raises(SnapshotTooOldError):
            old.get(DATA, b"a")
        with pytest.raises(SnapshotTooOldError):
            list(scan)
        assert environment.stats().snapshots == 1
        assert environment.expire_readers(1e9) == 0
        assert environment.expire_readers(-1) == 1


def test_a_dropped_snapshot_gives_its_slot_back(environment) -> None:
    snapshot: ReadTransaction | None = environment.read()
    assert environment.stats().snapshots == 1

    snapshot = None

    assert snapshot is None
    assert environment.stats().snapshots == 0


def test_a_snapshot_that_somebody_looks_at_while_it_ends_leaves_the_list_quietly(
    environment, monkeypatch
) -> None:
    """Another thread that goes through the list holds the references that are in it."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    snapshot = environment.read()
    (held,) = environment.readers
    snapshot.close()
    assert not environment.readers
    del snapshot
    assert held() is None
    assert unraisable == []


def test_a_snapshot_taken_away_during_a_scan_of_its_own_pins_nothing(environment) -> None:
    fill(environment, 1000)
    scans = []
    for _ in range(20):
        snapshot = environment.read()
        scan = snapshot.scan(DATA, b"", None)
        next(scan)
        scans.append((snapshot, scan))

    assert environment.expire_readers(-1) == 20

    pinned = [line for line in environment._lmdb.readers().splitlines()[1:] if line[-1] != "-"]
    assert pinned == []
