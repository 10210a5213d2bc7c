"""Each write, commit and flush may fail.

Goal: the error is clear, nothing that was refused can be read, everything acknowledged is there,
later commits work, and live queries saw committed states only. Method: the same work is done again
and again with a fault at a later call to LMDB each time, until it ends without one. Every call is
the business of test_every_fault; here a live query looks on.
"""

import errno
from collections.abc import Callable
from itertools import count, islice

import lmdb
import pytest
from tests.crashes import faults, workload
from tests.crashes.faults import Faults, failure
from tests.crashes.raw import check_sound

import headwater as hw
from headwater.errors import DatabaseFullError, DiskError

STEPS = list(islice(workload.steps("fault"), 12))


class Fault:
    """What happens at one call."""

    def __init__(
        self, make: Callable[[], lmdb.Error], kind: type[hw.StorageError], stride: int, *words: str
    ) -> None:
        self.make = make
        self.kind = kind
        self.stride = stride
        self.words = words


BEFORE = {
    "EIO": Fault(
        lambda: failure(errno.EIO),
        DiskError,
        5,
        "the operating system failed to read, write or flush",
        "look into its log for the disk",
    ),
    "ENOSPC": Fault(
        lambda: failure(errno.ENOSPC, lmdb.DiskError),
        DatabaseFullError,
        3,
        "the disk is full",
        "nothing was written",
        "make room and try again",
    ),
}


class Watcher:
    """Everything that a live query was told."""

    def __init__(self, db, module) -> None:
        self.seen: list[dict[str, int]] = []
        self.live = db.watch(module.rounds)

    def wait_for(self, state: dict[str, int]) -> None:
        while not self.seen or self.seen[-1] != state:
            self.seen.append(self.live.next(30))


def declare():
    module = workload.declare()
    halves = module.Halves

    @hw.query
    def rounds(ctx: hw.QueryCtx) -> dict[str, int]:
        return {half["ticket"]: half["round"] for half in ctx.db.query(halves)}

    module.rounds = rounds
    return module


def halves_only(state: dict[str, int], done: list[workload.Step]) -> dict[str, int]:
    loose = {step.ticket for step in done if step.kind == "loose"}
    return {ticket: round_ for ticket, round_ in state.items() if ticket not in loose}


def work(db, module) -> list[Exception]:
    """All steps; each is done again while a fault keeps it from being there."""
    errors: list[Exception] = []
    states = [{}]
    watcher = Watcher(db, module)
    for number, step in enumerate(STEPS):
        before, after = (
            workload.expected(STEPS[:number]),
            workload.expected(STEPS[: number + 1]),
        )
        found = before
        while found == before:
            try:
                if number == 6:
                    db.rebuild()
                db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
                found = workload.stored(db, "fault/")
                assert found == after
            except hw.StorageError as error:
                errors.append(error)
                found = workload.stored(db, "fault/")
                possible = [before, after] if "may or may not" in str(error) else [before]
                assert found in possible
        states.append(halves_only(after, STEPS))
    watcher.wait_for(states[-1])
    assert is_subsequence(watcher.seen, states), watcher.seen
    watcher.live.close()
    return errors


def is_subsequence(seen, states) -> bool:
    rest = iter(states)
    return all(state in rest for state in seen)


