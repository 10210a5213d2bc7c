"""Several processes write to one directory.

Goal: together they are as serializable as one. Method: four children run contended mutations; then
the log is replayed, and each mutation must have seen exactly what those before it had left.
"""

import pytest
from tests.laws.clocks import StillClock
from tests.processes import application
from tests.processes.application import Tickets, bump, issue
from tests.processes.histories import log_of, replay, steps

import headwater as hw
from headwater.storage.environment import Environment
from headwater.transactions import committer

PROCESSES = 4
CALLS = 60

CONTENDER = """
import random
from concurrent.futures import ThreadPoolExecutor
seed, calls, threads = map(int, sys.argv[2:5])
db = hw.open(path, modules=[application])
say("ready")
hear()
def work(thread):
    draw = random.Random(f"{seed} {thread}")
    writer = f"{seed} {thread}"
    for _ in range(calls // threads):
        kind = draw.choice(["bump", "bump", "issue", "issue", "settle"])
        if kind == "bump":
            db.mutate(application.bump, writer=writer, name=draw.choice(["a", "b"]))
        elif kind == "issue":
            db.mutate(application.issue, writer=writer, group=draw.choice([0, 1]))
        else:
            db.mutate(application.settle, writer=writer, group=draw.choice([0, 1]))
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(work, range(threads)))
db.close()
say("done")
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_what_every_process_saw_is_explained_by_the_order_of_the_log(path, start, threads) -> None:
    children = [start(CONTENDER, path, seed, CALLS, threads) for seed in range(PROCESSES)]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.tell("go")
    for child in children:
        assert child.finish() == ["done"]

    with hw.open(path, modules=[application]) as db:
        history = steps(db)
        assert len(history) == PROCESSES * (CALLS // threads) * threads
        assert db.query(application.counters) == replay(history)
        with db.snapshot() as snapshot:
            for group in (0, 1):
                tickets = snapshot.query(Tickets).with_index(Tickets.by_number, group).collect()
                assert [ticket["number"] for ticket in tickets] == list(range(len(tickets)))
        assert db.verify() == []


def test_the_log_of_several_processes_is_one_chain(path, start) -> None:
    children = [start(CONTENDER, path, seed, 20, 1) for seed in range(PROCESSES)]
    for child in children:
        child.tell("go")
    for child in children:
        child.finish()
    with hw.open(path, modules=[application]) as db:
        log = log_of(db)
        assert [commit.previous_ts for commit in log] == [0, *(commit.ts for commit in log[:-1])]


def test_one_of_many_processes_gets_a_unique_key(path, start) -> None:
    children = [
        start(
            """
            db = hw.open(path, modules=[application])
            say("ready")
            hear()
            for number in range(25):
                try:
                    db.mutate(application.take_number, group=9, number=number)
                    say("got", number)
                except hw.UniqueViolationError as error:
                    assert error.key == (9, number), error.key
                    say("lost", number)
            db.close()
            """,
            path,
        )
        for _ in range(PROCESSES)
    ]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.tell("go")
    said = [line for child in children for line in child.finish()]
    got = sorted(int(line.split()[1]) for line in said if line.startswith("got"))

    assert got == list(range(25))
    assert len(said) == 25 * PROCESSES
    with hw.open(path, modules=[application]) as db:
        assert db.verify() == []


def test_a_batch_that_keeps_losing_to_others_is_made_under_the_write_lock(
    path, start, monkeypatch
) -> None:
    intrusions = []
    with hw.open(path, modules=[application], clock=StillClock()) as db:
        for _ in range(3):  # no time at all each: from then on it goes in turn
            db.mutate(bump, writer="parent", name="n")
        child = start(
            """
            db = hw.open(path, modules=[application])
            say("open")
            while hear():
                db.mutate(application.bump, writer="child", name="n")
                say("done")
            db.close()
            """,
            path,
        )
        assert child.hear() == "open"
        real = Environment.run_write

        def intruded(self, function):
            """Whatever is written by way of a batch made outside the lock, comes too late."""
            if getattr(function, "func", None) is committer._write:
                child.tell("go")
                assert child.hear() == "done"
                intrusions.append(1)
            return real(self, function)

        monkeypatch.setattr(Environment, "run_write", intruded)
        assert db.mutate(bump, writer="parent", name="n") == 4 + committer._FOREIGN_LOSSES
        monkeypatch.undo()
        assert len(intrusions) == committer._FOREIGN_LOSSES
        child.tell()
        child.finish()
        assert db.query(application.counters) == replay(steps(db)) == {"n": 8}
        assert db.verify() == []


def test_under_the_write_lock_a_batch_of_many_is_still_each_for_itself(
    path, start, monkeypatch
) -> None:
    """Optimistic losers, refusals and successes of one batch, made as the last resort."""
    with hw.open(path, modules=[application]) as db:
        ticket = db.mutate(application.take_number, group=1, number=5)
        monkeypatch.setattr(committer, "_FOREIGN_LOSSES", 0)
        for number in range(5):
            assert db.mutate(bump, writer="parent", name="n") == number + 1
        with pytest.raises(hw.UniqueViolationError):
            db.mutate(application.take_number, group=1, number=5)
        lost = db.transaction()
        assert lost.get(ticket)["number"] == 5
        lost.patch(ticket, number=6)
        db.transact(lambda tx: tx.patch(ticket, holder="somebody"))
        with pytest.raises(hw.ConflictError):
            lost.commit()
        db.mutate(issue, writer="parent", group=1)
        db.transact(lambda tx: tx.insert("loose", {"n": 1}))
        assert "loose" in db.tables()
        assert db.verify() == []
