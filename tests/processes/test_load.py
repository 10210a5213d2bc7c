"""One process does something slow or large while the others are at work.

Goal: nobody is held up, and nobody loses anything, when another process makes the file outgrow
everybody's map, comes and goes, or stands still. Method: children with tiny maps, children that
open and close, and children that are stopped by a signal.
"""

import signal

import pytest
from tests.processes import application
from tests.processes.application import bump, counters, value_of
from tests.processes.histories import replay, steps

import headwater as hw

PROCESSES = 4

SMALL_MAP = """
from headwater.storage import engine
engine.MAP_SIZE_DEFAULT_BYTES = 2**20
"""

GROWER = (
    SMALL_MAP
    + """
db = hw.open(path, modules=[application])
live = db.watch(application.value_of, name="n")
value = live.next(100)
say("ready")
hear()
for number in range(30):
    db.mutate(application.bump, writer=sys.argv[2], name="n")
    db.transact(lambda tx: tx.insert("blobs", {"by": sys.argv[2], "bytes": b"x" * 60_000}))
    if number % 5 == 0:
        with db.snapshot() as snapshot:
            assert all(len(blob["bytes"]) == 60_000 for blob in snapshot.query("blobs"))
say("wrote")
hear()
while value != int(sys.argv[3]):
    value = live.next(100)
say(db._store.environment.stats().map_size_bytes > 2**20)
live.close()
db.close()
"""
)


def test_a_map_that_others_let_grow_is_followed_in_the_midst_of_work(path, start) -> None:
    total = PROCESSES * 30
    children = [start(GROWER, path, at, total) for at in range(PROCESSES)]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.tell("go")
    for child in children:
        assert child.hear() == "wrote", child.errors
    for child in children:
        child.tell("end")
    assert [child.finish() for child in children] == [["True"]] * PROCESSES

    with hw.open(path, modules=[application]) as db:
        assert db.query(counters) == replay(steps(db)) == {"n": total}
        with db.snapshot() as snapshot:
            assert len(snapshot.query("blobs").collect()) == total
        assert db.verify() == []


def test_processes_that_come_and_go_disturb_nobody(path, start) -> None:
    stayer = start(
        """
        db = hw.open(path, modules=[application])
        live = db.watch(application.value_of, name="n")
        live.next(100)
        say("ready")
        value = 0
        while value != 80:
            db.mutate(application.bump, writer="stayer", name="mine")
            value = live.next(100)
        say("last")
        db.close()
        """,
        path,
    )
    assert stayer.hear() == "ready"
    comers = [
        start(
            """
            for number in range(20):
                with hw.open(path, modules=[application]) as db:
                    db.mutate(application.bump, writer="comer", name="n")
                    with db.watch(application.value_of, name="n") as live:
                        assert live.next(100) > number
            """,
            path,
        )
        for _ in range(4)
    ]
    for child in comers:
        assert child.finish() == []
    assert stayer.finish() == ["last"]
    with hw.open(path, modules=[application]) as db:
        assert db.query(counters) == replay(steps(db))
        assert db.query(counters)["n"] == 80
        assert db.verify() == []


@pytest.mark.parametrize("holds", ["db.snapshot().__enter__()", "db.watch(application.counters)"])
def test_a_stopped_process_stops_nobody(path, start, holds) -> None:
    """It holds a snapshot, or does not hear what it is told."""
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        db.mutate(bump, writer="parent", name="n")
        child = start(
            f"""
            db = hw.open(path, modules=[application])
            held = {holds}
            say("holds")
            hear()
            if hasattr(held, "next"):
                while held.next(100) != {{"n": 301}}:
                    pass
                say("300 more")
            else:
                (counter,) = held.query("counters")
                say(counter["value"])
            hear()
            """,
            path,
        )
        assert child.hear() == "holds"
        child.process.send_signal(signal.SIGSTOP)
        for number in range(300):
            assert db.mutate(bump, writer="parent", name="n") == number + 2
        while live.next(60) != 301:
            pass
        child.process.send_signal(signal.SIGCONT)
        child.tell("look")
        assert child.hear() == ("1" if "snapshot" in holds else "300 more")
        child.tell("end")
        child.finish()
        assert db.verify() == []
