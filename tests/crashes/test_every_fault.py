"""Every call to LMDB fails once, in a life of a database that uses everything.

Goal: a clear error; nothing that was refused is there and nothing acknowledged is missing; the same
work done again succeeds; in the end, and after opening anew, verification is clean and a rebuild
changes nothing. Method: the calls of a life without faults are counted; then it is lived again for
every call and every error that this call can give. Reads have a life of their own.
"""

import asyncio
import errno
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import pytest
from tests.crashes import faults, workload
from tests.crashes.faults import CHANGING, READING, Faults, failure
from tests.crashes.raw import check_sound

import headwater as hw

SHARDS = 4
STEPS = list(islice(workload.steps("every"), 6))
LIMITS = hw.Limits(backfill_documents=3)

WRITES = ("put", "putmulti", "delete", "drop")
ERRORS: dict[str, tuple[Callable[[], lmdb.Error], type[hw.StorageError], tuple[str, ...]]] = {
    "EIO": (
        lambda: failure(errno.EIO),
        hw.DiskError,
        (*WRITES, "commit", "sync", "open", "copy", "copyfd"),
    ),
    "ENOSPC": (
        lambda: failure(errno.ENOSPC, lmdb.DiskError),
        hw.DatabaseFullError,
        ("commit", "sync", "open", "copy", "copyfd"),
    ),
    "EDQUOT": (lambda: failure(errno.EDQUOT), hw.DatabaseFullError, ("commit", "copyfd")),
    "EROFS": (lambda: failure(errno.EROFS), hw.ReadOnlyError, ("commit", "sync", "open")),
    "MAP_FULL": (
        lambda: failure(-30792, lmdb.MapFullError),
        hw.DatabaseFullError,
        (*WRITES, "commit"),
    ),
    "PANIC": (
        lambda: failure(-30795, lmdb.PanicError),
        hw.DiskError,
        ("commit",),
    ),
}


