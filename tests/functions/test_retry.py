"""Policies: how long they wait, what they try again, and actions that have one."""

import asyncio
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.functions import failing
from tests.functions.failing import POLICY, RefusedError, failures

import headwater as hw
from headwater import Retry, testing
from headwater.functions.alarm import Alarm


@st.composite
def policies(draw):
    return Retry(
        attempts=draw(st.integers(1, 2000)),
        initial_seconds=draw(st.floats(0, 1000)),
        base=draw(st.floats(1, 100)),
        max_seconds=draw(st.floats(0, 10_000)),
        jitter=draw(st.floats(0, 1) | st.just("full")),
    )


@given(policies(), st.integers(1, 2000), st.integers())
def test_a_wait_is_within_the_jitter_of_its_step_and_the_same_for_the_same_seed(
    policy, attempt, seed
):
    seconds = policy.wait_seconds(attempt, random.Random(seed))
    assert seconds == policy.wait_seconds(attempt, random.Random(seed))
    exact = Retry(**{**fields(policy), "jitter": 0}).wait_seconds(attempt, random.Random(seed))
    assert 0 <= exact <= policy.max_seconds
    lower, upper = (0, 1) if policy.jitter == "full" else (1 - policy.jitter, 1 + policy.jitter)
    assert exact * lower * 0.999999 <= seconds <= min(policy.max_seconds, exact * upper * 1.000001)


def fields(policy: Retry) -> dict[str, object]:
    return {name: getattr(policy, name) for name in Retry.__slots__}


@given(policies(), st.integers(1, 2000))
def test_it_is_tried_as_often_as_it_says(policy, attempt):
    seconds = policy.seconds_after(OSError(), attempt, random.Random(0))
    assert (seconds is None) == (attempt >= policy.attempts)


