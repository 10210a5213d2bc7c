"""kill -9, again and again, at drawn moments.

Goal: everything that was acknowledged is there, nothing is torn, verification is clean, the next
opening works and a rebuild changes nothing. Method: a child commits from several threads and says
what was acknowledged; the parent kills it when it has heard a drawn number of lines, or the child
kills itself at a drawn call to LMDB; then the parent opens what is left, and the next child goes on
with it.
"""

import random
import signal

import pytest
from tests.crashes.raw import check_sound
from tests.crashes.workload import THREADS, check_acknowledged, declare

import headwater as hw

ROUNDS = 6
"""Kills of each kind of worker, one after the other on the same database."""

WORKER = """
from tests.crashes import faults, workload
prefix, extra, call, moment = sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
module = workload.declare(extra)
limits = hw.Limits(backfill_documents=3)
killer = faults.kill_at(call, moment) if call else faults.Faults()
def work(thread):
    seed = f"{prefix}-{thread}"
    for step in workload.steps(seed):
        db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
        say(seed)
def rebuild():
    while True:
        db.rebuild()
        say("rebuilt")
with faults.engine(killer):
    db = hw.open(path, modules=[module], limits=limits)
    say("open")
    jobs = [threading.Thread(target=work, args=(n,)) for n in range(workload.THREADS)]
    if "rebuild" in prefix:
        jobs.append(threading.Thread(target=rebuild))
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
"""


def acknowledged(prefix: str, lines: list[str]) -> dict[str, int]:
    """How many steps each thread was told of."""
    return {f"{prefix}-{thread}": lines.count(f"{prefix}-{thread}") for thread in range(THREADS)}


def survive(path, told: dict[str, int], extra: str = "") -> None:
    """Open what is left, and find all of it."""
    with hw.open(path, modules=[declare(extra)]) as db:
        check_acknowledged(db, told)
        check_sound(db)


@pytest.mark.parametrize("kind", ["plain", "rebuild"])
def test_what_was_acknowledged_survives_a_kill_at_any_line(path, start, kind) -> None:
    draw = random.Random(kind)
    told: dict[str, int] = {}
    for round_ in range(ROUNDS):
        prefix = f"{kind}{round_}"
        child = start(WORKER, path, prefix, "", 0, "")
        lines = [child.hear() for _ in range(draw.randint(1, 60))]
        lines += child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        told |= acknowledged(prefix, lines)
        survive(path, told)
    assert sum(told.values()) > ROUNDS


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_was_acknowledged_survives_a_kill_at_any_call_to_lmdb(path, start, moment) -> None:
    draw = random.Random(moment)
    told: dict[str, int] = {}
    for round_ in range(ROUNDS):
        prefix = f"{moment}{round_}"
        child = start(WORKER, path, prefix, "", draw.randint(1, 150), moment)
        lines = child.rest()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        told |= acknowledged(prefix, lines)
        survive(path, told)
    assert sum(told.values()) > 0


def test_an_index_that_was_being_filled_is_filled_by_the_next_one(path, start) -> None:
    """Each child declares another index, and is killed while it fills it or right after."""
    draw = random.Random("index")
    child = start(WORKER, path, "first", "", 0, "")
    lines = [child.hear() for _ in range(60)]
    told = acknowledged("first", lines + child.kill())
    opened = 0
    for round_ in range(ROUNDS):
        prefix, extra = f"index{round_}", ["round,side", "body,ticket", "side"][round_ % 3]
        child = start(WORKER, path, prefix, extra, draw.randint(2, 60), "after")
        lines = child.rest()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        opened += "open" in lines
        told |= acknowledged(prefix, lines)
        survive(path, told, extra)
    assert opened < ROUNDS, "no kill came while an index was being filled"


def test_a_database_that_was_being_created_is_created_by_the_next_one(tmp_path, start) -> None:
    for call in range(1, 14):
        path = tmp_path / str(call)
        child = start(WORKER, path, "new", "", call, "before")
        lines = child.rest()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        survive(path, acknowledged("new", lines))


def test_others_go_on_while_one_is_killed(path, start) -> None:
    """Two writers on one directory; the killed one takes nothing of the other along."""
    told: dict[str, int] = {}
    survivor = start(WORKER, path, "survivor", "", 0, "")
    heard = [survivor.hear()]
    for round_, call in enumerate([5, 23, 40]):
        victim = start(WORKER, path, f"victim{round_}", "", call, "after")
        lines = victim.rest()
        assert victim.process.returncode == -signal.SIGKILL, victim.errors
        told |= acknowledged(f"victim{round_}", lines)
        heard += [survivor.hear() for _ in range(30)]
    told |= acknowledged("survivor", heard + survivor.kill())
    survive(path, told)
