"""A transaction that notes what it sees of others, in addition to what it does."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from headwater.storage.codec import pack
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.snapshot import EXPECTED, Snapshot
from headwater.transactions.existing import Existing
from headwater.transactions.moment import Moment
from headwater.transactions.overlay import Overlay
from headwater.transactions.read_set import RangeRead
from headwater.transactions.transaction import Rows, Transaction
from headwater.transactions.usage import Usage

_SYSTEM_FIELDS = ("_id", "_creationTime")


class PointSeen(NamedTuple):
    """A document that was read by its id; ``body`` is None if it was not there."""

    key: bytes
    body: bytes | None


class RowSeen(NamedTuple):
    """A row of a range; ``body`` is None if only its key was looked at."""

    position: bytes
    key: bytes
    body: bytes | None


class RangeSeen:
    """A range and the rows that came out of it.

    Attributes:
        own: Documents that the transaction itself had written by then.
        consumed: Rows that were certainly looked at.
        last: Rows of the chunk that was read last, of which the reader may have taken a part.
    """

    def __init__(
        self, table: TableInfo, index: IndexInfo | None, read: RangeRead, own: frozenset[bytes]
    ) -> None:
        self.table: TableInfo = table
        self.index: IndexInfo | None = index
        self.read: RangeRead = read
        self.own: frozenset[bytes] = own
        self.consumed: list[RowSeen] = []
        self.last: list[RowSeen] = []

    @property
    def name(self) -> str:
        """Table and index, as reports name them."""
        return self.table.name if self.index is None else f"{self.table.name}.{self.index.name}"

    def add(self, rows: list[RowSeen]) -> None:
        """Note a chunk: who asks for it has taken all of the one before."""
        self.consumed += self.last
        self.last = rows

    def rows(self) -> list[RowSeen]:
        """What the reader has taken."""
        bounds = self.read.consumed()
        if bounds is None:
            return self.consumed
        low, high = bounds
        return [*self.consumed, *(row for row in self.last if low <= row.position < high)]


class ObservedTransaction(Transaction):
    """Notes what is read, in the form in which the reader gets it.

    Attributes:
        function: Path of the function that it runs, or empty.
        number: Which one it is of its recorder.
        began: When its snapshot was about to be taken.
        ended: When it stopped reading, None before.
        seen_ts: The newest commit that it can see; those of its own batch included.
        seen: What it has read, in order.
    """

    __slots__ = ("_now", "began", "ended", "function", "number", "seen", "seen_ts")

    def __init__(
        self,
        snapshot: Snapshot,
        usage: Usage,
        *,
        moment: Moment,
        is_read_only: bool,
        below: Overlay | None = None,
    ) -> None:
        super().__init__(snapshot, usage, moment=moment, is_read_only=is_read_only, below=below)
        self.function: str = usage.function
        self.number: int = 0
        self.began: float = 0
        self.ended: float | None = None
        stamped = [] if below is None else [write.ts for write in below.documents.values()]
        self.seen_ts: int = max([snapshot.ts, *stamped])
        self.seen: list[PointSeen | RangeSeen] = []
        self._now: Callable[[], float] = lambda: 0

    def observe(self, number: int, began: float, now: Callable[[], float]) -> None:
        """Say which one it is."""
        self.number, self.began, self._now = number, began, now

    # -- what is noted --------------------------------------------------------------------------

    def read(self, key: bytes) -> dict[str, Any] | None:
        """The document with that key."""
        document = super().read(key)
        if not self._is_own(key):
            self.seen.append(PointSeen(key, None if document is None else _body(document)))
        return document

    def read_many(self, keys: Sequence[bytes]) -> list[dict[str, Any] | None]:
        """The documents with those keys."""
        return [self.read(key) for key in keys]

    def existing(self, key: bytes) -> Existing | None:
        """The state of a document that a write is about to replace."""
        existing = super().existing(key)
        if not self._is_own(key):
            self.seen.append(PointSeen(key, None if existing is None else existing.body))
        return existing

    def exists(self, key: bytes) -> bool:
        """Whether there is a document with that key."""
        return self.existing(key) is not None

    def ids(self, table: TableInfo, index: IndexInfo, low: bytes, high: bytes) -> Iterator[str]:
        """The ids of the documents within a range of keys, in order."""
        seen: RangeSeen | None = None
        for id in super().ids(table, index, low, high):
            seen = seen or self._range_seen(table, index)
            key = id.encode("ascii")
            if not self._is_own(key):
                seen.consumed.append(RowSeen(low, key, None))
            yield id
        if seen is None:
            self._range_seen(table, index)

    def _range_seen(self, table: TableInfo, index: IndexInfo) -> RangeSeen:
        """Note the range that was begun last."""
        seen = RangeSeen(table, index, self.reads.ranges[-1], self._own())
        self.seen.append(seen)
        return seen

    def chunks(
        self,
        table: TableInfo,
        index: IndexInfo | None,
        read: RangeRead,
        sizes: Iterator[int],
        expected: int = EXPECTED,
    ) -> Iterator[Rows]:
        """Rows of a range in order."""
        seen = RangeSeen(table, index, read, self._own())
        self.seen.append(seen)
        return self._noted(seen, super().chunks(table, index, read, sizes, expected))

    def first_rows(
        self, table: TableInfo, index: IndexInfo, read: RangeRead, count: int
    ) -> list[dict[str, Any]] | None:
        """The first documents of an index range."""
        documents = super().first_rows(table, index, read, count)
        if documents is not None:
            seen = RangeSeen(table, index, read, self._own())
            rows = [_row(b"", document) for document in documents]
            seen.consumed += [row for row in rows if not self._is_own(row.key)]
            self.seen.append(seen)
        return documents

    def _noted(self, seen: RangeSeen, chunks: Iterator[Rows]) -> Iterator[Rows]:
        for positions, lazy in chunks:
            documents = list(lazy)
            rows = map(_row, positions, documents)
            seen.add([row for row in rows if not self._is_own(row.key)])
            yield positions, documents
        seen.add([])

    def _is_own(self, key: bytes) -> bool:
        return any(key in layer.documents for layer in self._own_layers())

    def _own(self) -> frozenset[bytes]:
        return frozenset(key for layer in self._own_layers() for key in layer.documents)

    def _own_layers(self) -> Iterator[Overlay]:
        return (layer for layer in self.layers if layer is not self.below)

    # -- its end --------------------------------------------------------------------------------

    def end(self) -> None:
        """Refuse every later use."""
        self._note_end()
        super().end()

    def close(self) -> None:
        """Release the snapshot."""
        self._note_end()
        super().close()

    def _note_end(self) -> None:
        if self.ended is None:
            self.ended = self._now()


def _row(position: bytes, document: dict[str, Any]) -> RowSeen:
    return RowSeen(position, document["_id"].encode("ascii"), _body(document))


def _body(document: dict[str, Any]) -> bytes:
    """The fields as they are stored."""
    return pack({name: value for name, value in document.items() if name not in _SYSTEM_FIELDS})