@pytest.mark.parametrize(
    ("error", "is_retryable"),
    [
        (OSError("no"), True),
        (hw.ApplicationError("busy"), True),
        (hw.TimeLimitError("late", limit="query_seconds", value=1, maximum=1), True),
        (RefusedError(), False),
        (hw.NonRetryableError("bad address"), False),
        (hw.ActionCanceledError("canceled"), False),
        (hw.ReturnValueError("no number"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_some_errors_are_not_tried_again(error, is_retryable):
    policy = Retry(non_retryable=(RefusedError,))
    assert policy.is_retryable(error) == is_retryable


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attempts": 0}, r"hw.Retry\(attempts=0\): expected a whole number, 1 or more"),
        ({"attempts": 2.5}, "expected a whole number"),
        ({"initial_seconds": -1}, r"initial_seconds=-1\): expected a number, 0 or more"),
        ({"base": 0.5}, r"base=0.5\): expected a number, 1 or more"),
        ({"max_seconds": float("nan")}, r"max_seconds=nan\)"),
        ({"jitter": 2}, r"jitter=2\): expected a number from 0 to 1, or 'full'"),
        ({"jitter": "half"}, "jitter='half'"),
        ({"non_retryable": OSError}, "expected a tuple of classes of errors"),
        ({"non_retryable": ("OSError",)}, "expected a tuple of classes of errors"),
    ],
)
def test_what_is_no_policy_is_refused(wrong, message):
    with pytest.raises(hw.DeclarationError, match=message):
        Retry(**wrong)


def test_only_a_policy_is_one():
    with pytest.raises(hw.DeclarationError, match=r"@action\(retry=3\): expected a policy"):
        hw.action(retry=3)


# -- actions ------------------------------------------------------------------------------------


@pytest.fixture
def waits(monkeypatch):
    """How long each call of an alarm is away, as it is made."""
    made = Waits()
    original = Alarm.call_at

    def call_at(self, monotonic, callback):
        number = original(self, monotonic, callback)
        made.add(monotonic - self._clock.monotonic())
        return number

    monkeypatch.setattr(Alarm, "call_at", call_at)
    return made


class Waits:
    def __init__(self) -> None:
        self._made: list[float] = []
        self._changed = threading.Condition()

    def add(self, seconds: float) -> None:
        with self._changed:
            self._made.append(round(seconds, 6))
            self._changed.notify_all()

    def next(self) -> float:
        with self._changed:
            assert self._changed.wait_for(lambda: self._made, 60)
            return self._made.pop(0)


@pytest.fixture
def db():
    failures.clear()
    with testing.database(failing) as database:
        yield database


ACTIONS = [failing.work, failing.work_async, failing.outer, failing.outer_async]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_tried_again_after_each_wait(db, waits, action):
    failures.extend([OSError("1"), OSError("2"), OSError("3")])
    running = db.start(action, items=[7] if action is failing.outer_async else [])
    assert waits.next() == db.limits.action_seconds
    for seconds in (10, 30, 60):
        assert waits.next() == seconds
        db.clock.advance(seconds=seconds)
    assert running.result(60)[-1] == 4
    begun = db.query(failing.times)
    assert [round((at - begun[0]) / 1000) for at in begun] == [0, 10, 40, 100]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_attempt_has_the_arguments_of_the_first(db, waits, action):
    failures.extend([OSError("1")])
    running = db.start(action, items=[7])
    waits.next()
    db.clock.advance(seconds=waits.next())
    assert running.result(60) == [7, 2]


def test_as_a_part_of_a_task(db, waits):
    failures.extend([OSError("1")])

    async def act() -> list[int]:
        task = asyncio.create_task(db.aio.act(failing.work_async, items=[]))
        assert await asyncio.to_thread(waits.next) == db.limits.action_seconds
        db.clock.advance(seconds=await asyncio.to_thread(waits.next))
        return await task

    assert asyncio.run(act()) == [2]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_last_error_is_told(db, waits, action):
    failures.extend([OSError(str(n)) for n in range(1, 9)])
    running = db.start(action, items=[7])
    waits.next()
    for _ in range(POLICY.attempts - 1):
        db.clock.advance(seconds=waits.next())
    with pytest.raises(OSError, match=str(POLICY.attempts)):
        running.result(60)
    assert len(db.query(failing.times)) == POLICY.attempts


@pytest.mark.parametrize("action", [failing.work_in_time, failing.work_in_time_async])
def test_its_time_is_that_of_all_attempts(db, waits, action):
    failures.extend([OSError("1"), OSError("2")])
    running = db.start(action)
    assert [waits.next(), waits.next()] == [15, 10]
    db.clock.advance(seconds=10)
    assert waits.next() == 30
    db.clock.advance(seconds=5)
    with pytest.raises(hw.TimeLimitError):
        running.result(60)
    assert len(db.query(failing.times)) == 2


@pytest.mark.parametrize("action", [failing.work_in_time, failing.work_in_time_async])
def test_one_that_waits_is_canceled_at_once(db, waits, action):
    failures.extend([OSError("1")])
    running = db.start(action)
    assert [waits.next(), waits.next()] == [15, 10]
    running.cancel()
    with pytest.raises(hw.ActionCanceledError, match="it was canceled"):
        running.result(60)
    assert len(db.query(failing.times)) == 1


@pytest.mark.parametrize("error", [RefusedError("no"), hw.NonRetryableError("no")])
def test_what_is_not_to_be_tried_again_is_not(db, error):
    failures.extend([OSError("1"), OSError("2"), error, OSError("4")])
    with pytest.raises(type(error)):
        db.act(failing.be_refused)
    assert len(db.query(failing.times)) == 3


def test_a_result_that_does_not_fit_is_not_made_again(db):
    with pytest.raises(hw.ReturnValueError):
        db.act(failing.promise_text)
    assert len(db.query(failing.times)) == 1


def test_the_waits_come_from_the_randomness_of_the_clock(waits):
    seen = []
    for _ in range(2):
        with testing.database(failing, seed=5) as db:
            failures[:] = [OSError("1")]

            @hw.action(retry=Retry(initial_seconds=10, jitter="full"))
            def uneven(ctx: hw.SyncActionCtx) -> None:
                failing.fail()

            running = db.start(uneven)
            waits.next()
            seen.append(waits.next())
            db.clock.advance(seconds=seen[-1])
            running.result(60)
    assert seen[0] == seen[1]
    assert 0 < seen[0] < 10
