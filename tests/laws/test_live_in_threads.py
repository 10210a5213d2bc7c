"""Live queries as applications use them: iterated, awaited, called back, by the thousand."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.laws import application, cached
from tests.laws.batches import WAIT_SECONDS
from tests.laws.clocks import SlowClock, StillClock
from tests.laws.recording import Recorder
from tests.laws.test_live import Stage, Watcher

import headwater as hw
from headwater.reactive.live_queries import LiveQueries
from headwater.transactions.recent_commits import RecentCommits

COMMITS = 40


def write_from_threads(db: hw.Database, cells: Sequence[str], count: int = COMMITS) -> None:
    """Two writers move one from cell to cell, so the sum never changes, until one adds 1000."""

    def move(writer: int) -> None:
        for at in range(count):
            db.transact(
                lambda tx: (
                    tx.patch(cells[writer], number=tx.get(cells[writer])["number"] - 1),
                    tx.patch(cells[2], number=tx.get(cells[2])["number"] + 1),
                )
            )
            del at

    threads = [threading.Thread(target=move, args=(writer,)) for writer in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    db.transact(lambda tx: tx.patch(cells[3], number=1000))


def true_numbers(db: hw.Database, cell: str) -> list[int]:
    """Every number that the cell ever had, oldest first."""
    return [revision.document["number"] for revision in reversed(db.history(cell))]


def is_subsequence(some: Sequence[Any], all_of_them: Sequence[Any]) -> bool:
    rest = iter(all_of_them)
    return all(one in rest for one in some)


@pytest.fixture(params=[SlowClock, StillClock], ids=["optimistic", "in turn"])
def db(request: pytest.FixtureRequest) -> Any:
    limits = hw.Limits(query_seconds=1e9, mutation_seconds=1e9, optimistic_attempts=1000)
    with hw.open(
        None, modules=[application, cached], clock=request.param(), limits=limits
    ) as database:
        yield database


def test_every_kind_of_subscriber_sees_the_truth_in_order_and_its_end(db: hw.Database) -> None:
    recorder = Recorder(db, [(0, 0), (0, 0), (0, 0), (1, 0)])
    cells = recorder.cells
    last = 2 * COMMITS
    seen: dict[str, list[tuple[int, Any]]] = {}
    done = [threading.Event() for _ in range(2)]
    threads: list[threading.Thread] = []

    def collect(name: str, live: Any, is_last: Callable[[Any], bool], *, skip: int = 0) -> None:
        seen[name] = []
        while not (seen[name] and is_last(seen[name][-1][1])):
            result = live.next(timeout_seconds=WAIT_SECONDS)
            seen[name].append((live.ts, result))
            for _ in range(skip):
                db.query(application.total)

    def start(name: str, live: Any, is_last: Callable[[Any], bool], skip: int = 0) -> None:
        thread = threading.Thread(
            target=collect, args=(name, live, is_last), kwargs={"skip": skip}, daemon=True
        )
        thread.start()
        threads.append(thread)

    at_last = lambda cell: cell["number"] == last  # noqa: E731
    start("fast", db.watch(application.get_cell, cell=cells[2]), at_last)
    start("shared", db.watch(application.get_cell, cell=cells[2]), at_last)
    start("slow", db.watch(application.get_cell, cell=cells[2]), at_last, skip=20)
    pair = db.watch_all(
        application.get_cell.bind(cell=cells[0]),
        application.get_cell.bind(cell=cells[1]),
        application.get_cell.bind(cell=cells[2]),
        application.total.bind(),
    )
    start("set", pair, lambda four: four[3] == 1000)
    called: list[Any] = []

    def on_change(cell: Any) -> None:
        called.append(cell)
        if at_last(cell):
            done[0].set()

    ends = db.watch(application.get_cell, cell=cells[2]).on_change(on_change)
    write_from_threads(db, cells)
    late = db.watch(application.get_cell, cell=cells[2])
    assert late.next(WAIT_SECONDS)["number"] == last
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert not any(thread.is_alive() for thread in threads), {n: s[-1] for n, s in seen.items()}
    assert done[0].wait(WAIT_SECONDS)
    ends()
    truth = true_numbers(db, cells[2])
    assert truth == list(range(last + 1))
    for name in ("fast", "shared", "slow"):
        numbers = [cell["number"] for _, cell in seen[name]]
        assert is_subsequence(numbers, truth), name
        assert sorted(set(numbers)) == numbers, name
    assert is_subsequence([cell["number"] for cell in called], truth)
    for name, states in seen.items():
        stamps = [ts for ts, _ in states]
        assert stamps == sorted(set(stamps)), name
    for _, (first, second, third, total) in seen["set"]:
        assert first["number"] + second["number"] + third["number"] == 0
        assert total in (0, 1000)
    db._reactor.queries.check()


def test_tasks_see_the_truth_in_order_and_its_end(db: hw.Database) -> None:
    recorder = Recorder(db, [(0, 0), (0, 0), (0, 0), (1, 0)])
    last = 2 * COMMITS

    async def follow() -> list[int]:
        numbers = []
        async with db.aio.watch(application.get_cell, cell=recorder.cells[2]) as live:
            async for cell in live:
                numbers.append(cell["number"])
                if numbers[-1] == last:
                    break
        return numbers

    async def everything() -> list[list[int]]:
        followers = [asyncio.create_task(follow()) for _ in range(3)]
        await asyncio.to_thread(write_from_threads, db, recorder.cells)
        return await asyncio.wait_for(asyncio.gather(*followers), WAIT_SECONDS)

    for numbers in asyncio.run(everything()):
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == last


def test_closing_ends_every_kind_of_wait(db: hw.Database) -> None:
    lives = [db.watch(application.total) for _ in range(3)]
    for live in lives:
        assert live.next(WAIT_SECONDS) == 0
    ended = []
    threads = [
        threading.Thread(target=lambda live=live: ended.append(list(live))) for live in lives
    ]
    for thread in threads:
        thread.start()
    lives[0].close()
    threads[0].join(WAIT_SECONDS)
    db.close()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert ended == [[], [], []]
    with pytest.raises(hw.ClosedError):
        lives[1].next(0)


def test_a_query_that_raises_raises_to_its_subscriber_until_it_is_mended(db: hw.Database) -> None:
    live = db.watch(cached.fail_while_empty)
    with pytest.raises(hw.ApplicationError):
        live.next(WAIT_SECONDS)
    db.mutate(cached.add, group=0)
    assert live.next(WAIT_SECONDS) == 1


def test_a_callback_that_raises_is_called_again(db: hw.Database, caplog: Any) -> None:
    seen: list[int] = []
    both = threading.Event()

    def callback(count: int) -> None:
        seen.append(count)
        if count == 1:
            both.set()
        raise ValueError("no")

    db.watch(cached.count_runs, group=0).on_change(callback)
    db.mutate(cached.add, group=0)
    assert both.wait(WAIT_SECONDS)
    db.close()
    assert seen[-1] == 1
    assert "a callback of a live query raised" in caplog.text
    cached.runs.clear()


# Pages ------------------------------------------------------------------------------------------


def take_rounds(db: hw.Database, function: Any, **arguments: Any) -> tuple[LiveQueries, Any]:
    """A live query whose rounds are run by hand."""
    from headwater.reactive.subscription import Subscription

    queries = db._reactor.queries
    db._store.on_commit = queries.committed
    subscription = Subscription()
    wanted = db._runner.wanted(db._runner.call("query", function, (), arguments))
    queries.subscribe(subscription, [wanted])
    return queries, subscription


def test_a_live_page_keeps_its_end() -> None:
    with hw.open(None, modules=[cached], clock=StillClock()) as db:
        for _ in range(4):
            db.mutate(cached.add, group=0)
        options = {"numItems": 2, "cursor": None}
        queries, subscription = take_rounds(db, cached.page_by_flag, options=options)
        first = subscription.take().values()[0]
        assert len(first["page"]) == 2
        assert not first["isDone"]
        db.transact(lambda tx: tx.delete(first["page"][0]["_id"]))
        queries.run_round()
        second = subscription.take().values()[0]
        assert [row["_id"] for row in second["page"]] == [first["page"][1]["_id"]]
        assert second["continueCursor"] == first["continueCursor"]


def test_a_live_page_whose_range_has_changed_begins_anew() -> None:
    with hw.open(None, modules=[cached], clock=StillClock()) as db:
        for group in (0, 0, 0, 1, 1):
            db.mutate(cached.add, group=group)
        options = {"numItems": 2, "cursor": None}
        queries, subscription = take_rounds(db, cached.page_by_flag, options=options)
        assert [row["group"] for row in subscription.take().values()[0]["page"]] == [0, 0]
        db.mutate(cached.add, group=99)
        queries.run_round()
        assert [row["group"] for row in subscription.take().values()[0]["page"]] == [1, 1]


def test_a_live_page_whose_range_moves_with_the_time_goes_on() -> None:
    clock = StillClock()
    with hw.open(None, modules=[cached], clock=clock) as db:
        db.mutate(cached.add, group=0)
        options = {"numItems": 2, "cursor": None}
        queries, subscription = take_rounds(db, cached.page_of_the_last_hour, options=options)
        assert len(subscription.take().values()[0]["page"]) == 1
        clock.seconds += 1
        db.mutate(cached.add, group=0)
        queries.run_round()
        assert len(subscription.take().values()[0]["page"]) == 2


# Many -------------------------------------------------------------------------------------------


def test_a_commit_costs_what_it_touches_however_many_are_subscribed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand queries: a commit that touches one runs one, and looks at no other."""
    count = 10_000
    with hw.open(None, modules=[cached], clock=StillClock()) as db:
        db.mutate(cached.add, group=0)
        lives = [take_rounds(db, cached.count_runs, group=group) for group in range(count)]
        queries = db._reactor.queries
        assert len(queries) == count
        touched: list[Any] = []
        touch = LiveQueries._touch

        def count_touches(self: Any, query: Any, ts: int) -> None:
            touched.append(query)
            touch(self, query, ts)

        monkeypatch.setattr(
            queries._dependents, "_touch", lambda q, ts: count_touches(queries, q, ts)
        )
        for group in (0, 77, 9_999, 5_000):
            cached.runs.clear()
            touched.clear()
            visits = count_calls(monkeypatch)
            db.mutate(cached.add, group=group)
            assert not queries.run_round()
            assert cached.runs == [group]
            assert len(touched) == 1
            assert visits() < 100
        for group, (_, subscription) in enumerate(lives):
            expected = {0: 2, 77: 1, 9_999: 1, 5_000: 1}.get(group, 0)
            assert subscription.take().values() == [expected]
        cached.runs.clear()
        db.mutate(cached.add, group=count + 5)
        assert not queries.run_round()
        assert cached.runs == []
        queries.check()


