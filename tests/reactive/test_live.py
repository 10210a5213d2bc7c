"""A live result in the hands of somebody who goes away.

Goal: a loop that is closed, a subscription that ends in the middle of a round, and a first run that
is interrupted harm nobody. Method: rounds by hand, and loops that are run and closed by the test.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.clients import application as pages
from tests.laws import cached
from tests.laws.batches import WAIT_SECONDS
from tests.laws.clocks import StillClock

import headwater as hw
from headwater.reactive import subscription
from headwater.reactive.evaluation import Evaluation
from headwater.reactive.live_queries import LiveQueries
from headwater.reactive.subscription import Subscription
from headwater.storage.codec import pack
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater_indexes.intervals import Interval


@pytest.fixture
def db() -> Iterator[hw.Database]:
    with hw.open(None, modules=[cached], clock=StillClock()) as database:
        database.mutate(cached.add, group=0)
        yield database


def test_an_iteration_ends_when_the_live_result_is_closed(db: hw.Database) -> None:
    async def iterate() -> list[int]:
        seen = []
        live = db.aio.watch(cached.count_runs, group=0)
        async for count in live:
            seen.append(count)
            if count == 1:
                await db.aio.mutate(cached.add, group=0)
            else:
                live.close()
        return seen

    assert asyncio.run(asyncio.wait_for(iterate(), WAIT_SECONDS)) == [1, 2]


def test_a_page_begins_with_as_many_rows_as_were_asked_for_whoever_else_has_one() -> None:
    asked: dict[str, Any] = {"room": "x", "options": {"numItems": 2, "cursor": None}}

    def texts(live: Any) -> list[str]:
        return [line["text"] for line in live.next(WAIT_SECONDS)["page"]]

    with hw.open(None, modules=[pages]) as db, db.watch(pages.page, **asked) as old:
        assert texts(old) == []
        for text in "abc":
            db.mutate(pages.say, room="x", text=text)
        with db.watch(pages.page, **asked) as new:
            assert texts(new) == ["a", "b"]
            db.mutate(pages.say, room="x", text="first", rank=-1.0)
            while texts(old) != ["first", "a", "b", "c"]:
                pass
            assert texts(new) == ["first", "a", "b"]


def test_a_commit_after_the_loop_was_closed_disturbs_nobody(
    db: hw.Database, caplog: pytest.LogCaptureFixture
) -> None:
    live = db.aio.watch(cached.count_runs, group=0)

    async def first() -> int:
        iteration = aiter(live)
        return await anext(iteration)

    assert asyncio.run(first()) == 1
    other = db.watch(cached.count_runs, group=0)
    assert other.next(WAIT_SECONDS) == 1
    db.mutate(cached.add, group=0)
    assert other.next(WAIT_SECONDS) == 2
    assert live.next(WAIT_SECONDS) == 2, "another may go on with it"
    assert caplog.text == ""


def test_news_of_what_was_taken_already_hand_out_nothing(db: hw.Database) -> None:
    async def iterate() -> list[int]:
        live = db.aio.watch(cached.count_runs, group=0)
        seen, tasks = [], []

        async def commit_after_the_iteration_has_looked() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            await db.aio.mutate(cached.add, group=0)

        async for count in live:
            seen.append(count)
            if len(seen) == 1:
                live._subscription._tell()  # as a round does whose result was taken meanwhile
                tasks.append(asyncio.create_task(commit_after_the_iteration_has_looked()))
            else:
                live.close()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(asyncio.wait_for(iterate(), WAIT_SECONDS)) == [1, 2]


def test_a_finalizer_may_close_a_live_result_at_any_moment(db: hw.Database) -> None:
    live = db.watch(cached.count_runs, group=0)

    def finalize_in_the_midst_of_another() -> None:
        with subscription._lock:
            live.close()

    thread = threading.Thread(target=finalize_in_the_midst_of_another, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    with pytest.raises(hw.ClosedError):
        live.next(WAIT_SECONDS)


def test_who_leaves_in_the_middle_of_a_round_is_forgotten(db: hw.Database) -> None:
    queries = LiveQueries(db._store, lambda: None)
    leaving, staying = Subscription(), Subscription()
    runs: list[str] = []

    def evaluate(name: str) -> Any:
        def run(snapshot: Any, journal: str | None) -> Evaluation:
            runs.append(name)
            if runs.count("leaving") == 2:
                queries.unsubscribe(leaving)
            # Another range at each run, around all the same keys.
            intervals = (Interval(DOCUMENTS_SPACE, b"", b"z" * len(runs)),)
            return Evaluation(pack(len(runs)), None, intervals, journal)

        return run

    queries.subscribe(leaving, [("leaving", evaluate("leaving"))])
    queries.subscribe(staying, [("staying", evaluate("staying"))])
    before = leaving.newest
    db.mutate(cached.add, group=0)

    for _ in range(2):
        assert queries.run_round() is False
        queries.check()
        assert len(queries) == 1
        assert leaving.newest is before
        assert staying.ts == db.ts
        db.mutate(cached.add, group=0)
    assert runs.count("leaving") == 2


def test_an_interrupt_of_the_first_run_is_the_callers_and_leaves_nothing(db: hw.Database) -> None:
    @hw.query
    def interrupted(ctx: hw.QueryCtx) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.watch(interrupted)
    assert len(db._reactor.queries) == 0
    live = db.watch(cached.count_runs, group=0)
    assert live.next(WAIT_SECONDS) == 1
