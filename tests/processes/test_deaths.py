"""A process that dies at the worst moment holds up nobody, and hides nothing.

Goal: what it had committed reaches everybody's live queries although it could not say so; its locks
and snapshots are given back. Method: an engine that kills its process right after LMDB's commit,
or under LMDB's write lock; nobody else commits while the others have to hear of it.
"""

from tests.processes import application
from tests.processes.application import bump, counters, value_of

import headwater as hw
from headwater.storage.members import members

DYING = """
from tests.crashes import faults
engine = faults.Faults()
with faults.engine(engine):
    db = hw.open(path, modules=[application])
db.mutate(application.bump, writer="child", name="n")
say("open")
hear()
def die(number, name):
    if name == "commit":
        say("committed")
        os.kill(os.getpid(), signal.SIGKILL)
engine.after = die
db.mutate(application.bump, writer="child", name="n")
"""


def test_a_commit_is_seen_although_its_process_died_before_it_told_anyone(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(60) == 0
        child = start(DYING, path)
        assert live.next(60) == 1
        assert child.hear() == "open"
        child.tell()
        assert live.next(60) == 2
        assert child.rest() == ["committed"]


def test_who_begins_to_watch_after_the_others_came_sees_it_too(path, start) -> None:
    child = start(DYING, path)
    assert child.hear() == "open"
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(60) == 1
        child.tell()
        assert live.next(60) == 2


def test_every_process_that_watches_sees_it(path, start) -> None:
    watching = [
        start(
            """
            db = hw.open(path, modules=[application])
            live = db.watch(application.value_of, name="n")
            say("watching", live.next(60))
            while (value := live.next(60)) != 2:
                pass
            say(value)
            db.close()
            """,
            path,
        )
        for _ in range(3)
    ]
    for child in watching:
        assert child.hear() == "watching 0"
    dying = start(DYING, path)
    assert dying.hear() == "open"
    dying.tell()
    assert [child.finish() for child in watching] == [["2"]] * 3


def test_one_that_comes_and_dies_in_its_first_commit_is_noticed(path, start) -> None:
    """It dies before it could be watched, perhaps: its commit follows its announcement at once."""
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(60) == 0
        for expected in range(1, 6):
            start(DYING.replace('say("open")\nhear()', ""), path)
            while (value := live.next(60)) != 2 * expected:
                assert value == 2 * expected - 1


def test_the_snapshots_of_a_process_that_died_are_given_back_at_once(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(counters) as live:
        live.next(60)
        child = start(
            """
            db = hw.open(path, modules=[application])
            snapshot = db.snapshot().__enter__()
            db.mutate(application.bump, writer="child", name="n")
            say("holds")
            hear()
            """,
            path,
        )
        assert child.hear() == "holds"
        assert live.next(60) == {"n": 1}
        readers = db._store.environment._lmdb.readers
        assert str(child.process.pid) in readers()
        assert [member.pid for member in members(path)].count(child.process.pid) == 1
        seen = died(db)
        child.kill()
        assert seen.wait(60)
        assert str(child.process.pid) not in readers(), "without a commit of anybody"
        assert [member.pid for member in members(path)].count(child.process.pid) == 0


def died(db):
    """Set when the readers of the dead have been looked for."""
    import threading

    done = threading.Event()
    environment = db._store.environment
    real = environment.check_readers

    def check() -> int:
        freed = real()
        done.set()
        return freed

    environment.check_readers = check
    return done


def test_one_that_dies_under_the_write_lock_stops_nobody(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(60) == 0
        for expected in range(1, 4):
            child = start(
                """
                db = hw.open(path, modules=[application])
                def job(writer):
                    writer.put(hw.storage.format.Database.META, b"half", b"done")
                    say("holds the lock")
                    hear()
                db._store.environment.run_write(job)
                """,
                path,
            )
            assert child.hear() == "holds the lock"
            child.kill()
            assert db.mutate(bump, writer="parent", name="n") == expected
            assert live.next(60) == expected
        assert db.verify() == []