class Life:
    """Everything that can be done with a database; what raises is done again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: list[Exception] = []
        self.done: list[workload.Step] = []
        self.modules = [workload.declare(), workload.declare("round,side")]

    def live(self) -> None:
        db = self.again(lambda: self.open(0))
        for step in STEPS:
            self.commit(db, step)
        self.together(db)
        self.again(db.rebuild)
        self.again(db.close)
        db = self.again(lambda: self.open(1))  # another index, filled in steps
        self.commit(db, workload.Step("insert", "every/last", 99))
        backup = self.path.with_name("backup")
        self.again(lambda: db.backup(backup))
        with self.again(lambda: hw.open(backup)) as copy:
            assert workload.stored(copy, "every/") == workload.expected(self.done)
        self.again(db.close)

    def open(self, which: int) -> Any:
        return hw.open(self.path, modules=[self.modules[which]], limits=LIMITS)

    def again(self, work: Callable[[], Any]) -> Any:
        for _ in range(5):
            try:
                return work()
            except hw.StorageError as error:
                self.errors.append(error)
        raise AssertionError(self.errors)

    def commit(self, db: Any, step: workload.Step) -> None:
        before, after = (workload.expected(done) for done in (self.done, [*self.done, step]))
        while workload.stored(db, "every/") == before:
            try:
                db.mutate(
                    self.modules[0].apply, kind=step.kind, ticket=step.ticket, turn=step.round
                )
            except hw.StorageError as error:
                self.errors.append(error)
                in_doubt = "may or may not" in str(error)
                found = workload.stored(db, "every/")
                assert found in ([before, after] if in_doubt else [before])
        self.done.append(step)
        assert workload.stored(db, "every/") == after

    def together(self, db: Any) -> None:
        """Commits that share a flush: each is there, or its caller has an error."""
        steps = [workload.Step("insert", f"every/group {n}", 50 + n) for n in range(3)]

        async def all_at_once(steps: list[workload.Step]) -> list[Any]:
            calls = [
                db.aio.mutate(self.modules[0].apply, kind=kind, ticket=ticket, turn=turn)
                for kind, ticket, turn in steps
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

        while steps:
            outcomes = asyncio.run(all_at_once(steps))
            found = workload.stored(db, "every/group")
            for step, outcome in zip(steps, outcomes, strict=True):
                assert outcome is None or isinstance(outcome, hw.StorageError)
                in_doubt = "may or may not" in str(outcome)
                assert (step.ticket in found) == (outcome is None) or in_doubt
                if outcome is not None:
                    self.errors.append(outcome)
                if step.ticket in found:
                    self.done.append(step)
            steps = [step for step in steps if step.ticket not in found]

    def check(self) -> None:
        with self.open(1) as db:
            assert workload.stored(db, "every/") == workload.expected(self.done)
            check_sound(db)
            db.mutate(self.modules[0].apply, kind="insert", ticket="after", turn=1)


def calls_of_a_life(path: Path) -> list[str]:
    counting = Faults()
    with faults.engine(counting):
        life = Life(path)
        life.live()
    assert life.errors == []
    life.check()
    return counting.calls


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", ERRORS)
def test_any_call_may_fail(place, name, shard) -> None:
    make, kind, names = ERRORS[name]
    calls = calls_of_a_life(place / "counted" / "db.hw")
    assert len(calls) > 80
    assert {"open", "put", "putmulti", "delete", "drop", "commit", "sync"} <= set(calls)
    wanted = [number for number, called in enumerate(calls, 1) if called in names]
    for number in wanted[shard::SHARDS]:
        armed, hit = Faults(), list[str]()

        def fail(reached: int, called: str, at=number, armed=armed, hit=hit) -> None:
            # How many share a flush, and so how many calls there are, depends on the threads.
            if reached == at and called in names:
                hit.append(called)
                if name == "PANIC":
                    armed.at_begin.append(make())
                raise make()

        armed.before = fail
        path = place / str(number) / "db.hw"
        with faults.engine(armed):
            life = Life(path)
            life.live()
        assert all(isinstance(error, kind) for error in life.errors), life.errors
        assert all(str(path.parent) in str(error) for error in life.errors)
        assert life.errors or name in {"MAP_FULL", "PANIC"} or hit in ([], ["sync"])
        life.check()
        shutil.rmtree(path.parent)


# Reading ----------------------------------------------------------------------------------------


def reads(db: Any, module: Any, ids: list[str]) -> list[Callable[[], Any]]:
    """One of each way to read."""

    def in_snapshot(read: Callable[[Any], Any]) -> Callable[[], Any]:
        def use() -> Any:
            with db.snapshot() as snapshot:
                return read(snapshot)

        return use

    halves = module.Halves
    return [
        lambda: db.get(ids[0]),
        lambda: [revision.ts for revision in db.history(ids[0])],
        lambda: db.ts,
        in_snapshot(lambda s: s.query(halves).collect()),
        in_snapshot(lambda s: s.query(halves).order("desc").first()),
        in_snapshot(lambda s: s.query(halves).with_index(halves.by_round).order("desc").collect()),
        in_snapshot(lambda s: s.query(halves).with_index(halves.by_round, 3).count()),
        in_snapshot(lambda s: s.get(ids[-1])),
        lambda: [problem.kind for problem in db.verify()],
    ]


def test_any_read_may_fail_and_never_gives_something_else(place) -> None:
    armed, module = Faults(READING), workload.declare()
    with faults.engine(armed):
        db = hw.open(place / "db.hw", modules=[module])
    with db:
        for step in STEPS:
            db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
        with db.snapshot() as snapshot:
            ids = [half["_id"] for half in snapshot.query(module.Halves)]
        failed = 0
        for read in reads(db, module, ids):
            expected = read()
            number = 0
            while True:
                number += 1
                first = len(armed.calls)

                def fail(reached: int, _: str, at=first + number) -> None:
                    if reached == at:
                        raise failure(errno.EIO)

                armed.before = fail
                try:
                    assert read() == expected
                except hw.DiskError:
                    failed += 1
                else:
                    if len(armed.calls) < first + number:
                        break
                armed.before = lambda number, name: None
                assert read() == expected
        assert failed > 50  # each read has a few calls that may fail
        assert CHANGING.isdisjoint(armed.calls)
