"""The arithmetic of rate limits, against a model that counts in fractions."""

from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from headwater.services.allowances import Allowance, Level

START_MS = 1_700_000_000_000


ONE = st.just(1)


@st.composite
def allowances(draw, shards=ONE):
    return Allowance(
        rate=draw(st.integers(1, 7)),
        period_ms=draw(st.integers(1, 50)),
        capacity=draw(st.integers(1, 9)),
        max_reserved=draw(st.integers(0, 4)),
        shards=draw(shards),
        start_ms=draw(st.none() | st.integers(-60, 60)),
    )


TIMES = st.lists(st.integers(0, 120), max_size=30).map(
    lambda steps: list(accumulate(steps, initial=START_MS))
)
"""Moments in order."""


class Model:
    """One shard, in fractions of tokens, moved on millisecond by millisecond."""

    def __init__(self, allowance: Allowance, now_ms: int) -> None:
        self.allowance = allowance
        self.now_ms = now_ms
        self.tokens = self.capacity

    @property
    def capacity(self) -> Fraction:
        return Fraction(self.allowance.capacity, self.allowance.shards)

    def go_to(self, now_ms: int) -> None:
        allowance = self.allowance
        while self.now_ms < now_ms:
            self.now_ms += 1
            if allowance.start_ms is None:
                come = Fraction(allowance.rate, allowance.period_ms * allowance.shards)
            elif (self.now_ms - allowance.start_ms) % allowance.period_ms == 0:
                come = Fraction(allowance.rate, allowance.shards)
            else:
                come = Fraction(0)
            self.tokens = min(self.capacity, self.tokens + come)


def tokens(allowance: Allowance, level: Level) -> Fraction:
    return Fraction(level.parts, allowance.parts_per_token)


@given(allowances(st.integers(1, 3)), TIMES, st.data())
def test_a_level_is_exactly_that_of_the_model(allowance, times, data):
    model = Model(allowance, START_MS)
    level = None
    for now_ms in times:
        model.go_to(now_ms)
        level = allowance.level(level, now_ms)
        assert tokens(allowance, level) == model.tokens
        cost = data.draw(st.integers(0, level.parts - allowance.floor))
        level = Level(level.parts - cost, level.at_ms)
        model.tokens -= Fraction(cost, allowance.parts_per_token)


@given(allowances(), TIMES)
def test_no_span_of_time_grants_more_than_the_capacity_and_what_comes_in_it(allowance, times):
    level = None
    granted: list[tuple[int, int]] = []
    for now_ms in times:
        level = allowance.level(level, now_ms)
        while level.parts >= allowance.parts_per_token:
            level = Level(level.parts - allowance.parts_per_token, level.at_ms)
            granted.append((now_ms, 1))
    for i, (first_ms, _) in enumerate(granted):
        for j, (last_ms, _) in enumerate(granted[i:], i):
            come = Fraction(allowance.rate * (last_ms - first_ms), allowance.period_ms)
            if allowance.start_ms is not None:
                windows = [
                    (ms - allowance.start_ms) // allowance.period_ms for ms in (first_ms, last_ms)
                ]
                come = Fraction(allowance.rate * (windows[1] - windows[0]))
            assert j - i + 1 <= allowance.capacity + come


@given(allowances(st.integers(1, 3)), TIMES, st.data())
def test_a_wait_is_the_least_one_that_suffices(allowance, times, data):
    level = None
    for now_ms in times:
        level = allowance.level(level, now_ms)
        wanted = data.draw(st.integers(allowance.floor, allowance.full))
        wait_ms = allowance.wait_ms(level, wanted, now_ms)
        assert allowance.level(level, now_ms + wait_ms).parts >= wanted
        if wait_ms:
            assert allowance.level(level, now_ms + wait_ms - 1).parts < wanted
        full_ms = allowance.full_at_ms(level)
        assert allowance.level(level, full_ms).parts == allowance.full
        level = Level(data.draw(st.integers(allowance.floor, level.parts)), level.at_ms)


@given(allowances(), st.lists(st.integers(-200, 200), max_size=40))
def test_steps_back_of_the_clock_lose_nothing_and_grant_nothing_extra(allowance, steps):
    level = allowance.level(None, START_MS)
    now_ms, passed_ms, granted = START_MS, 0, 0
    for step in steps:
        now_ms += step
        passed_ms += max(step, 0)
        before, level = level, allowance.level(level, now_ms)
        assert level.parts >= before.parts
        granted += level.parts
        level = Level(0, level.at_ms)
    come = allowance.rate * passed_ms
    if allowance.start_ms is not None:
        come = allowance.rate * sum(step // allowance.period_ms + 1 for step in steps if step > 0)
    assert granted <= allowance.full + come


@given(allowances(), st.integers(1, 300), st.integers(0, 300))
def test_time_that_has_counted_does_not_count_again(allowance, back_ms, forth_ms):
    level, behind_ms = Level(0, START_MS), START_MS - back_ms
    behind = allowance.level(level, behind_ms)
    assert behind.parts == 0
    if back_ms <= allowance.full_at_ms(Level(allowance.floor, behind_ms)) - behind_ms:
        again = allowance.level(behind, START_MS + forth_ms)
        assert again == allowance.level(level, START_MS + forth_ms)


@given(allowances(st.integers(1, 3)), st.integers(0, 10**12))
def test_a_clock_that_was_far_ahead_holds_nobody_up_for_longer_than_filling_takes(allowance, far):
    empty = Level(allowance.floor, START_MS)
    longest_ms = allowance.full_at_ms(empty) - START_MS
    ahead = Level(allowance.floor, START_MS + far)
    level = allowance.level(ahead, START_MS)
    assert (
        allowance.wait_ms(level, allowance.full, START_MS) <= 2 * longest_ms + allowance.period_ms
    )


def test_who_declares_less_gets_less_at_once_also_while_the_clock_is_behind():
    allowance = Allowance(
        rate=2, period_ms=1000, capacity=2, max_reserved=0, shards=1, start_ms=None
    )
    assert allowance.level(Level(10**6, START_MS), START_MS - 1) == Level(2000, START_MS)


def test_windows_begin_where_they_are_said_to_begin():
    allowance = Allowance(
        rate=2, period_ms=1000, capacity=2, max_reserved=0, shards=1, start_ms=250
    )
    empty = Level(0, 10_249)
    assert allowance.level(empty, 10_249).parts == 0
    assert allowance.level(empty, 10_250).parts == 2
    assert allowance.wait_ms(empty, 1, 10_249) == 1
    assert allowance.wait_ms(Level(0, 10_250), 1, 10_250) == 1000
