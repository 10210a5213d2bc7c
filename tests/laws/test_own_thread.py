"""A caller who meets nobody commits on its own thread, and Ctrl-C does no harm there.

Goal: the short way is taken, left and taken again as promised, and an interrupt at any moment
leaves a database in which a transaction is whole or absent, and which goes on.
Method: signals are raised by the test itself, inside the function, inside the write, and between.
"""

import signal
import threading

import pytest

import headwater as hw
from headwater.transactions import committer
from headwater.transactions.committer import _LONELY
from headwater.transactions.interrupts import Uninterrupted

SHORT = 3  # runs after which a function goes in turn


def insert(tx):
    return tx.insert("notes", {"thread": threading.get_ident()})


def notes(db):
    with db.snapshot() as s:
        return s.query("notes").collect()


@pytest.fixture
def db():
    with hw.open(None) as db:
        for _ in range(SHORT + 1):
            db.transact(insert)
        yield db
        assert db.verify() == []


def test_a_lone_caller_runs_and_commits_on_its_own_thread(db):
    db.transact(insert)

    assert notes(db)[-1]["thread"] == threading.get_ident()


def test_callers_who_meet_go_through_the_thread_until_they_are_lonely_again(db, monkeypatch):
    committing, going_on = threading.Event(), threading.Event()
    queued = threading.Semaphore(0)
    submit = db._store.committer.submit

    def counted(request):
        submit(request)
        queued.release()

    monkeypatch.setattr(db._store.committer, "submit", counted)

    def slow(tx):
        committing.set()
        going_on.wait()
        return insert(tx)

    def in_turn(function):
        return db._store.committer.run(request_of(db, function))

    first = threading.Thread(target=in_turn, args=(slow,))
    first.start()
    committing.wait()
    others = [threading.Thread(target=in_turn, args=(insert,)) for _ in range(3)]
    for other in others:
        other.start()
    for _ in others:
        assert queued.acquire(timeout=60)
    going_on.set()
    for thread in (first, *others):
        thread.join()

    here = threading.get_ident()
    db.transact(insert)
    assert notes(db)[-1]["thread"] != here
    for _ in range(100 * _LONELY):
        db.transact(insert)
        if notes(db)[-1]["thread"] == here:
            break
    assert notes(db)[-1]["thread"] == here


def test_whoever_waits_for_the_thread_is_not_overtaken(db):
    """A caller in a tight loop would take the turn again and again, while the thread waits."""
    committer = db._store.committer
    waiting, later = request_of(db, insert), request_of(db, insert)
    with committer.turn:
        committer.submit(waiting)
        assert committer._is_busy
    waiting.wait()
    committer._is_busy = True  # as it is from the moment in which somebody has queued

    assert not committer._run_here(later)
    committer.run(later)
    assert waiting.ts < later.ts


def request_of(db, function):
    from headwater.storage.commit_log import Origin
    from headwater.transactions.commit_request import CommitRequest

    def run(transaction):
        return function(db._store.writer(transaction))

    return CommitRequest(Origin(function="test"), run=run)


def test_an_interrupt_inside_the_function_writes_nothing(db):
    before = len(notes(db))

    def interrupted(tx):
        insert(tx)
        if threading.get_ident() == threading.main_thread().ident and runs:
            signal.raise_signal(signal.SIGINT)
        runs.append(1)

    runs: list[int] = []
    for _ in range(SHORT):
        runs.clear()
        db.transact(interrupted)
    with pytest.raises(KeyboardInterrupt):
        db.transact(interrupted)

    assert len(notes(db)) == before + SHORT
    db.transact(insert)
    assert len(notes(db)) == before + SHORT + 1


def test_an_interrupt_inside_the_write_waits_for_its_end(db, monkeypatch):
    write = committer._write
    before = len(notes(db))

    def interrupted(writer, batch):
        signal.raise_signal(signal.SIGINT)
        return write(writer, batch)

    with monkeypatch.context() as patch:
        patch.setattr(committer, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            db.transact(insert)

    assert len(notes(db)) == before + 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    db.transact(insert)
    assert len(notes(db)) == before + 2


def test_live_queries_see_a_commit_whose_caller_was_interrupted(db, monkeypatch):
    @hw.query
    def count(ctx: hw.QueryCtx) -> int:
        return ctx.db.query("notes").count()

    write = committer._write

    def interrupted(writer, batch):
        signal.raise_signal(signal.SIGINT)
        return write(writer, batch)

    with db.watch(count) as live:
        before = live.next()
        with monkeypatch.context() as patch:
            patch.setattr(committer, "_write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                db.transact(insert)

        assert live.next(timeout_seconds=60) == before + 1


def test_a_signal_handler_in_the_middle_of_a_commit_is_refused_and_not_waited_for(db, monkeypatch):
    write = committer._write
    said: list[str] = []

    def handle(number, frame):
        try:
            db.transact(insert)
        except hw.UsageError as error:
            said.append(str(error))

    def signalled(writer, batch):
        signal.raise_signal(signal.SIGUSR1)
        return write(writer, batch)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(committer, "_write", signalled)
            db.transact(insert)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert len(said) == 1
    assert said[0].startswith("a signal handler or a finalizer writes to the database while")


def test_the_applications_own_handler_is_called_at_the_end_and_put_back():
    calls: list[str] = []

    def handler(number, frame):
        calls.append("handled")

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            calls.append("inside")
        assert calls == ["inside", "handled"]
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_is_ignored_or_not_pythons_is_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Uninterrupted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_signal_alone():
    seen: list[object] = []

    def work():
        with Uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [signal.getsignal(signal.SIGINT)]


def test_a_closed_database_refuses_a_lone_caller():
    db = hw.open(None)
    for _ in range(SHORT + 1):
        db.transact(insert)
    db.close()

    with pytest.raises(hw.ClosedError):
        db.transact(insert)
