"""Ranges of keys with their subscribers, in the form that suits their number.

One range is an object of its own (`Single`), up to 16 are a dict (`Few`), more are a tree
(`Many`). Each answers the same calls; `add` and `discard` give back the group that
takes its place, which is itself or another form. ``interval_map`` puts them together.

A *holder* is what a range is kept with: a bare subscriber, or a ``set`` of several. A subscriber
is hashable, so it is never a ``set`` itself.
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from headwater_indexes.interval_tree import IntervalTree, Range

S = TypeVar("S")

FEW_MAX: Final = 16
"""Ranges in a group before it becomes a tree: up to here looking at each is as fast."""

FEW_AGAIN: Final = 8
"""Ranges at which a tree becomes a dict again; lower, so that a group does not flutter."""


class Group(Protocol[S]):
    """Ranges with their subscribers."""

    def add(self, low: bytes, high: bytes, subscriber: S) -> "Group[S]":
        """Adds a subscriber to a range."""
        ...

    def discard(self, low: bytes, high: bytes, subscriber: S) -> "Group[S] | None":
        """Removes a subscriber from a range; None if nothing is left. KeyError if absent."""
        ...

    def touch(self, key: bytes, found: set[S]) -> None:
        """Adds the subscribers of the ranges around ``key`` to ``found``."""
        ...

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """The distinct ranges and their holders."""
        ...

    def check(self) -> None:
        """Asserts every invariant. O(n)."""
        ...


def join(holder: object, subscriber: object) -> object:
    """The holder with one subscriber more."""
    if type(holder) is set:
        cast("set[object]", holder).add(subscriber)
        return cast("set[object]", holder)
    return holder if holder == subscriber else {holder, subscriber}


def leave(holder: object, subscriber: object) -> tuple[object, bool]:
    """The holder with one subscriber less, and whether it is now empty.

    Raises:
        KeyError: The subscriber is not there.
    """
    if type(holder) is set:
        several = cast("set[object]", holder)
        several.remove(subscriber)
        return (several.pop() if len(several) == 1 else several), False
    if holder != subscriber:
        raise KeyError(subscriber)
    return None, True


def collect(holder: object, found: set[Any]) -> None:
    """Adds the subscribers of a holder to ``found``."""
    if type(holder) is set:
        found |= cast("set[object]", holder)
    else:
        found.add(holder)


def check_holder(holder: object) -> None:
    """Asserts that a set is only used for several."""
    assert type(holder) is not set or len(cast("set[object]", holder)) > 1, (
        f"a set of one or none: {holder!r}"
    )


class Single(Generic[S]):
    """One range: most groups have no more, so this is as small as it can be."""

    __slots__ = ("high", "holder", "low")

    def __init__(self, low: bytes, high: bytes, holder: object) -> None:
        self.low = low
        self.high = high
        self.holder = holder

    def add(self, low: bytes, high: bytes, subscriber: S) -> Group[S]:
        """O(1)."""
        if (low, high) == (self.low, self.high):
            self.holder = join(self.holder, subscriber)
            return self
        return Few({(self.low, self.high): self.holder, (low, high): subscriber})

    def discard(self, low: bytes, high: bytes, subscriber: S) -> Group[S] | None:
        """O(1)."""
        if (low, high) != (self.low, self.high):
            raise KeyError((low, high))
        self.holder, is_empty = leave(self.holder, subscriber)
        return None if is_empty else self

    def touch(self, key: bytes, found: set[S]) -> None:
        """O(1)."""
        if self.low <= key < self.high:
            collect(self.holder, found)

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """In no order."""
        yield (self.low, self.high), self.holder

    def check(self) -> None:
        """O(1)."""
        assert self.low < self.high, "an empty range is kept"
        check_holder(self.holder)


class Few(Generic[S]):
    """Several ranges, each of which is looked at."""

    __slots__ = ("holders",)

    def __init__(self, holders: dict[Range, object]) -> None:
        self.holders = holders

    def add(self, low: bytes, high: bytes, subscriber: S) -> Group[S]:
        """O(1)."""
        holders = self.holders
        if (low, high) in holders:
            holders[low, high] = join(holders[low, high], subscriber)
        elif len(holders) < FEW_MAX:
            holders[low, high] = subscriber
        else:
            return Many[S](holders).add(low, high, subscriber)
        return self

    def discard(self, low: bytes, high: bytes, subscriber: S) -> Group[S] | None:
        """O(1)."""
        holders = self.holders
        holder, is_empty = leave(holders[low, high], subscriber)
        if not is_empty:
            holders[low, high] = holder
            return self
        del holders[low, high]
        if len(holders) > 1:
            return self
        ((low, high), holder), *_ = holders.items()
        return Single(low, high, holder)

    def touch(self, key: bytes, found: set[S]) -> None:
        """O(n) for at most 16."""
        for (low, high), holder in self.holders.items():
            if low <= key < high:
                collect(holder, found)

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """In no order."""
        yield from self.holders.items()

    def check(self) -> None:
        """O(n) for at most 16."""
        assert 1 < len(self.holders) <= FEW_MAX, f"{len(self.holders)} ranges in a small group"
        for (low, high), holder in self.holders.items():
            assert low < high, "an empty range is kept"
            check_holder(holder)


class Many(Generic[S]):
    """Too many ranges to look at each."""

    __slots__ = ("tree",)

    def __init__(self, holders: dict[Range, object]) -> None:
        self.tree = IntervalTree()
        for bounds, holder in holders.items():
            self.tree[bounds] = holder

    def add(self, low: bytes, high: bytes, subscriber: S) -> Group[S]:
        """O(log n)."""
        holder = self.tree.get((low, high), subscriber)
        self.tree[low, high] = join(holder, subscriber)
        return self

    def discard(self, low: bytes, high: bytes, subscriber: S) -> Group[S] | None:
        """O(log n)."""
        holder, is_empty = leave(self.tree[low, high], subscriber)
        if not is_empty:
            self.tree[low, high] = holder
            return self
        del self.tree[low, high]
        return Few(dict(self.ranges())) if len(self.tree) <= FEW_AGAIN else self

    def touch(self, key: bytes, found: set[S]) -> None:
        """O(log n) for each that is found."""
        for holder in self.tree.around(key):
            collect(holder, found)

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """In order of range."""
        return self.tree.ranges()

    def check(self) -> None:
        """O(n)."""
        assert len(self.tree) > FEW_AGAIN, f"{len(self.tree)} ranges in a tree"
        self.tree.check()
        for _bounds, holder in self.tree.ranges():
            check_holder(holder)
