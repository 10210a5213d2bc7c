"""A tree of intervals: which of many, with one low and one high end each, are around a key?

A B-tree ordered by ``(low, high)`` in which each entry knows how far anything below it reaches.
Bayer and McCreight, *Organization and Maintenance of Large Ordered Indexes*, 1972; the reach is the
augmentation of Cormen et al., *Algorithms*, section 14.3. Among a million ranges what a look costs
is memory that no cache holds, of which wide nodes need less than a binary tree does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, TypeAlias

Range: TypeAlias = tuple[bytes, bytes]
"""The keys from the first (inclusive) to the second (exclusive)."""

NODE_MAX: Final = 128
"""Entries of a node before it is split in two."""

NODE_MIN: Final = NODE_MAX // 4
"""Entries below which a node is joined with a neighbour; less than a half, so that a node that was
just split is not joined again."""


class IntervalTree:
    """A mapping of ranges to holders, each any object, that finds the ranges around a key.

    `around` is O(log n) for each range that it finds, as are the other calls.
    """

    __slots__ = ("_count", "_root")

    def __init__(self) -> None:
        self._count = 0
        self._root = _Node(is_leaf=True)

    def __getitem__(self, bounds: Range) -> object:
        leaf, at = self._leaf_of(bounds, [])
        if not leaf.is_at(at, bounds):
            raise KeyError(bounds)
        return leaf.items[at]

    def get(self, bounds: Range, default: object) -> object:
        """The holder of a range, or ``default``."""
        leaf, at = self._leaf_of(bounds, [])
        return leaf.items[at] if leaf.is_at(at, bounds) else default

    def __setitem__(self, bounds: Range, holder: object) -> None:
        path: list[_Step] = []
        leaf, at = self._leaf_of(bounds, path)
        if leaf.is_at(at, bounds):
            leaf.items[at] = holder
            return
        self._count += 1
        leaf.insert(at, bounds, bounds[1], holder)
        for parent, place in reversed(path):
            parent.child_has_grown(place)
        if len(self._root.items) > NODE_MAX:
            top = _Node(is_leaf=False)
            top.insert_child(0, self._root)
            top.child_has_grown(0)
            self._root = top

    def __delitem__(self, bounds: Range) -> None:
        path: list[_Step] = []
        leaf, at = self._leaf_of(bounds, path)
        if not leaf.is_at(at, bounds):
            raise KeyError(bounds)
        self._count -= 1
        leaf.delete(at)
        for parent, place in reversed(path):
            parent.child_has_shrunk(place)
        if not self._root.is_leaf and len(self._root.items) == 1:
            (self._root,) = self._root.items

    def around(self, key: bytes) -> list[object]:
        """The holders of the ranges that contain the key, in no order."""
        found: list[object] = []
        stack = [self._root]
        while stack:
            node = stack.pop()
            into: list[Any] = found if node.is_leaf else stack
            tops, reaches = node.tops, node.reaches
            at = bisect_right(node.lows, key) - 1
            while at >= 0 and tops[at] > key:
                if reaches[at] > key:
                    into.append(node.items[at])
                at -= 1
        return found

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """Ranges and holders in order of range."""
        return self._root.ranges()

    def __len__(self) -> int:
        return self._count

    def check(self) -> None:
        """Asserts every invariant. O(n)."""
        bounds = [found for found, _ in self.ranges()]
        assert bounds == sorted(set(bounds)), "the ranges are out of order"
        assert len(bounds) == self._count, f"{len(bounds)} ranges, counted {self._count}"
        self._root.check()
        assert self._root.is_leaf or len(self._root.items) > 1, "the root has one child"

    def _leaf_of(self, bounds: Range, path: "list[_Step]") -> "tuple[_Node, int]":
        """The leaf that a range is in or belongs into, and where; ``path`` gets the way there."""
        node = self._root
        at = node.place_of(bounds)
        while not node.is_leaf:
            if not node.is_at(at, bounds):
                at = max(0, at - 1)
            path.append((node, at))
            node = node.items[at]
            at = node.place_of(bounds)
        return node, at


class _Node:
    """Entries side by side, in order: of a leaf ranges, else nodes.

    Attributes:
        lows: Where each range begins, or the first below each node.
        highs: Where that range ends.
        reaches: Up to where anything of each entry goes; of a leaf the same list as ``highs``.
        tops: Up to where anything of it and of the entries before it goes.
        items: Holders, or nodes.
    """

    __slots__ = ("highs", "is_leaf", "items", "lows", "reaches", "tops")

    def __init__(self, *, is_leaf: bool) -> None:
        self.is_leaf = is_leaf
        self.lows: list[bytes] = []
        self.highs: list[bytes] = []
        self.reaches: list[bytes] = self.highs if is_leaf else []
        self.tops: list[bytes] = []
        self.items: list[Any] = []

    def place_of(self, bounds: Range) -> int:
        """How many entries come before a range."""
        low, high = bounds
        first = bisect_left(self.lows, low)
        if first == len(self.lows) or self.lows[first] != low:
            return first
        return bisect_left(self.highs, high, first, bisect_right(self.lows, low, first))

    def is_at(self, at: int, bounds: Range) -> bool:
        """Whether this is the range of an entry, or the first below it."""
        return at < len(self.lows) and (self.lows[at], self.highs[at]) == bounds

    def insert(self, at: int, bounds: Range, reach: bytes, item: object) -> None:
        """Puts an entry before another one."""
        self.lows.insert(at, bounds[0])
        self.highs.insert(at, bounds[1])
        if not self.is_leaf:
            self.reaches.insert(at, reach)
        self.items.insert(at, item)
        self.tops.insert(at, b"")
        self._mend_tops(at)

    def insert_child(self, at: int, child: "_Node") -> None:
        """Puts a node before another one."""
        self.insert(at, (child.lows[0], child.highs[0]), child.tops[-1], child)

    def delete(self, at: int) -> None:
        """Takes an entry away."""
        for column in self.columns():
            del column[at]
        self._mend_tops(at)

    def child_has_grown(self, at: int) -> None:
        """To be called after an insertion into a child: splits it if it is too large."""
        child = self.items[at]
        if len(child.items) > NODE_MAX:
            self.insert_child(at + 1, child.split())
        self._describe(at)

    def child_has_shrunk(self, at: int) -> None:
        """To be called after a deletion from a child: joins it with another if it is too small."""
        if len(self.items[at].items) >= NODE_MIN:
            self._describe(at)
            return
        at = max(0, at - 1)
        self.items[at].extend(self.items[at + 1])
        self.delete(at + 1)
        self.child_has_grown(at)

    def split(self) -> "_Node":
        """Gives its second half away, as a new node."""
        half = len(self.items) // 2
        other = _Node(is_leaf=self.is_leaf)
        for mine, its in zip(self.columns(), other.columns(), strict=True):
            its.extend(mine[half:])
            del mine[half:]
        other.tops[:] = other.tops_from(0)
        return other

    def extend(self, other: "_Node") -> None:
        """Takes the entries of the next node."""
        count = len(self.items)
        for mine, its in zip(self.columns(), other.columns(), strict=True):
            mine.extend(its)
        self.tops[count:] = self.tops_from(count)

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """The ranges below, with their holders, in order."""
        if self.is_leaf:
            yield from zip(zip(self.lows, self.highs, strict=True), self.items, strict=True)
        else:
            for child in self.items:
                yield from child.ranges()

    def columns(self) -> list[list[Any]]:
        """Every list that has a place for each entry."""
        columns: list[list[Any]] = [self.lows, self.highs, self.tops, self.items]
        return columns if self.is_leaf else [*columns, self.reaches]

    def _describe(self, at: int) -> None:
        """Says anew what is below an entry."""
        child: _Node = self.items[at]
        self.lows[at], self.highs[at] = child.lows[0], child.highs[0]
        self.reaches[at] = child.tops[-1]
        self._mend_tops(at)

    def _mend_tops(self, at: int) -> None:
        """Corrects ``tops`` after one entry has come, gone, or changed its reach."""
        top = self.tops[at - 1] if at else b""
        for place in range(at, len(self.tops)):
            top = max(top, self.reaches[place])
            if self.tops[place] == top:
                return  # and so all that follow it stay as they are
            self.tops[place] = top

    def tops_from(self, at: int) -> list[bytes]:
        """What ``tops`` has to be from an entry on."""
        before = self.tops[at - 1] if at else b""
        return list(accumulate(self.reaches[at:], max, initial=before))[1:]

    def check(self) -> int:
        """Asserts every invariant; returns how many levels there are."""
        assert self.tops == self.tops_from(0), "a top is wrong"
        assert all(low < high for low, high in zip(self.lows, self.highs, strict=True))
        if self.is_leaf:
            assert self.reaches is self.highs
            return 1
        levels: set[int] = {child.check() for child in self.items}
        assert len(levels) == 1, f"leaves lie {sorted(levels)} levels below one node"
        for at, child in enumerate(self.items):
            assert NODE_MIN <= len(child.items) <= NODE_MAX, f"a node of {len(child.items)}"
            assert (self.lows[at], self.highs[at]) == (child.lows[0], child.highs[0])
            assert self.reaches[at] == child.tops[-1], "a wrong reach"
        return levels.pop() + 1


_Step: TypeAlias = tuple[_Node, int]
"""A node on the way to a leaf, and which of its entries leads there."""
