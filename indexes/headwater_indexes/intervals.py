"""Intervals of keys, and sets of them: what a transaction has read.

A *space* is an int that names an ordered set of keys: 0 holds the documents by id, ``n`` holds the
entries of index number ``n``. An interval is half-open, ``[low, high)``, in one space.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

DOCUMENTS: Final = 0
"""The space of the documents."""

KEYS_END: Final = b"\xff"
"""Exclusive end of the keys of every space: all of them begin with a smaller byte."""


class Interval(NamedTuple):
    """The keys of one space from ``low`` (inclusive) to ``high`` (exclusive).

    It contains nothing if ``low >= high``; that is allowed, and every structure ignores it.

    Attributes:
        space: The space that the keys are in.
        low: First key inside.
        high: First key after it.
        prefix_length: A hint: this many leading bytes of ``low`` are whole components that each
            key inside shares (the equalities of an index range). 0 is always right.
    """

    space: int
    low: bytes
    high: bytes
    prefix_length: int = 0


def point(space: int, key: bytes) -> Interval:
    """The interval of one key."""
    return Interval(space, key, key + b"\0")


def whole_space(space: int) -> Interval:
    """The interval of every key of a space."""
    return Interval(space, b"", KEYS_END)


class IntervalSet:
    """A set of keys, kept as intervals.

    Adding is O(1): sorting and merging wait until somebody asks, and then cost O(n log n) once.
    Not safe to share between threads while it is changed.
    """

    __slots__ = ("_merged", "_pending")

    def __init__(self) -> None:
        self._pending: dict[int, set[tuple[bytes, bytes, int]]] = {}
        self._merged: dict[int, _SortedIntervals] = {}

    def add(self, interval: Interval) -> None:
        """Adds the keys of an interval. O(1)."""
        space, low, high, prefix_length = interval
        if low < high:
            pending = self._pending.get(space)
            if pending is None:
                pending = self._pending[space] = set()
            pending.add((low, high, prefix_length))

    def contains(self, space: int, key: bytes) -> bool:
        """Whether the key is inside. O(log n) once merged."""
        return self._sorted(space).contains(key)

    def intersects_sorted(self, space: int, sorted_keys: Sequence[bytes]) -> bool:
        """Whether one of the keys, which are in ascending order, is inside.

        O(m log n) for m keys and n intervals or O(n log m), whichever is less.
        """
        return self._sorted(space).intersects(sorted_keys)

    def spaces(self) -> list[int]:
        """The spaces that have keys inside, in ascending order."""
        return sorted(self._merged.keys() | self._pending.keys())

    def __iter__(self) -> Iterator[Interval]:
        """The fewest intervals that hold exactly these keys, in order of space and key."""
        for space in self.spaces():
            merged = self._sorted(space)
            for low, high, prefix_length in zip(
                merged.lows, merged.highs, merged.prefix_lengths, strict=True
            ):
                yield Interval(space, low, high, prefix_length)

    def __len__(self) -> int:
        """The number of intervals that iteration gives."""
        return sum(len(self._sorted(space).lows) for space in self.spaces())

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)!r})"

    def check(self) -> None:
        """Asserts every invariant. O(n log n)."""
        for space in self.spaces():
            self._sorted(space).check()

    def _sorted(self, space: int) -> "_SortedIntervals":
        merged = self._merged.get(space) or _EMPTY
        pending = self._pending.pop(space, None)
        if pending is not None:
            pending.update(zip(merged.lows, merged.highs, merged.prefix_lengths, strict=True))
            merged = self._merged[space] = _SortedIntervals(pending)
        return merged


class _SortedIntervals:
    """Disjoint intervals of one space that do not touch, in order."""

    __slots__ = ("highs", "lows", "prefix_lengths")

    def __init__(self, intervals: set[tuple[bytes, bytes, int]]) -> None:
        self.lows: list[bytes] = []
        self.highs: list[bytes] = []
        self.prefix_lengths: list[int] = []
        for low, high, prefix_length in sorted(intervals):
            if self.highs and low <= self.highs[-1]:
                self._extend(low, high, prefix_length)
            else:
                self.lows.append(low)
                self.highs.append(high)
                self.prefix_lengths.append(prefix_length)

    def _extend(self, low: bytes, high: bytes, prefix_length: int) -> None:
        # The shorter of the two prefixes holds for both if it is the beginning of both.
        length = min(self.prefix_lengths[-1], prefix_length)
        shared = low[:length] == self.lows[-1][:length]
        self.prefix_lengths[-1] = length if shared else 0
        self.highs[-1] = max(self.highs[-1], high)

    def contains(self, key: bytes) -> bool:
        position = bisect_right(self.lows, key)
        return position > 0 and key < self.highs[position - 1]

    def intersects(self, sorted_keys: Sequence[bytes]) -> bool:
        if len(sorted_keys) <= len(self.lows):
            return any(map(self.contains, sorted_keys))
        for low, high in zip(self.lows, self.highs, strict=True):
            position = bisect_left(sorted_keys, low)
            if position < len(sorted_keys) and sorted_keys[position] < high:
                return True
        return False

    def check(self) -> None:
        assert len(self.lows) == len(self.highs) == len(self.prefix_lengths)
        for low, high, length in zip(self.lows, self.highs, self.prefix_lengths, strict=True):
            assert low < high, f"an empty interval is kept: {low!r} to {high!r}"
            assert 0 <= length <= len(low), f"the prefix is longer than {low!r}: {length}"
        for high, low in zip(self.highs, self.lows[1:], strict=False):
            assert high < low, f"two intervals touch at {low!r}"


_EMPTY: Final = _SortedIntervals(set())