def count_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts lines of Python that the interval map runs while it looks up touched keys."""
    import sys

    from headwater_indexes.interval_map import IntervalMap

    lines = [0]
    touched_many = IntervalMap.touched_many
    original = getattr(touched_many, "original", touched_many)

    def traced(self: Any, keys: Any) -> Any:
        def trace(frame: Any, event: str, _: Any) -> Any:
            lines[0] += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return original(self, keys)
        finally:
            sys.settrace(before)

    traced.original = original
    monkeypatch.setattr(IntervalMap, "touched_many", traced)
    return lambda: lines[0]


def test_watchers_of_the_stage_share_one_run() -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        stage = Stage(db, Recorder(db, [(0, 0)]))
        watchers = [Watcher(stage, [0]) for _ in range(50)]
        assert stage.evaluations == 1
        stage.commit("a", [["patch", 0, {"number": 3}]])
        stage.rounds()
        assert stage.evaluations == 2
        for watcher in watchers:
            watcher.check_last()
            assert len(watcher.seen) == 1


def test_what_was_not_touched_is_not_run() -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        stage = Stage(db, Recorder(db, [(0, 0), (1, 0)]))
        Watcher(stage, [0, 2])
        before = stage.evaluations
        stage.commit("a", [["insert", 1, 3]])
        stage.rounds()
        assert stage.evaluations == before
        assert isinstance(db._store.recent, RecentCommits)
