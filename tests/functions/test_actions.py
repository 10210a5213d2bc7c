"""Actions: what they call is committed at once, and they end when they have to."""

import asyncio
import threading

import pytest
from tests.functions import acting

import headwater as hw
from headwater import testing
from headwater.functions.acting import Actor
from headwater.functions.slots import Slots


@pytest.fixture
def db():
    acting.go_on.clear()
    acting.kept.clear()
    while acting.started.acquire(blocking=False):
        pass
    with testing.database(acting) as database:
        yield database
        acting.go_on.set()


def verbs(db):
    """Every way to run an action from outside: a name, and a function that does."""

    def by_asyncio(action, **arguments):
        return asyncio.run(db.aio.act(action, **arguments))

    def by_path(action, **arguments):
        return db.call(f"acting:{action.name}", arguments)

    def by_asyncio_and_path(action, **arguments):
        return asyncio.run(db.aio.call(f"acting:{action.name}", arguments))

    def started(action, **arguments):
        return db.start(action, **arguments).result()

    return [db.act, started, by_asyncio, by_path, by_asyncio_and_path]


@pytest.mark.parametrize("action", [acting.write_two, acting.write_two_async])
def test_each_call_is_a_transaction_that_is_seen_at_once(db, action):
    for act in verbs(db):
        seen = []
        live = db.watch(acting.texts)
        seen.append(live.next())
        between = act(action, first="a", second="b")
        assert between == [*seen[0], "a"]
        live.close()
    assert db.query(acting.texts) == ["a", "b"] * 5


def test_what_an_action_has_committed_stays_if_it_fails(db):
    for act in verbs(db):
        with pytest.raises(hw.ApplicationError, match="after all"):
            act(acting.write_and_fail, text="stays")
    assert db.query(acting.texts) == ["stays"] * 5


@pytest.mark.parametrize("action", [acting.outer, acting.outer_async])
def test_actions_call_actions_of_both_kinds(db, action):
    assert db.act(action, text="x") == ["inner x", "inner x", "x"]
    assert asyncio.run(db.aio.act(action, text="y"))[0] == "inner y"


def test_an_internal_action_is_not_called_by_path(db):
    with pytest.raises(hw.FunctionInternalError):
        db.call("acting:inner", {"text": "x"})


def test_arguments_and_results_are_checked(db):
    with pytest.raises(hw.ArgumentError, match="text"):
        db.act(acting.wait, text=5)
    with pytest.raises(hw.ReturnValueError):
        db.act(acting.promise_text)


def test_an_action_is_called_as_one(db):
    with pytest.raises(hw.FunctionKindError, match=r"is an action, expected a mutation"):
        db.mutate(acting.write_two, first="", second="")
    with pytest.raises(hw.FunctionKindError, match="expected an action"):
        db.act(acting.write, text="")
    with pytest.raises(hw.FunctionKindError, match="does not join a transaction"):
        db.mutate(acting.act_inside)


def test_a_thread_is_stopped_at_its_next_call_when_it_is_canceled(db):
    running = db.start(acting.wait, text="never")
    acting.started.acquire()
    assert not running.is_done
    with pytest.raises(TimeoutError, match="it goes on"):
        running.result(0)
    running.cancel()
    with pytest.raises(hw.ActionCanceledError, match="it was canceled"):
        running.result()
    assert running.is_done
    acting.go_on.set()
    assert db.act(acting.write_two, first="a", second="b") == ["a"]


def test_a_task_is_interrupted_where_it_waits_when_it_is_canceled(db):
    running = db.start(acting.wait_async, text="never")
    acting.started.acquire()
    running.cancel()
    with pytest.raises(hw.ActionCanceledError):
        running.result()


@pytest.mark.parametrize("action", [acting.wait, acting.wait_async])
def test_canceling_the_task_that_waits_cancels_the_action(db, action):
    async def begin_and_cancel():
        task = asyncio.create_task(db.aio.act(action, text="never"))
        await asyncio.to_thread(acting.started.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_cancel())
    acting.go_on.set()
    assert db.query(acting.texts) == []


def test_the_time_of_an_action_is_that_of_the_database(db):
    running = db.start(acting.wait_async, text="never")
    acting.started.acquire()
    db.clock.advance(seconds=4.9)
    assert not running.is_done
    db.clock.advance(seconds=0.2)
    with pytest.raises(hw.TimeLimitError, match=r"has run for more than 5 s, its limit") as caught:
        running.result()
    assert caught.value.limit == "action_seconds"


