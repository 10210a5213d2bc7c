"""The interval map against a list of everybody's intervals, which looks at each."""

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headwater_indexes import interval_groups, interval_tree, keys
from headwater_indexes.interval_map import IntervalMap
from headwater_indexes.interval_tree import IntervalTree
from headwater_indexes.intervals import Interval, point, whole_space

SPACES = st.sampled_from([1, 2])
# A subscriber may be anything hashable, also what looks empty or like a set of subscribers.
SUBSCRIBERS = st.sampled_from([0, 1, 2, 3, None, "", frozenset({1}), (1, 2)])
FIELDS = [None, 1, 1.5, "a", "a\0", "b", ["a"], {"a": 1}]
ROWS = st.tuples(*[st.sampled_from(FIELDS)] * 2, st.sampled_from(["", "x", "y"]))


def _interval(random: Random) -> Interval:
    """Of an index on three fields: a point, a range below an equal prefix, or another range."""
    space, row, count = random.choice([1, 2]), random.choices(FIELDS, k=3), random.randint(0, 2)
    equal = keys.encode(row[:count])
    low, high = (equal + keys.encode_value(random.choice(FIELDS)) for _ in range(2))
    return random.choice(
        [
            point(space, keys.encode(row)),
            Interval(space, equal, keys.prefix_end(equal), len(equal)),
            Interval(space, low, high, len(equal)),
            Interval(space, low, high),
            Interval(space, keys.encode(row), keys.encode(random.choices(FIELDS, k=3))),
            whole_space(space),
        ]
    )


# Drawn once: the same intervals then come again and again, which is what wants to be tested.
POOL = [_interval(Random(number)) for number in range(300)]
INTERVALS = st.sampled_from(POOL)


class IntervalMapAgainstList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.map: IntervalMap[Any] = IntervalMap()
        self.model: dict[tuple[Any, Interval], None] = {}

    @rule(subscriber=SUBSCRIBERS, interval=INTERVALS)
    def add(self, subscriber: Any, interval: Interval) -> None:
        self.map.add(subscriber, interval)
        self.model[subscriber, interval] = None

    @rule(subscriber=SUBSCRIBERS, start=st.integers(0, 299), count=st.integers(10, 150))
    def add_many(self, subscriber: Any, start: int, count: int) -> None:
        for interval in POOL[start : start + count]:
            self.add(subscriber, interval)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        subscriber, interval = data.draw(st.sampled_from(list(self.model)))
        self.map.remove(subscriber, interval)
        del self.model[subscriber, interval]

    @precondition(lambda self: self.model)
    @rule(left=st.integers(0, 12))
    def remove_all_but_a_few(self, left: int) -> None:
        for subscriber, interval in list(self.model)[left:]:
            self.map.remove(subscriber, interval)
            del self.model[subscriber, interval]
        self.map.check()

    @rule(subscriber=SUBSCRIBERS, interval=INTERVALS)
    def refuse_to_remove_what_is_not_there(self, subscriber: Any, interval: Interval) -> None:
        if (subscriber, interval) not in self.model and interval.low < interval.high:
            with pytest.raises(KeyError):
                self.map.remove(subscriber, interval)

    def _expected(self, space: int, key: bytes) -> set[Any]:
        return {
            subscriber
            for subscriber, interval in self.model
            if interval.space == space and interval.low <= key < interval.high
        }

    @rule(space=SPACES, row=ROWS)
    def touches_the_intervals_around_a_key(self, space: int, row: tuple[Any, ...]) -> None:
        key = keys.encode(row)
        assert self.map.touched(space, key) == self._expected(space, key)

    @rule(rows=st.dictionaries(st.integers(0, 2), st.lists(ROWS, max_size=4)))
    def touches_the_intervals_around_many_keys(self, rows: dict[int, list[Any]]) -> None:
        written = {space: list(map(keys.encode, of_space)) for space, of_space in rows.items()}
        expected: set[Any] = set()
        for space, of_space in written.items():
            expected.update(*(self._expected(space, key) for key in of_space))
        assert self.map.touched_many(written) == expected

    @invariant()
    def check(self) -> None:
        self.map.check()
        kept = [interval for _, interval in self.model if interval.low < interval.high]
        assert bool(self.map) == bool(kept)


TestIntervalMapAgainstList = IntervalMapAgainstList.TestCase
TestIntervalMapAgainstList.settings = settings(max_examples=40, stateful_step_count=25)

SMALL = st.integers(0, 12).map(lambda number: bytes([number]))


BOUNDS = st.tuples(SMALL, SMALL).filter(lambda bounds: bounds[0] < bounds[1])


