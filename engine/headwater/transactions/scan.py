"""A range that is being read: chunks of rows, filters, and the mark of what was consumed."""

from collections.abc import Callable, Iterator
from itertools import chain, islice, repeat
from typing import Any, Final, TypeAlias

from headwater.errors import LimitExceededError
from headwater.tables.catalog import TableInfo
from headwater.tables.snapshot import EXPECTED
from headwater.transactions.key_ranges import KeyRange
from headwater.transactions.read_set import RangeRead
from headwater.transactions.transaction import Rows, Transaction

CHUNK_MAX: Final = 1024
_CHUNKS: Final = (64, 256)

Row: TypeAlias = tuple[bytes, dict[str, Any]]
Predicate: TypeAlias = Callable[[Any], object]


Step: TypeAlias = Callable[[list[Row]], list[Row]]
"""Makes other rows of rows, at most as many, in their order; each keeps its key."""

Visible: TypeAlias = Callable[[dict[str, Any]], bool]
"""Whether the rules of its table show a document; those that it hides are as if absent."""


class Scan:
    """One range of one table, in one direction, as one transaction sees it."""

    __slots__ = ("filters", "is_descending", "range", "table", "transaction", "visible")

    def __init__(
        self,
        transaction: Transaction,
        table: TableInfo,
        range: KeyRange,
        filters: tuple[Predicate, ...],
        *,
        is_descending: bool,
        visible: Visible | None = None,
    ) -> None:
        self.transaction: Transaction = transaction
        self.table: TableInfo = table
        self.range: KeyRange = range
        self.filters: tuple[Predicate, ...] = filters
        self.is_descending: bool = is_descending
        self.visible: Visible | None = visible

    def open(self, low: bytes | None = None, high: bytes | None = None) -> RangeRead:
        """Begin to depend on the range, or on the part of it between two keys."""
        range = self.range
        read = self.transaction.reads.open_range(
            range.space,
            range.low if low is None else low,
            range.high if high is None else high,
            range.prefix_length,
            reverse=self.is_descending,
        )
        self.transaction.check_intervals()
        return read

    def take(self, count: int | None) -> list[dict[str, Any]]:
        """The first documents, or all."""
        if count == 0:
            return []
        if self.filters or self.visible is not None:
            rows = self.rows(growing_chunks(), self.open())
            return [document for _, document in (rows if count is None else limited(rows, count))]
        read = self.open()
        taken: list[dict[str, Any]] = []
        sizes = repeat(CHUNK_MAX) if count is None else _parts(count)
        try:
            if count is not None and count <= CHUNK_MAX and self.range.index is not None:
                first = self.transaction.first_rows(self.table, self.range.index, read, count)
                if first is not None:
                    return first
            for keys, documents in self._chunks(read, sizes, count or EXPECTED):
                taken += documents
                read.last = keys[-1] if keys else read.last
        except LimitExceededError as error:
            raise self._explained(error, len(taken)) from None
        read.exhausted = count is None or len(taken) < count
        return taken

    def documents(self) -> Iterator[dict[str, Any]]:
        """Documents as they are asked for, in growing chunks; moves the mark past each of them."""
        if self.filters or self.visible is not None or not self.transaction.is_read_only:
            for _, document in self.rows(growing_chunks(), self.open()):
                yield document
            return
        # The same where nothing is left out and nobody writes: the way of a scan of all.
        read, returned = self.open(), 0
        try:
            for keys, documents in self._chunks(read, growing_chunks()):
                for read.last, document in zip(keys, documents, strict=True):
                    yield document
                returned += len(keys)
        except LimitExceededError as error:
            raise self._explained(error, returned) from None
        read.exhausted = True

    def rows(self, sizes: Iterator[int], read: RangeRead) -> Iterator[Row]:
        """Rows that pass the filters; moves the read's mark past each row that was looked at."""
        transaction, keep = self.transaction, self._kept()
        returned = 0
        try:
            for keys, documents in self._chunks(read, sizes):
                writes = transaction.write_count
                for key, document in zip(keys, documents, strict=True):
                    row = document
                    if transaction.write_count != writes:
                        # The caller has written since the chunk was read.
                        newest = transaction.read(document["_id"].encode("ascii"))
                        if newest is None:
                            continue
                        row = newest
                    read.last = key
                    if keep is None or keep(row):
                        returned += 1
                        yield key, row
        except LimitExceededError as error:
            raise self._explained(error, returned) from None
        read.exhausted = True

    def _kept(self) -> Predicate | None:
        """What a row has to pass: first that it is visible, so that no filter sees another."""
        rule = () if self.visible is None else (self.visible,)
        return _all_of((*rule, *self.filters))

    def _chunks(
        self, read: RangeRead, sizes: Iterator[int], expected: int = EXPECTED
    ) -> Iterator[Rows]:
        return self.transaction.chunks(self.table, self.range.index, read, sizes, expected)

    def _explained(self, error: LimitExceededError, returned: int) -> LimitExceededError:
        """What to do about a scan that read too much."""
        if error.limit not in ("documents_read", "bytes_read"):
            return error
        usage = self.transaction.usage
        message = (
            f"{usage.who} read {usage.documents_read:,} documents ({usage.bytes_read:,} bytes), "
            f"{returned:,} of them from {self.table.name!r} were returned; the limit {error.limit} "
            f"is {error.maximum:,}. {self._advice()}, or raise the limit: "
            f"hw.open(..., limits=hw.Limits({error.limit}=...))"
        )
        return LimitExceededError(
            message, limit=error.limit, value=error.value, maximum=error.maximum
        )

    def _advice(self) -> str:
        fields = self._fields_of_filters()
        if not fields:
            return "Use take(), paginate() or a narrower range of an index"
        names = ", ".join(f'"{name}"' for name in fields)
        return (
            f"An index would read only what matches: by_{'_and_'.join(fields)} = Index({names}), "
            "and .with_index(...) in place of .filter(...)"
        )

    def _fields_of_filters(self) -> list[str]:
        """The fields that the filters look at, tried on one stored document."""
        if not self.filters:
            return []
        snapshot = self.transaction.snapshot
        records = snapshot.records(*self.table.bounds, reverse=False)
        row = next(snapshot.decode(records), None)
        if row is None:
            return []
        recorder = _Recorder(row)
        for keep in self.filters:
            keep(recorder)
        return recorder.fields


