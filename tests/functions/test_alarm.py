"""Callbacks come at their moments, by the clock, in order, and not when they were canceled."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import SystemClock
from headwater.functions.alarm import Alarm
from headwater.testing import ManualClock

moments = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8)


@given(moments)
def test_each_comes_at_its_moment_and_in_order(drawn):
    clock = ManualClock()
    alarm = Alarm(clock)
    came = []
    for at, (seconds, is_canceled) in enumerate(drawn):
        number = alarm.call_at(seconds + 0.5, lambda at=at: came.append(at))
        if is_canceled:
            alarm.cancel(number)
    kept = [(seconds, at) for at, (seconds, is_canceled) in enumerate(drawn) if not is_canceled]
    for now in range(7):
        done = threading.Event()
        alarm.call_at(now, done.set)  # behind everything that is due before
        assert done.wait(60)
        assert came == [at for seconds, at in sorted(kept) if seconds < now]
        clock.advance(seconds=1)
    alarm.close()


def test_what_was_canceled_does_not_pile_up():
    alarm = Alarm(ManualClock())
    for _ in range(10_000):
        alarm.cancel(alarm.call_at(1e9, lambda: None))
    assert len(alarm._line) < 200
    assert alarm._callbacks == {}
    alarm.close()


def test_a_clock_that_goes_by_itself_is_waited_for():
    alarm = Alarm(SystemClock())
    came = threading.Event()
    alarm.call_at(SystemClock().monotonic() + 0.001, came.set)
    assert came.wait(60)
    alarm.close()


def test_after_its_end_nobody_is_called():
    clock = ManualClock()
    alarm = Alarm(clock)
    came = []
    alarm.call_at(1, lambda: came.append(1))
    alarm.close()
    alarm.call_at(0, lambda: came.append(0))
    clock.advance(seconds=2)
    assert came == []


def test_a_callback_may_end_the_alarm():
    alarm = Alarm(ManualClock())
    ended = threading.Event()
    alarm.call_at(0, lambda: (alarm.close(), ended.set()))
    assert ended.wait(60)
