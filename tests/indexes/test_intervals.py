"""Sets of intervals against a set of keys: all keys are drawn from a small world."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headwater_indexes import keys
from headwater_indexes.intervals import Interval, IntervalSet, point, whole_space

# Every key of up to three of these bytes: enough for intervals that touch, overlap and nest.
LETTERS = [b"\0", b"a", b"b", b"c"]
WORLD = sorted({a + b + c for a in [b"", *LETTERS] for b in [b"", *LETTERS] for c in LETTERS})
KEYS = st.sampled_from(WORLD)
SPACES = st.integers(0, 1)


def intervals() -> st.SearchStrategy[Interval]:
    """Also empty ones and points."""
    ranges = st.builds(Interval, SPACES, KEYS, KEYS, st.just(0))
    return ranges | st.builds(point, SPACES, KEYS) | SPACES.map(whole_space)


def _inside(interval: Interval) -> set[tuple[int, bytes]]:
    return {(interval.space, key) for key in WORLD if interval.low <= key < interval.high}


class IntervalSetAgainstKeys(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.intervals = IntervalSet()
        self.model: set[tuple[int, bytes]] = set()

    @rule(interval=intervals())
    def add(self, interval: Interval) -> None:
        self.intervals.add(interval)
        self.model |= _inside(interval)

    @rule(space=SPACES, key=KEYS)
    def contains_what_was_added(self, space: int, key: bytes) -> None:
        assert self.intervals.contains(space, key) == ((space, key) in self.model)

    @rule(space=SPACES, sorted_keys=st.lists(KEYS, max_size=6).map(sorted))
    def intersects_where_a_key_is_inside(self, space: int, sorted_keys: list[bytes]) -> None:
        expected = any((space, key) in self.model for key in sorted_keys)
        assert self.intervals.intersects_sorted(space, sorted_keys) == expected

    @rule()
    def iterates_over_the_fewest_intervals_in_order(self) -> None:
        found = list(self.intervals)
        assert found == sorted(found)
        assert len(self.intervals) == len(found)
        assert set().union(*map(_inside, found)) == self.model
        for before, after in itertools.pairwise(found):
            assert before.space < after.space or before.high < after.low
        assert {space for space, _ in self.model} <= set(self.intervals.spaces())

    @invariant()
    def check(self) -> None:
        self.intervals.check()


TestIntervalSetAgainstKeys = IntervalSetAgainstKeys.TestCase

ROWS = st.lists(st.sampled_from(["a", "b", 1, None]), min_size=2, max_size=2)


@st.composite
def prefixed_intervals(draw: st.DrawFn) -> Interval:
    """Ranges of an index on two fields, with the length of the equal components as hint."""
    equal = keys.encode(draw(ROWS)[: draw(st.integers(0, 2))])
    low, high = (equal + keys.encode(draw(ROWS)[: draw(st.integers(0, 2))]) for _ in range(2))
    high = draw(st.sampled_from([high, keys.prefix_end(high), keys.prefix_end(equal)]))
    return Interval(1, low, high, len(equal))


@given(st.lists(prefixed_intervals()), ROWS)
def test_a_merged_interval_keeps_a_prefix_that_its_keys_share(
    several: list[Interval], row: list[Any]
) -> None:
    merged = IntervalSet()
    for interval in several:
        merged.add(interval)
    merged.check()
    key = keys.encode(row)
    for _, low, high, length in merged:
        if low <= key < high:
            assert key.startswith(low[:length])
            assert length in {0, *keys.component_ends(key, 2)}


def test_intervals_that_share_a_prefix_merge_and_keep_it() -> None:
    merged = IntervalSet()
    for low, high in [(b"p1", b"p3"), (b"p2", b"p5"), (b"p5", b"p6"), (b"p8", b"p9")]:
        merged.add(Interval(1, low, high, 1))
    merged.add(Interval(2, b"a", b"b", 1))
    assert list(merged) == [
        Interval(1, b"p1", b"p6", 1),
        Interval(1, b"p8", b"p9", 1),
        Interval(2, b"a", b"b", 1),
    ]
    assert merged.spaces() == [1, 2]


def test_intervals_that_touch_merge_and_lose_a_prefix_that_they_do_not_share() -> None:
    merged = IntervalSet()
    merged.add(Interval(1, b"a5", b"b", 1))
    merged.add(Interval(1, b"b", b"b5", 1))
    assert list(merged) == [Interval(1, b"a5", b"b5", 0)]


def test_few_intervals_and_many_keys_are_compared_the_other_way_round() -> None:
    few = IntervalSet()
    few.add(Interval(1, b"c", b"e"))
    few.add(Interval(1, b"g", b"h"))
    assert few.intersects_sorted(1, [b"a", b"b", b"d", b"x"])
    assert few.intersects_sorted(1, [b"a", b"b", b"f", b"g"])
    assert not few.intersects_sorted(1, [b"a", b"b", b"e", b"f", b"h"])
    assert not few.intersects_sorted(1, [b"a", b"b", b"bb"])


def test_an_empty_set_says_so() -> None:
    empty = IntervalSet()
    empty.add(Interval(1, b"b", b"a"))
    empty.add(Interval(1, b"a", b"a"))
    assert list(empty) == []
    assert len(empty) == 0
    assert not empty.contains(1, b"a")
    assert not empty.intersects_sorted(1, [b"a"])
    assert not empty.intersects_sorted(1, [])
    assert repr(empty) == "IntervalSet([])"