def test_nobody_waits_for_a_thread_that_does_not_notice_its_end(db):
    running = db.start(acting.wait, text="never")
    acting.started.acquire()
    db.clock.advance(seconds=601)
    with pytest.raises(hw.TimeLimitError):
        running.result()
    acting.go_on.set()
    assert db.query(acting.texts) == []


def test_closing_ends_every_action():
    with testing.database(acting) as db:
        acting.go_on.clear()
        waiting = [db.start(acting.wait, text="x"), db.start(acting.wait_async, text="x")]
        for _ in waiting:
            acting.started.acquire()
    for running in waiting:
        with pytest.raises(hw.ActionCanceledError, match="the database was closed"):
            running.result()
    acting.go_on.set()


def test_a_context_is_of_no_use_after_its_end(db):
    db.act(acting.keep_context)
    with pytest.raises(hw.ActionCanceledError, match="has ended"):
        acting.kept[0].query(acting.texts)


def test_nobody_has_the_result_before_the_context_has_ended(db, monkeypatch):
    was_told = []
    end = Actor._end

    def watched(actor, run):
        was_told.append(running.is_done)
        end(actor, run)

    monkeypatch.setattr(Actor, "_end", watched)
    running = db.start(acting.wait, text="x")
    acting.started.acquire()
    acting.go_on.set()
    assert running.result() == "x"
    assert was_told == [False]


def test_time_and_chance_come_from_the_clock():
    def look():
        with testing.database(acting, seed=7) as db:
            return db.act(acting.time_and_chance)

    assert look() == look()


def test_marks_of_the_caller_are_on_what_an_action_commits(db):
    with hw.origin(identity="ada"):
        db.act(acting.write_two, first="a", second="b")
        db.act(acting.write_two_async, first="c", second="d")
    assert {entry.origin.identity for entry in db.log.read(tables=["entries"])} == {"ada"}


def test_no_more_run_at_once_than_the_limit():
    acting.go_on.clear()
    with testing.database(acting, limits=hw.Limits(actions_concurrent=2)) as db:
        running = [db.start(acting.wait, text=str(number)) for number in range(5)]
        for _ in range(2):
            acting.started.acquire()
        assert not acting.started.acquire(blocking=False)
        # One inside another has no place of its own, or they could wait for each other for ever.
        acting.go_on.set()
        assert [one.result() for one in running] == ["0", "1", "2", "3", "4"]
        assert db.act(acting.outer, text="x")[0] == "inner x"


def test_places_are_given_in_the_order_of_coming():
    slots = Slots(1)
    slots.acquire()
    order = []

    async def take(name):
        await slots.acquire_async()
        order.append(name)
        slots.release()

    async def run():
        first, gone, last = (asyncio.create_task(take(name)) for name in ("first", "gone", "last"))
        await asyncio.sleep(0)
        gone.cancel()
        thread = threading.Thread(target=lambda: (slots.acquire(), order.append("thread")))
        slots.release()
        await asyncio.gather(first, last)
        thread.start()
        await asyncio.to_thread(thread.join)

    asyncio.run(run())
    assert order == ["first", "last", "thread"]


def test_a_place_whose_loop_is_gone_goes_to_the_next():
    slots = Slots(1)
    slots.acquire()
    loop = asyncio.new_event_loop()
    task = loop.create_task(slots.acquire_async())
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.close()
    slots.release()
    slots.acquire()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_has_to_be_above_zero(seconds):
    with pytest.raises(hw.DeclarationError, match="above 0"):
        hw.action(timeout_seconds=seconds)


def test_the_task_of_a_caller_goes_on_after_an_action_that_was_interrupted(db):
    async def act_and_go_on():
        task = asyncio.current_task()
        acting_task = asyncio.create_task(asyncio.to_thread(acting.started.acquire))
        acting_task.add_done_callback(lambda _: db.clock.advance(seconds=6))
        with pytest.raises(hw.TimeLimitError):
            await db.aio.act(acting.wait_async, text="never")
        await asyncio.sleep(0)
        return task.cancelling()

    assert asyncio.run(act_and_go_on()) == 0


def test_who_waits_for_a_place_is_interrupted_too():
    acting.go_on.clear()
    with testing.database(acting, limits=hw.Limits(actions_concurrent=1)) as db:
        running = db.start(acting.wait, text="first")
        acting.started.acquire()

        async def wait_for_a_place():
            waiting = asyncio.create_task(db.aio.act(acting.wait_async, text="never"))
            await asyncio.sleep(0)
            db.clock.advance(seconds=6)
            with pytest.raises(hw.TimeLimitError):
                await waiting

        asyncio.run(wait_for_a_place())
        acting.go_on.set()
        assert running.result() == "first"
        assert db.act(acting.write_two, first="a", second="b") == ["first", "a"]