@pytest.mark.parametrize("name", BEFORE)
def test_one_call_that_fails_is_one_clear_error_and_the_work_goes_on(tmp_path, name) -> None:
    fault = BEFORE[name]
    hit: set[str] = set()
    for number in count(1, fault.stride):
        armed = Faults()
        with faults.engine(armed):
            db = hw.open(tmp_path / f"{name}{number}", modules=[module := declare()])
        offset = len(armed.calls)

        def fail(reached: int, called: str, at=offset + number) -> None:
            if reached == at:
                hit.add(called)
                raise fault.make()

        armed.before = fail
        with db:
            errors = work(db, module)
            armed.before = armed.after = lambda number, name: None
            check_sound(db)
            if not errors:
                break
            (error,) = errors
            assert type(error) is fault.kind
            for words in (str(db.path), *fault.words):
                assert words in str(error)
    assert {"putmulti", "commit"} <= hit
    assert fault.stride > 1 or {"put", "delete", "drop"} <= hit
    assert number > 30


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_in_doubt_says_so_and_is_there_or_not(tmp_path, moment) -> None:
    for number in count(1):
        armed = Faults()
        with faults.engine(armed):
            db = hw.open(tmp_path / f"{moment}{number}", modules=[module := declare()])
        commits = count(1)

        def fail(_: int, called: str, at=number, commits=commits, faults_=armed) -> None:
            if called == "commit" and next(commits) == at:
                faults_.at_begin += [lmdb.PanicError("injected")] * 2
                raise failure(errno.EIO)

        setattr(armed, moment, fail)
        with db:
            errors = work(db, module)
            armed.before = armed.after = lambda number, name: None
            check_sound(db)
            if not errors:
                break
            (error,) = errors
            assert type(error) is DiskError
            assert str(error) == (
                f"{db.path}: the commit may or may not have happened: {failure(errno.EIO)}; read "
                "the log to see whether it is there before doing it again"
            )
    assert number > 12


def test_while_nothing_can_be_written_everything_is_refused_and_can_be_read(tmp_path) -> None:
    armed, module = Faults(), declare()
    with faults.engine(armed):
        db = hw.open(tmp_path / "db.hw", modules=[module])
    with db, db.watch(module.rounds) as live:
        assert live.next(30) == {}
        first, second = STEPS[0], STEPS[1]
        db.mutate(module.apply, kind="insert", ticket="there", turn=1)
        assert live.next(30) == {"there": 1}

        def fail(_: int, called: str) -> None:
            raise failure(errno.ENOSPC, lmdb.DiskError)

        armed.before = fail
        for step in (first, second):
            for use in (
                lambda s=step: db.mutate(module.apply, kind="insert", ticket=s.ticket, turn=2),
                lambda: db.transact(lambda tx: tx.insert("halves", half("x"))),
                lambda: db.transact(lambda tx: tx.insert("loose", {})),
                db.rebuild,
            ):
                with pytest.raises(DatabaseFullError, match="the disk is full"):
                    use()
        with db.transaction() as transaction:
            transaction.insert("halves", half("y"))
            with pytest.raises(DatabaseFullError):
                transaction.commit()
        assert db.query(module.rounds) == {"there": 1}
        assert db.verify() == []
        armed.before = lambda number, name: None
        db.mutate(module.apply, kind="insert", ticket="later", turn=3)
        assert live.next(30) == {"there": 1, "later": 3}
        check_sound(db)


def half(side: str) -> dict[str, object]:
    return {"ticket": side, "side": side, "round": 0, "body": ""}


def test_one_full_disk_fails_all_of_a_batch_and_each_is_told(tmp_path) -> None:
    """From asyncio many share one flush; when it fails, none of them was acknowledged."""
    import asyncio

    armed, module = Faults(), declare()
    with faults.engine(armed):
        db = hw.open(tmp_path / "db.hw", modules=[module])
    with db:
        for number in range(4):
            db.mutate(module.apply, kind="insert", ticket=f"warm {number}", turn=1)

        def fail(_: int, called: str) -> None:
            if called == "commit":
                raise failure(errno.ENOSPC, lmdb.DiskError)

        armed.before = fail

        async def many():
            verbs = db.aio
            calls = [
                verbs.mutate(module.apply, kind="insert", ticket=f"t{n}", turn=1) for n in range(20)
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

        outcomes = asyncio.run(many())
        assert {type(outcome) for outcome in outcomes} == {DatabaseFullError}
        assert len({id(outcome) for outcome in outcomes}) == 20, "each has an error of its own"
        assert len(db.query(module.rounds)) == 4
        armed.before = lambda number, name: None
        assert asyncio.run(many()) == [None] * 20
        assert len(db.query(module.rounds)) == 24
        check_sound(db)