class IntervalTreeAgainstDict(RuleBasedStateMachine):
    """With nodes of four entries a tree of some dozens has several levels."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(interval_tree, "NODE_MAX", 4)
        self.patch.setattr(interval_tree, "NODE_MIN", 2)
        self.tree = IntervalTree()
        self.model: dict[tuple[bytes, bytes], int] = {}

    def teardown(self) -> None:
        self.patch.undo()

    @rule(bounds=st.lists(BOUNDS, min_size=1, max_size=40), holder=st.integers(0, 3))
    def put(self, bounds: list[tuple[bytes, bytes]], holder: int) -> None:
        for each in bounds:
            self.tree[each] = self.model[each] = holder

    @rule(data=st.data(), count=st.integers(1, 30))
    def take_away(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.model))):
            bounds = data.draw(st.sampled_from(list(self.model)))
            del self.tree[bounds], self.model[bounds]

    @rule(bounds=BOUNDS)
    def look(self, bounds: tuple[bytes, bytes]) -> None:
        assert self.tree.get(bounds, "absent") == self.model.get(bounds, "absent")
        if bounds in self.model:
            assert self.tree[bounds] == self.model[bounds]
        else:
            with pytest.raises(KeyError):
                self.tree[bounds]
            with pytest.raises(KeyError):
                del self.tree[bounds]

    @rule(key=SMALL)
    def around(self, key: bytes) -> None:
        expected = [holder for (low, high), holder in self.model.items() if low <= key < high]
        assert sorted(map(str, self.tree.around(key))) == sorted(map(str, expected))

    @invariant()
    def check(self) -> None:
        self.tree.check()
        assert dict(self.tree.ranges()) == self.model
        assert len(self.tree) == len(self.model)


TestIntervalTreeAgainstDict = IntervalTreeAgainstDict.TestCase
TestIntervalTreeAgainstDict.settings = settings(max_examples=60, stateful_step_count=20)


@pytest.mark.parametrize("count", [60, 900])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tree_gives_back_its_ranges_in_any_order(count: int, seed: int) -> None:
    order = Random(seed).sample(range(count), count)
    tree = IntervalTree()
    ranges = [(b"%04d" % number, b"%04d" % (number + number % 7 + 1)) for number in order]
    for bounds in ranges:
        tree[bounds] = None
    tree.check()
    for gone, bounds in enumerate(ranges, 1):
        del tree[bounds]
        tree.check()
        assert [found for found, _ in tree.ranges()] == sorted(ranges[gone:])


def test_one_range_around_all_others_is_found_beside_each() -> None:
    tree = IntervalTree()
    tree[b"", b"~"] = "all"
    for number in range(1000):
        tree[b"%04d" % number, b"%04d~" % number] = number
    for number in range(1000):
        assert sorted(map(str, tree.around(b"%04d" % number))) == sorted(["all", str(number)])
    assert tree.around(b"0500~") == ["all"]
    assert tree.around(b"~") == []


def test_a_large_group_keeps_a_range_until_its_last_subscriber_leaves() -> None:
    ranges = [(bytes([number]), bytes([number + 1])) for number in range(20)]
    group: Any = interval_groups.Many(dict.fromkeys(ranges, "Ada"))
    for subscriber in ("Bob", "Cyd"):
        assert group.add(*ranges[5], subscriber) is group
    for left in ({"Bob", "Cyd"}, {"Cyd"}):
        subscriber = "Ada" if len(left) == 2 else "Bob"
        assert group.discard(*ranges[5], subscriber) is group
        found: set[str] = set()
        group.touch(b"\5", found)
        assert found == left
    group.check()


def test_a_group_changes_its_form_with_its_size() -> None:
    ranges = [(bytes([number]), bytes([number + 1])) for number in range(40)]
    group: Any = interval_groups.Single(*ranges[0], holder=0)
    forms = []
    for number, (low, high) in enumerate(ranges):
        group = group.add(low, high, number)
        group.check()
        forms.append(type(group).__name__)
    assert forms == ["Single"] + ["Few"] * 15 + ["Many"] * 24
    for number, (low, high) in enumerate(ranges[:-1]):
        group = group.discard(low, high, number)
        group.check()
        forms.append(type(group).__name__)
    assert forms[40:] == ["Many"] * 31 + ["Few"] * 7 + ["Single"]
    assert group.discard(*ranges[-1], 39) is None


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_subscriber_that_is_not_there_cannot_be_removed(count: int) -> None:
    subscriptions: IntervalMap[str] = IntervalMap()
    for number in range(count):
        subscriptions.add("Ada", Interval(1, b"", bytes([number + 1])))
    for subscriber, low in [("Bob", b""), ("Ada", b"\0x")]:
        with pytest.raises(KeyError):
            subscriptions.remove(subscriber, Interval(1, low, b"\1"))
    with pytest.raises(KeyError):
        subscriptions.remove("Ada", point(1, b"x"))
    with pytest.raises(KeyError):
        subscriptions.remove("Ada", Interval(2, b"a", b"c"))
    assert subscriptions.touched(1, b"\0") == {"Ada"}


def test_an_interval_twice_counts_once() -> None:
    subscriptions: IntervalMap[str] = IntervalMap()
    for interval in (point(1, b"a"), Interval(1, b"a", b"c"), whole_space(1)):
        subscriptions.add("Ada", interval)
        subscriptions.add("Ada", interval)
        subscriptions.remove("Ada", interval)
        assert not subscriptions


@pytest.mark.parametrize("interval", [point(1, b"a"), Interval(1, b"a", b"c"), whole_space(1)])
def test_an_interval_stays_until_its_last_subscriber_leaves(interval: Interval) -> None:
    subscriptions: IntervalMap[str] = IntervalMap()
    for subscriber in ("Ada", "Bob", "Cyd"):
        subscriptions.add(subscriber, interval)
    for subscriber, left in [("Bob", {"Ada", "Cyd"}), ("Ada", {"Cyd"}), ("Cyd", set())]:
        subscriptions.remove(subscriber, interval)
        subscriptions.check()
        assert subscriptions.touched(1, b"a") == left
    with pytest.raises(KeyError):
        subscriptions.remove("Cyd", interval)


def test_what_was_found_may_be_changed_by_the_caller() -> None:
    subscriptions: IntervalMap[str] = IntervalMap()
    for subscriber in ("Ada", "Bob"):
        subscriptions.add(subscriber, point(0, b"a"))
        subscriptions.add(subscriber, Interval(0, b"a", b"c"))
    subscriptions.touched(0, b"a").clear()
    assert subscriptions.touched(0, b"a") == {"Ada", "Bob"}
    subscriptions.check()