def _all_of(filters: tuple[Predicate, ...]) -> Predicate | None:
    """One predicate for several; None for none."""
    if len(filters) < 2:
        return filters[0] if filters else None
    return lambda document: all(keep(document) for keep in filters)


def growing_chunks() -> Iterator[int]:
    """Sizes of chunks for a reader who may stop early."""
    return chain(_CHUNKS, repeat(CHUNK_MAX))


def limited(rows: Iterator[Row], count: int) -> Iterator[Row]:
    """The first rows, without asking for one more."""
    for _, row in zip(range(count), rows, strict=False):
        yield row


def parts(
    scan: Scan, read: RangeRead, count: int | None, steps: tuple[Step, ...] = ()
) -> Iterator[list[Row]]:
    """The first rows that steps leave, or all, in pieces; looks at none that it does not need."""
    sizes = (
        repeat(CHUNK_MAX) if count is None else chain((min(count, CHUNK_MAX),), growing_chunks())
    )
    rows, left = scan.rows(sizes, read), count
    while left is None or left > 0:
        part = list(islice(rows, CHUNK_MAX if left is None else min(left, CHUNK_MAX)))
        if not part:
            return
        for step in steps:
            part = step(part)
        yield part
        left = None if left is None else left - len(part)


def _parts(count: int) -> Iterator[int]:
    for start in range(0, count, CHUNK_MAX):
        yield min(CHUNK_MAX, count - start)


class _Recorder(dict[str, Any]):
    """A document that notes which of its fields a predicate looks at."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document)
        self.fields: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None, /) -> Any:
        """The field, or the default."""
        self._note(name)
        return super().get(name, default)

    def _note(self, name: str) -> None:
        if name not in self.fields and not name.startswith("_"):
            self.fields.append(name)
