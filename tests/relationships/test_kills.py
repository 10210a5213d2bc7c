"""kill -9 while large deletions are under way: what was begun is ended, by whoever comes next."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.processes.children import Child
from tests.relationships import graphs
from tests.relationships.graphs import Files, Folders, Links, Owners, Seals

import headwater as hw
from headwater.limits import Limits

ROUNDS = 5

WORKER = """
from tests.crashes import faults
from tests.relationships import graphs, test_kills
call, moment = int(sys.argv[2]), sys.argv[3]
killer = faults.kill_at(call, moment) if call else faults.Faults()
with faults.engine(killer):
    db = hw.open(path, modules=[graphs], limits=test_kills.LIMITS)
    say("open")
    while True:
        owner = db.transact(test_kills.grow)
        db.transact(lambda tx: tx.delete(owner))
        say("deleted", owner)
"""

LIMITS = Limits(cascade_documents=7)


def grow(tx: hw.Writer) -> hw.Id[graphs.Owner]:
    """An owner on whom 40 documents hang, three levels deep, some of which hold each other."""
    owner = tx.insert(Owners, {"name": "a"})
    folders = [tx.insert(Folders, {"owner": owner}) for _ in range(4)]
    files = [tx.insert(Files, {"folder": folder}) for folder in folders for _ in range(4)]
    for source, target in pairwise(files):
        tx.insert(Links, {"source": source, "target": target})
    for file in files[:5]:
        tx.insert(Seals, {"owner": owner, "file": file})
    return owner


def survive(path: Path, deleted: list[str], workers: int = 1) -> bool:
    """Open what is left: what was deleted is gone, and nothing names what is not there.

    Returns whether the kill came while a deletion was under way.
    """
    with hw.open(path, modules=[graphs], limits=LIMITS, jobs="hold") as db:
        for id in deleted:
            assert db.get(hw.Id[graphs.Owner](id)) is None
        with db.snapshot() as s:
            underway = s.query(hw.Cascades).collect()
            assert_whole(s)
        db.run_due_jobs()
        with db.snapshot() as s:
            assert s.query(hw.Cascades).collect() == []
            owners = s.query(Owners).count()
            assert owners <= workers
            assert s.query(Files).count() == 16 * owners
            assert s.query(Links).count() == 15 * owners
            assert s.query(Seals).count() == 5 * owners
            left = [owner["_id"] for owner in s.query(Owners)]
        assert db.verify() == []
        for owner in left:
            db.transact(lambda tx, owner=owner: tx.delete(owner))
        db.run_due_jobs()
    return bool(underway)


def assert_whole(s: hw.Reader) -> None:
    """Whoever finds a document finds all that hangs on it."""
    folders = Counter(folder["owner"] for folder in s.query(Folders))
    files = Counter(file["folder"] for file in s.query(Files))
    assert all(folders[owner["_id"]] == 4 for owner in s.query(Owners))
    assert all(files[folder["_id"]] == 4 for folder in s.query(Folders))


def told(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("deleted")]


def test_a_deletion_survives_a_kill_at_any_line(path: Path, start: Callable[..., Child]) -> None:
    draw = random.Random("lines")
    hits = 0
    for _ in range(ROUNDS):
        child = start(WORKER, path, 0, "")
        lines = [child.hear() for _ in range(draw.randint(1, 8))]
        lines += child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        hits += survive(path, told(lines))
    assert hits, "no kill came while a deletion was under way"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deletion_survives_a_kill_at_any_call_to_lmdb(
    path: Path, start: Callable[..., Child], moment: str
) -> None:
    draw = random.Random(moment)
    deleted = hits = 0
    for _ in range(ROUNDS):
        child = start(WORKER, path, draw.randint(100, 700), moment)
        lines = child.rest()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        deleted += len(told(lines))
        hits += survive(path, told(lines))
    assert deleted > 0
    assert hits, "no kill came while a deletion was under way"


def test_several_processes_take_each_step_once_and_end_what_a_dead_one_began(
    path: Path, start: Callable[..., Child]
) -> None:
    """One is killed, the other goes on with both their deletions."""
    dying, living = (start(WORKER, path, 0, "") for _ in range(2))
    lines = [child.hear() for child in (dying, living) for _ in range(4)]
    lines += dying.kill()
    lines += [living.hear() for _ in range(4)]
    lines += living.kill()
    survive(path, told(lines), workers=2)
