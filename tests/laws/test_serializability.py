"""Whatever overlaps, the result is that of running the transactions in the order of their ts."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws import application, drawn
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.recording import Recorder
from tests.laws.serializability import check

import headwater as hw

LONG = {"mutation_seconds": 1e9, "transaction_seconds": 1e9, "query_seconds": 1e9}
Interleaving = Sequence[int]

LOST_UPDATE = (
    [(0, 0)],
    [
        ("explicit", [["get", 0], ["patch", 0, {"number": 1}]]),
        ("explicit", [["get", 0], ["patch", 0, {"number": 2}]]),
    ],
    [0, 1, 0, 1, 0, 1],
)
WRITE_SKEW = (
    [(0, 0), (0, 0)],
    [
        ("explicit", [["get", 0], ["get", 1], ["patch", 0, {"number": 1}]]),
        ("explicit", [["get", 0], ["get", 1], ["patch", 1, {"number": 1}]]),
    ],
    [0, 1, 0, 1, 0, 1, 0, 1],
)
PHANTOM = (
    [(1, 1)],
    [
        ("explicit", [["range", "by_group", [0], {}, "asc", None], ["insert", 0, 1]]),
        ("explicit", [["range", "by_group", [0], {}, "asc", None], ["insert", 0, 2]]),
    ],
    [0, 1, 0, 1, 0, 1],
)
PHANTOM_BEHIND_A_TAKE = (
    [(0, 2), (0, 3)],
    [
        ("explicit", [["range", "by_group", [0], {}, "asc", 1], ["insert", 1, 0]]),
        ("explicit", [["range", "by_group", [1], {}, "desc", 1], ["insert", 0, 1]]),
    ],
    [0, 1, 0, 1, 0, 1],
)
# Fekete, O'Neil, O'Neil: a batch is closed while a receipt is added, and a report sees the batch
# closed without the receipt.
READ_ONLY_ANOMALY = (
    [(0, 0), (1, 0)],
    [
        ("explicit", [["get", 0], ["get", 1], ["patch", 1, {"number": 3}]]),
        ("explicit", [["get", 0], ["patch", 0, {"number": 2}]]),
        ("snapshot", [["get", 0], ["get", 1]]),
    ],
    [0, 0, 1, 1, 1, 2, 2, 2, 0, 0],
)
ANOMALIES = {
    "lost update": LOST_UPDATE,
    "write skew": WRITE_SKEW,
    "phantom": PHANTOM,
    "phantom behind a take": PHANTOM_BEHIND_A_TAKE,
    "read-only anomaly": READ_ONLY_ANOMALY,
}


def interleave(
    recorder: Recorder, transactions: Sequence[tuple[str, Any]], order: Interleaving
) -> None:
    """Step transactions in one thread: those of the order first, then all that are left."""
    running: dict[int, Any] = {}
    ended: set[int] = set()
    for at in [*(number % len(transactions) for number in order), *_rest(transactions)]:
        if at in ended:
            continue
        kind, program = transactions[at]
        name, program = f"t{at}", recorder.resolve(program)
        if kind in ("mutate", "transact"):
            getattr(recorder, kind)(name, program)
            ended.add(at)
            continue
        if at not in running:
            begin = recorder.begin if kind == "explicit" else recorder.read
            running[at] = begin(name, program)
        if running[at].step():
            ended.add(at)


def _rest(transactions: Sequence[tuple[str, Any]]) -> list[int]:
    return [at for at, (_, program) in enumerate(transactions) for _ in range(len(program) + 1)]


@pytest.mark.parametrize("kept", [{"recent_commits": 1}, {"recent_documents": 1}, {}])
@given(
    drawn.seeds(),
    st.lists(drawn.transactions(), min_size=2, max_size=5),
    st.lists(st.integers(0, 4), max_size=16),
)
@example(*LOST_UPDATE)
@example(*WRITE_SKEW)
@example(*PHANTOM)
@example(*PHANTOM_BEHIND_A_TAKE)
@example(*READ_ONLY_ANOMALY)
def test_interleaved_transactions_are_serializable(
    kept: dict[str, int], seeds: Any, transactions: Any, order: Any
) -> None:
    limits = hw.Limits(**LONG, **kept)
    with hw.open(None, modules=[application], clock=SlowClock(), limits=limits) as db:
        recorder = Recorder(db, seeds)
        interleave(recorder, transactions, order)
        assert check(recorder.history()) == []
        assert db.verify() == []


@given(drawn.seeds(), st.lists(drawn.programs(), min_size=2, max_size=4))
def test_what_does_not_overlap_never_conflicts(seeds: Any, programs: Any) -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        recorder = Recorder(db, seeds)
        interleave(recorder, [("explicit", program) for program in programs], [])
        assert recorder.lost == []
        assert check(recorder.history()) == []


@pytest.mark.parametrize("name", ANOMALIES)
def test_an_anomaly_costs_one_of_the_transactions(name: str) -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        seeds, transactions, order = ANOMALIES[name]
        recorder = Recorder(db, seeds)
        interleave(recorder, transactions, order)
        assert len(recorder.lost) == 1
        assert check(recorder.history()) == []


def test_rows_behind_a_take_are_no_dependency() -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        recorder = Recorder(db, [(0, 0), (0, 1), (0, 2), (1, 0)])
        reader = ("explicit", [["range", "by_group", [0], {}, "asc", 2], ["patch", 3, {}]])
        writer = ("explicit", [["insert", 0, 2], ["patch", 2, {"number": 3}]])
        interleave(recorder, [reader, writer], [0, 1, 0, 1, 1, 0])
        assert recorder.lost == []
        assert check(recorder.history()) == []


# Threads and tasks ------------------------------------------------------------------------------


def run_in_threads(
    recorder: Recorder, programs: Sequence[Any], ways: Sequence[str], overlap: threading.Barrier
) -> None:
    """One thread per program; all begin at once."""
    failures: list[BaseException] = []

    def work(at: int) -> None:
        program = recorder.resolve(programs[at])
        try:
            overlap.wait(30)
            if ways[at % len(ways)] == "explicit":
                stepped = recorder.begin(f"t{at}", program)
                while not stepped.step():
                    pass
            else:
                getattr(recorder, ways[at % len(ways)])(f"t{at}", program)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(programs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


WAYS_TO_THE_COMMITTER = {
    "optimistic": (SlowClock, {"optimistic_attempts": 1000}),
    "optimistic, then in turn": (SlowClock, {"optimistic_attempts": 1}),
    "in turn": (StillClock, {}),
    "in turn, small batches": (StillClock, {"batch_transactions": 2}),
    "a short memory": (SlowClock, {"optimistic_attempts": 2, "recent_commits": 2}),
}
CONTENDED = [
    [["get", 0], ["patch", 0, {"number": 1}]],
    [["range", "by_group", [0], {}, "asc", None], ["insert", 0, 1]],
    [["range", "by_number", [], {"gte": 1}, "desc", 2], ["patch", 1, {"number": 2}]],
    [["walk", "desc", 2], ["delete", 2], ["insert", 1, 1]],
    [["get", 3], ["replace", 3, 0, 0], ["range", "by_group", [0], {"lt": 2}, "asc", None]],
]


@pytest.mark.parametrize("way", WAYS_TO_THE_COMMITTER)
def test_threads_are_serializable(way: str) -> None:
    clock, options = WAYS_TO_THE_COMMITTER[way]
    limits = hw.Limits(**LONG, **options)
    with hw.open(None, modules=[application], clock=clock(), limits=limits) as db:
        recorder = Recorder(db, [(0, 0), (0, 1), (1, 0), (1, 1)])
        for turn in range(3):  # what is short is known after three runs
            recorder.mutate(f"warm{turn}", [["get", recorder.cells[0]]])
        programs = CONTENDED * 12
        ways = ["mutate", "mutate", "transact", "mutate", "explicit"]
        run_in_threads(recorder, programs, ways, threading.Barrier(len(programs)))
        history = recorder.history()
        assert len(history.transactions) + len(recorder.lost) == len(programs) + 4
        assert check(history) == []
        assert db.verify() == []


def test_transactions_that_all_have_read_the_same_run_again_until_each_has_won() -> None:
    """The first attempts of all overlap for certain: each waits for the others."""
    count = 8
    meeting = threading.Barrier(count)
    met = threading.local()
    limits = hw.Limits(**LONG, optimistic_attempts=1000)
    with hw.open(None, modules=[application], clock=SlowClock(), limits=limits) as db:
        recorder = Recorder(db, [(0, 0)])
        cell = recorder.cells[0]
        runs: list[int] = []

        def increment(tx: hw.Writer) -> None:
            number = tx.get(cell)["number"]
            runs.append(number)
            if not hasattr(met, "once"):
                met.once = True
                meeting.wait(30)
            tx.patch(cell, number=number + 1)

        threads = [threading.Thread(target=db.transact, args=(increment,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert db.query(application.get_cell, cell=cell)["number"] == count
        assert len(runs) >= 2 * count - 1, "all but one of the first attempts lost"
        assert sum(sum(places.values()) for places in db.conflicts().values()) >= count - 1


@pytest.mark.parametrize("way", ["optimistic", "in turn"])
def test_tasks_are_serializable(way: str) -> None:
    clock, options = WAYS_TO_THE_COMMITTER[way]
    limits = hw.Limits(**LONG, **options)
    with hw.open(None, modules=[application], clock=clock(), limits=limits) as db:
        recorder = Recorder(db, [(0, 0), (0, 1), (1, 0), (1, 1)])

        async def one(name: str, program: Any) -> None:
            program = recorder.resolve(program)
            seen = await db.aio.mutate(application.run, writer=name, program=program)
            recorder.by_receipt(name, program, seen)

        async def everything() -> None:
            await asyncio.gather(*[one(f"t{at}", p) for at, p in enumerate(CONTENDED * 12)])

        asyncio.run(everything())
        history = recorder.history()
        assert len(history.transactions) == len(CONTENDED) * 12 + 1
        assert check(history) == []


@given(st.lists(drawn.programs(), min_size=3, max_size=8), drawn.seeds(), st.booleans())
def test_drawn_programs_in_tasks_are_serializable(
    programs: Any, seeds: Any, is_in_turn: bool
) -> None:
    clock = StillClock() if is_in_turn else SlowClock()
    with hw.open(None, modules=[application], clock=clock, limits=hw.Limits(**LONG)) as db:
        recorder = Recorder(db, seeds)

        async def one(name: str, program: Any) -> None:
            program = recorder.resolve(program)
            seen = await db.aio.mutate(application.run, writer=name, program=program)
            recorder.by_receipt(name, program, seen)

        async def everything() -> None:
            await asyncio.gather(*[one(f"t{at}", p) for at, p in enumerate(programs)])

        asyncio.run(everything())
        assert check(recorder.history()) == []
