"""Old snapshots are told of: once each, where they are, and what they cost.

Method: a clock moved by hand, commits that let the file grow, and a child that holds a snapshot.
"""

import logging
import threading

import lmdb
import pytest

import headwater as hw
from headwater.storage import supervision
from headwater.storage.environment import Environment
from headwater.storage.format import Database
from headwater.storage.old_snapshots import _readers_in


@pytest.fixture
def opened(tmp_path, clock):
    with Environment.open(
        tmp_path / "db", clock=clock, snapshot_seconds=60.0, snapshot_warning_seconds=10.0
    ) as environment:
        yield environment


def write(environment, times: int = 1) -> None:
    for number in range(times):
        with environment.write() as transaction:
            transaction.put(Database.META, b"k", bytes(3000) + bytes([number % 256]))


def told(caplog) -> list[str]:
    texts = [record.getMessage() for record in caplog.records if record.name == "headwater"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    caplog.clear()
    return texts


def test_an_old_snapshot_is_told_of_once_with_what_it_costs(opened, clock, caplog) -> None:
    write(opened)
    with opened.read():
        clock.seconds += 10
        write(opened)
        assert told(caplog) == [], "it is not older than that"
        clock.seconds += 1
        write(opened, 3)
        (text,) = told(caplog)
    start, _, grown = text.partition("the file has grown by ")
    assert start == (
        f"{opened.path}: a snapshot has been open for 11 s, and the space of what 2 commits have "
        "replaced cannot be reused; "
    )
    size, _, end = grown.partition(" bytes since; ")
    assert int(size) > 0
    assert int(size) % 4096 == 0
    assert end == (
        "close it, or read in shorter steps; it is taken away after 60 s (limit snapshot_seconds)"
    )


def test_without_commits_nothing_is_told(opened, clock, caplog) -> None:
    with opened.read():
        clock.seconds += 50
        with opened.read():
            pass
        assert told(caplog) == []


def test_each_of_several_old_snapshots_is_told_of(opened, clock, caplog) -> None:
    with opened.read(), opened.read():
        clock.seconds += 11
        with opened.read():
            write(opened, 2)
            assert len(told(caplog)) == 2
            clock.seconds += 11
            write(opened, 2)
            assert len(told(caplog)) == 1


def test_a_snapshot_for_a_long_work_is_told_of_with_its_name(opened, clock, caplog) -> None:
    with opened.read_for_long("db.verify()"):
        write(opened)
        assert told(caplog) == []
        clock.seconds += 100
        write(opened, 2)
        (text,) = told(caplog)
    assert text.startswith(f"{opened.path}: db.verify() has kept a snapshot open for 100 s, and ")
    assert text.endswith("; it is given back when that ends")


def test_where_the_user_opened_it_is_told(tmp_path, clock, caplog) -> None:
    limits = hw.Limits(snapshot_warning_seconds=5.0)
    with hw.open(tmp_path / "db", clock=clock, limits=limits) as db:
        note = db.transact(lambda tx: tx.insert("notes", {"n": 0}))
        ts = db.ts
        db.transact(lambda tx: tx.patch(note, n=1))
        held = [db.snapshot(), db.snapshot(at=ts), db.transaction()]
        clock.seconds += 6
        db.transact(lambda tx: tx.patch(note, n=2))
        past, now, transaction = told(caplog)
        del held
    first = test_where_the_user_opened_it_is_told.__code__.co_firstlineno
    opener = f"opened by thread {threading.current_thread().name}"
    for text in (past, now):
        assert f"a snapshot, {opener} (now at {__file__}:{first + 8}), has been open" in text
    assert f"a snapshot, {opener} at {__file__}:{first + 6}, has been open" in transaction


def test_a_thread_that_has_ended_is_said_to_have(tmp_path, clock, caplog) -> None:
    with hw.open(tmp_path / "db", clock=clock) as db:
        held: list = []
        thread = threading.Thread(target=lambda: held.append(db.snapshot()))
        thread.start()
        thread.join()
        clock.seconds += 31
        db.transact(lambda tx: tx.insert("notes", {"n": 0}))
        assert "a snapshot, opened by a thread that has ended, has been open" in told(caplog)[0]


def test_a_snapshot_of_another_process_is_told_of(
    opened, clock, caplog, start, monkeypatch
) -> None:
    monkeypatch.setattr(supervision, "COMMITS_PER_READER_CHECK", 2)
    write(opened)
    child = start(
        """
        environment = Environment.open(path)
        snapshot = environment.read()
        print("reads", flush=True)
        input()
        """,
        opened.path,
    )
    assert child.stdout.readline() == "reads\n"
    write(opened, 4)
    assert told(caplog) == []
    clock.seconds += 11
    write(opened, 4)
    (text,) = told(caplog)
    assert text.startswith(
        f"{opened.path}: process {child.pid} (-c) has had a snapshot open for 11 s or more, and "
        "the space of what "
    )
    assert text.endswith("; look whether it is stopped or hangs; if it ends, its snapshot ends too")
    child.kill()
    child.wait()
    clock.seconds += 50
    write(opened, 4)
    assert told(caplog) == []
    assert opened._old._others == {}
    assert opened._old._others_told == set()


def test_a_table_of_readers_is_read_without_those_that_rest() -> None:
    table = "    pid     thread     txnid\n 12 7f20dc24cb80 4\n 13 7f20dc24cb80 -\n"
    assert _readers_in(table) == [(12, "7f20dc24cb80", 4)]
    assert _readers_in("(no active readers)\n") == []


def test_who_handles_a_warning_may_write(opened, clock, caplog) -> None:
    """No lock is held meanwhile, and what is told of already is not told of again."""

    class Writing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write(opened)

    writing = Writing()
    logging.getLogger("headwater").addHandler(writing)
    try:
        with opened.read():
            clock.seconds += 11
            write(opened)
            assert len(told(caplog)) == 1
    finally:
        logging.getLogger("headwater").removeHandler(writing)


def test_an_error_of_a_look_is_none_of_the_commit(opened, clock, monkeypatch) -> None:
    def fail(*_: object) -> list[str]:
        raise lmdb.Error("injected")

    monkeypatch.setattr(opened._old, "look", fail)
    write(opened)

    with opened.read() as snapshot:
        assert snapshot.count(Database.META) > 0
