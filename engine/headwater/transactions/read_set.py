"""What a transaction has read: points and ranges, exactly as far as they were consumed."""

from collections.abc import Iterator

from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.commit_keys import CommitKeys
from headwater_indexes.intervals import Interval, point


class RangeRead:
    """One range that is being read, or was.

    ``last`` is the last key handed to the caller, ``exhausted`` whether the end was seen. What was
    never handed out is no dependency, so a ``take(10)`` does not conflict with an eleventh row.
    """

    __slots__ = ("exhausted", "high", "last", "low", "prefix_length", "reverse", "space")

    def __init__(
        self, space: int, low: bytes, high: bytes, prefix_length: int, *, reverse: bool
    ) -> None:
        self.space: int = space
        self.low: bytes = low
        self.high: bytes = high
        self.prefix_length: int = prefix_length
        self.reverse: bool = reverse
        self.last: bytes | None = None
        self.exhausted: bool = False

    def consumed(self) -> tuple[bytes, bytes] | None:
        """Bounds of what was consumed, half-open; None if nothing was."""
        if self.exhausted:
            return (self.low, self.high)
        if self.last is None:
            return None
        if self.reverse:
            return (self.last, self.high)
        return (self.low, self.last + b"\x00")


class ReadSet:
    """The dependencies of one transaction.

    Attributes:
        points: Keys of single documents.
        ranges: Ranges, as far as they were consumed.
        own_commits: Timestamps of commits made on behalf of the transaction; no conflict with it.
    """

    __slots__ = ("own_commits", "points", "ranges")

    def __init__(self) -> None:
        self.own_commits: set[int] = set()
        self.points: set[bytes] = set()
        self.ranges: list[RangeRead] = []

    def __len__(self) -> int:
        return len(self.points) + len(self.ranges)

    def open_range(
        self, space: int, low: bytes, high: bytes, prefix_length: int, *, reverse: bool
    ) -> RangeRead:
        """Begin a range; the reader moves its ``last`` as it consumes."""
        read = RangeRead(space, low, high, prefix_length, reverse=reverse)
        self.ranges.append(read)
        return read

    def add_range(self, space: int, low: bytes, high: bytes, prefix_length: int) -> None:
        """Depend on the whole of a range."""
        self.open_range(space, low, high, prefix_length, reverse=False).exhausted = True

    def intervals(self) -> Iterator[Interval]:
        """Every dependency as an interval, in no order."""
        for key in self.points:
            yield point(DOCUMENTS_SPACE, key)
        for read in self.ranges:
            bounds = read.consumed()
            if bounds is not None:
                yield Interval(read.space, *bounds, read.prefix_length)

    def touched_by(self, commit: CommitKeys) -> tuple[int, bytes] | None:
        """A space and key that the commit changed and this set has read, or None.

        O(points of the smaller side + ranges * log keys of the commit).
        """
        if commit.ts in self.own_commits:
            return None
        if not self.points.isdisjoint(commit.documents):
            return (DOCUMENTS_SPACE, min(self.points.intersection(commit.documents)))
        for read in self.ranges:
            bounds = read.consumed()
            if bounds is not None:
                key = commit.first_within(read.space, *bounds)
                if key is not None:
                    return (read.space, key)
        return None
