"""A treap of intervals: which of many, with one low and one high end each, are around a key?

A binary tree ordered by ``(low, high)`` and a heap by random priorities, so that it is about
``2 log2(n)`` deep; each node knows how far its subtree reaches. Seidel and Aragon, *Randomized
Search Trees*, 1996; the reach is the augmentation of Cormen et al., *Algorithms*, section 14.3.
"""

from collections.abc import Iterator
from typing import TypeAlias, cast

Range: TypeAlias = tuple[bytes, bytes]
"""The keys from the first (inclusive) to the second (exclusive)."""


class IntervalTreap:
    """Distinct ranges, each with a holder: any object, kept for the caller.

    `around` is O(log n + found) in practice; the others are O(log n) expected.
    """

    __slots__ = ("_count", "_root", "_seed")

    def __init__(self) -> None:
        self._count = 0
        self._root: Node | None = None
        self._seed = 1

    def find(self, low: bytes, high: bytes) -> "Node | None":
        """The node of a range, whose holder may be replaced."""
        node = self._root
        while node is not None and (node.low, node.high) != (low, high):
            node = node.left if (low, high) < (node.low, node.high) else node.right
        return node

    def insert(self, low: bytes, high: bytes, holder: object) -> None:
        """Adds a range that is not there."""
        self._count += 1
        self._root = _insert(self._root, Node(low, high, holder, self._next_priority()))

    def remove(self, low: bytes, high: bytes) -> None:
        """Removes a range that is there."""
        self._count -= 1
        self._root = _remove(cast("Node", self._root), low, high)

    def around(self, key: bytes) -> list[object]:
        """The holders of the ranges that contain the key, in no order."""
        found: list[object] = []
        # Only nodes whose subtree reaches beyond the key are ever on the stack.
        stack = [self._root] if self._root is not None and self._root.reach > key else []
        while stack:
            node = stack.pop()
            left = node.left
            if left is not None and left.reach > key:
                stack.append(left)
            if node.low <= key:
                if key < node.high:
                    found.append(node.holder)
                right = node.right
                if right is not None and right.reach > key:
                    stack.append(right)
        return found

    def ranges(self) -> Iterator[tuple[Range, object]]:
        """Ranges and holders in order of range."""
        stack: list[Node] = []
        node = self._root
        while stack or node is not None:
            while node is not None:
                stack.append(node)
                node = node.left
            node = stack.pop()
            yield (node.low, node.high), node.holder
            node = node.right

    def __len__(self) -> int:
        return self._count

    def check(self) -> None:
        """Asserts every invariant. O(n)."""
        in_order = [bounds for bounds, _ in self.ranges()]
        assert in_order == sorted(set(in_order)), "the ranges are out of order"
        assert len(in_order) == self._count, f"{len(in_order)} ranges, counted {self._count}"
        if self._root is not None:
            _check(self._root)

    def _next_priority(self) -> int:
        # Knuth's generator: the shape need only be uncorrelated with the order of the keys, and
        # it is the same each time.
        self._seed = (self._seed * 6364136223846793005 + 1442695040888963407) & 2**64 - 1
        return self._seed >> 32


class Node:
    """A range in the treap. ``reach`` is the largest ``high`` in the subtree."""

    __slots__ = ("high", "holder", "left", "low", "priority", "reach", "right")

    def __init__(self, low: bytes, high: bytes, holder: object, priority: int) -> None:
        self.low = low
        self.high = high
        self.reach = high
        self.holder = holder
        self.priority = priority
        self.left: Node | None = None
        self.right: Node | None = None

    def update_reach(self) -> None:
        """To be called when a child or its reach has changed."""
        reach = self.high
        if self.left is not None and self.left.reach > reach:
            reach = self.left.reach
        if self.right is not None and self.right.reach > reach:
            reach = self.right.reach
        self.reach = reach


def _insert(node: Node | None, new: Node) -> Node:
    """The subtree with a new node. As deep as the tree, which is about 2 log2(n)."""
    if node is None:
        return new
    if new.priority > node.priority:
        new.left, new.right = _split(node, new.low, new.high)
        new.update_reach()
        return new
    if (new.low, new.high) < (node.low, node.high):
        node.left = _insert(node.left, new)
    else:
        node.right = _insert(node.right, new)
    node.reach = max(node.reach, new.high)
    return node


def _split(node: Node | None, low: bytes, high: bytes) -> tuple[Node | None, Node | None]:
    """The nodes before a range and those after it."""
    if node is None:
        return None, None
    if (node.low, node.high) < (low, high):
        node.right, after = _split(node.right, low, high)
        node.update_reach()
        return node, after
    before, node.left = _split(node.left, low, high)
    node.update_reach()
    return before, node


def _remove(node: Node, low: bytes, high: bytes) -> Node | None:
    """The subtree without the node of a range, which is in it."""
    if (low, high) == (node.low, node.high):
        return _merge(node.left, node.right)
    if (low, high) < (node.low, node.high):
        node.left = _remove(cast("Node", node.left), low, high)
    else:
        node.right = _remove(cast("Node", node.right), low, high)
    node.update_reach()
    return node


def _merge(before: Node | None, after: Node | None) -> Node | None:
    if before is None or after is None:
        return before or after
    if before.priority > after.priority:
        before.right = _merge(before.right, after)
        before.update_reach()
        return before
    after.left = _merge(before, after.left)
    after.update_reach()
    return after


def _check(node: Node) -> None:
    assert node.low < node.high, "an empty range is kept"
    children = [child for child in (node.left, node.right) if child is not None]
    assert node.reach == max([node.high, *(child.reach for child in children)]), "a wrong reach"
    for child in children:
        assert child.priority <= node.priority, "a child has a higher priority"
        _check(child)
