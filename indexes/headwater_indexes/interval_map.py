"""Who reads this key? Many subscribers, each with intervals, found by the keys that changed.

Live queries depend on few keys each, and there may be a million of them. Three structures share
the work, by what an interval looks like:

- One key (a document by id): a dict from the key to its subscriber.
- A range below equal leading components (one channel's messages): a dict from those components
  to a small group of ranges. A changed key is cut after as many components as are in use in its
  space, so the lookup does not grow with the number of subscribers.
- Any other range: one group for the whole space.

A group grows from one range to a few and then to a tree: ``interval_groups``.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from headwater_indexes.interval_groups import (
    Group,
    Single,
    check_holder,
    collect,
    join,
    leave,
)
from headwater_indexes.intervals import KEYS_END, Interval
from headwater_indexes.keys import component_count, component_ends, prefix_end

S = TypeVar("S")


class IntervalMap(Generic[S]):
    """Subscribers by the intervals that they depend on.

    A subscriber is any hashable object; small ints take the least memory, and less than 500 bytes
    go to each. One subscriber may have many intervals; the same interval twice counts once.
    Intervals that contain nothing are accepted and ignored. Not safe to share between threads
    while it is changed.
    """

    __slots__ = ("_spaces",)

    def __init__(self) -> None:
        self._spaces: dict[int, _Space[S]] = {}

    def add(self, subscriber: S, interval: Interval) -> None:
        """Adds an interval of a subscriber. O(log n)."""
        if interval.low < interval.high:
            space = self._spaces.get(interval.space)
            if space is None:
                space = self._spaces[interval.space] = _Space()
            space.add(subscriber, interval)

    def remove(self, subscriber: S, interval: Interval) -> None:
        """Removes an interval that was added, given as it was then. O(log n).

        Raises:
            KeyError: The subscriber does not have this interval.
        """
        if interval.low < interval.high:
            space = self._spaces[interval.space]
            space.remove(subscriber, interval)
            if not space:
                del self._spaces[interval.space]

    def touched(self, space: int, key: bytes) -> set[S]:
        """The subscribers that have an interval around a key. O(log n + found)."""
        found: set[S] = set()
        known = self._spaces.get(space)
        if known is not None:
            known.touch(key, found)
        return found

    def touched_many(self, keys: Mapping[int, Iterable[bytes]]) -> set[S]:
        """The subscribers that have an interval around any of the keys, given by space."""
        found: set[S] = set()
        for space, keys_of_space in keys.items():
            known = self._spaces.get(space)
            if known is not None:
                for key in keys_of_space:
                    known.touch(key, found)
        return found

    def __bool__(self) -> bool:
        return bool(self._spaces)

    def check(self) -> None:
        """Asserts every invariant. O(n)."""
        for space in self._spaces.values():
            assert space, "an empty space is kept"
            space.check()


class _Space(Generic[S]):
    """The intervals of one space."""

    __slots__ = ("deepest", "points", "ranges")

    def __init__(self) -> None:
        self.points: dict[bytes, object] = {}
        # By the number of equal components, then by these components; 0 has one group, at b"".
        self.ranges: dict[int, dict[bytes, Group[S]]] = {}
        self.deepest = 0

    def __bool__(self) -> bool:
        return bool(self.points or self.ranges)

    def add(self, subscriber: S, interval: Interval) -> None:
        if _is_point(interval):
            key = interval.low
            holder = self.points.get(key, subscriber)
            self.points[key] = join(holder, subscriber)
            return
        count, prefix = _prefix_of(interval)
        groups = self.ranges.get(count)
        if groups is None:
            groups = self.ranges[count] = {}
            self.deepest = max(self.ranges)
        group = groups.get(prefix)
        low, high = _within(interval, prefix)
        if group is None:
            groups[prefix] = Single(low, high, subscriber)
        else:
            groups[prefix] = group.add(low, high, subscriber)

    def remove(self, subscriber: S, interval: Interval) -> None:
        if _is_point(interval):
            self._remove_point(subscriber, interval.low)
            return
        count, prefix = _prefix_of(interval)
        groups = self.ranges[count]
        group = groups[prefix].discard(*_within(interval, prefix), subscriber)
        if group is not None:
            groups[prefix] = group
            return
        del groups[prefix]
        if not groups:
            del self.ranges[count]
            self.deepest = max(self.ranges, default=0)

    def _remove_point(self, subscriber: S, key: bytes) -> None:
        holder, is_empty = leave(self.points[key], subscriber)
        if is_empty:
            del self.points[key]
        else:
            self.points[key] = holder

    def touch(self, key: bytes, found: set[S]) -> None:
        if key in self.points:
            collect(self.points[key], found)
        if not self.ranges:
            return
        ends = component_ends(key, self.deepest) if self.deepest else ()
        for count, groups in self.ranges.items():
            group = groups.get(key[: ends[count - 1]] if count else b"")
            if group is not None:
                group.touch(key, found)

    def check(self) -> None:
        for holder in self.points.values():
            check_holder(holder)
        assert self.deepest == max(self.ranges, default=0), "the deepest prefix is wrong"
        for count, groups in self.ranges.items():
            assert groups, f"no groups with prefixes of {count} components are kept"
            for prefix, group in groups.items():
                _check_group(count, prefix, group)


def _check_group(count: int, prefix: bytes, group: Group[S]) -> None:
    assert component_ends(prefix, count)[-1:] == ([len(prefix)] if count else [])
    group.check()
    for (low, _), _holder in group.ranges():
        assert low.startswith(prefix), f"{low!r} is not below its prefix {prefix!r}"


def _is_point(interval: Interval) -> bool:
    low, high = interval.low, interval.high
    return len(high) == len(low) + 1 and high[-1] == 0 and high.startswith(low)


def _prefix_of(interval: Interval) -> tuple[int, bytes]:
    """The equal components of an interval: how many, and their bytes."""
    prefix = interval.low[: interval.prefix_length]
    return component_count(prefix), prefix


def _within(interval: Interval, prefix: bytes) -> tuple[bytes, bytes]:
    """The bounds of an interval among keys that all begin with its prefix.

    Where they are those of the prefix itself, they are objects that are there anyway: an object
    less in memory, and one less to look at.
    """
    low = prefix if interval.low == prefix else interval.low
    return low, KEYS_END if interval.high == prefix_end(prefix) else interval.high
