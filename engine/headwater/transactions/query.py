"""Queries over one table: a range of an index, an order, filters, and what to take."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast, overload

from headwater.errors import (
    IndexBuildingError,
    IndexNotFoundError,
    IndexRangeError,
    LimitExceededError,
    NotUniqueError,
    UsageError,
    ValueNotStorableError,
)
from headwater.schema.tables import TableIndex
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.pagination import (
    PaginationOptions,
    PaginationResult,
    decode_cursor,
    encode_cursor,
    fingerprint,
)
from headwater.transactions.read_set import RangeRead
from headwater.transactions.transaction import Row, Transaction
from headwater_indexes.definition import UNBOUNDED, range_bounds
from headwater_indexes.errors import NotStorableError, RangeError
from headwater_indexes.ids import creation_bits, encode_id

D = TypeVar("D")
Order = Literal["asc", "desc"]
BY_ID: Final = "by_id"
BY_CREATION_TIME: Final = "by_creation_time"
_CHUNKS: Final = (64, 256)
_CHUNK_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Half-open bounds within one key space; ``index`` is None for the id order."""

    index: IndexInfo | None
    low: bytes
    high: bytes
    prefix_length: int = 0

    @property
    def space(self) -> int:
        """The key space of the bounds."""
        return DOCUMENTS_SPACE if self.index is None else self.index.space


class TableQuery(Generic[D]):
    """A query that has not run yet. Each step returns a new one; the last step runs it.

    Without an index the order is that of creation: ``_creationTime``, then ``_id``. Equal keys of
    an index are in that order too.
    """

    __slots__ = ("_filters", "_order", "_range", "_table", "_transaction")

    def __init__(self, transaction: Transaction, table: TableInfo | None) -> None:
        self._transaction = transaction
        self._table = table
        self._range: KeyRange | None = None
        self._order: Order | None = None
        self._filters: tuple[Callable[[D], object], ...] = ()

    # -- building -------------------------------------------------------------------------------

    @overload
    def with_index(
        self: "TableQuery[dict[str, Any]]",
        index: str,
        *equal: object,
        gt: object = ...,
        gte: object = ...,
        lt: object = ...,
        lte: object = ...,
    ) -> "TableQuery[dict[str, Any]]": ...

    @overload
    def with_index(
        self,
        index: TableIndex[D],
        *equal: object,
        gt: object = ...,
        gte: object = ...,
        lt: object = ...,
        lte: object = ...,
    ) -> "TableQuery[D]": ...

    def with_index(
        self,
        index: Any,
        *equal: object,
        gt: object = UNBOUNDED,
        gte: object = UNBOUNDED,
        lt: object = UNBOUNDED,
        lte: object = UNBOUNDED,
    ) -> Any:
        """Read a range of an index.

        Args:
            index: An index of this table, or its name.
            *equal: Values of the first fields, in the index's order. `hw.MISSING` stands for an
                absent field.
            gt: Exclusive lower bound of the next field.
            gte: Inclusive lower bound of the next field.
            lt: Exclusive upper bound of the next field.
            lte: Inclusive upper bound of the next field.

        Raises:
            IndexNotFoundError: The table has no such index.
            IndexBuildingError: The index is still being filled.
            IndexRangeError: More values than fields, two lower or two upper bounds.
        """
        if self._range is not None:
            raise UsageError("with_index() was called twice; a query reads one range of one index")
        query = copy(self)
        if self._table is None:
            return query
        bounds = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
        name = index if isinstance(index, str) else index.name
        query._range = _key_range(self._table, name, equal, bounds)  # noqa: SLF001 - a copy of self
        return query

    def order(self, order: Order) -> "TableQuery[D]":
        """``"asc"`` (the default) or ``"desc"``, of the index or of creation."""
        if order not in ("asc", "desc"):
            raise UsageError(f"order({order!r}): expected 'asc' or 'desc'")
        if self._order is not None:
            raise UsageError("order() was called twice; a query has one order")
        query = copy(self)
        query._order = order  # noqa: SLF001 - a copy of self
        return query

    def filter(self, predicate: Callable[[D], object]) -> "TableQuery[D]":
        """Keep the documents for which the predicate is true.

        Every document of the range is read, and depended on, up to the last one that is taken;
        an index reads less.
        """
        query = copy(self)
        query._filters = (*self._filters, predicate)  # noqa: SLF001 - a copy of self
        return query

    # -- running --------------------------------------------------------------------------------

    def collect(self) -> list[D]:
        """Every document of the range."""
        return self._take(None)

    def take(self, count: int) -> list[D]:
        """The first ``count`` documents; depends on nothing behind them."""
        if type(count) is not int or count < 0:
            raise UsageError(f"take({count!r}): expected a whole number, 0 or more")
        return self._take(count)

    def first(self) -> D | None:
        """The first document, or None."""
        documents = self._take(1)
        return documents[0] if documents else None

    def unique(self) -> D | None:
        """The only document, or None.

        Raises:
            NotUniqueError: There are several.
        """
        documents = self._take(2)
        if len(documents) > 1:
            ids = [cast("dict[str, Any]", document)["_id"] for document in documents]
            table = self._table.name if self._table else "?"
            raise NotUniqueError(
                f"unique() found more than one document in {table!r}: {', '.join(ids)}; use "
                "first() or take(), or declare the index with unique=True",
                ids=ids,
            )
        return documents[0] if documents else None

    def count(self) -> int:
        """How many documents there are. Reads all of them: O(n)."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[D]:
        """Documents in order, read in chunks. What is not consumed is no dependency."""
        for _, document in self._rows(chain(_CHUNKS, repeat(_CHUNK_MAX))):
            yield document

    def paginate(self, options: PaginationOptions) -> PaginationResult[D]:
        """One page. The cursor keeps its place while documents come and go.

        Raises:
            InvalidCursorError: The cursor was made by another query.
            UsageError: ``numItems`` is below 1, or this run has paginated already.
        """
        return _Page(self, options).read()

    # -- inside ---------------------------------------------------------------------------------

    def _take(self, count: int | None) -> list[D]:
        if count == 0:
            return []
        if self._filters:
            rows = self._rows(chain(_CHUNKS, repeat(_CHUNK_MAX)))
            return [document for _, document in (rows if count is None else _limited(rows, count))]
        read = self._open()
        if read is None:
            return []
        sizes = repeat(_CHUNK_MAX) if count is None else _parts(count)
        taken: list[Row] = []
        try:
            for chunk in self._chunks(read, sizes):
                taken += chunk
                read.last = chunk[-1][0] if chunk else read.last
        except LimitExceededError as error:
            raise self._scan_error(error, len(taken)) from None
        read.exhausted = count is None or len(taken) < count
        return cast("list[D]", [document for _, document in taken])

    def _rows(
        self, sizes: Iterator[int], read: RangeRead | None = None
    ) -> Iterator[tuple[bytes, D]]:
        """Rows that pass the filters; moves the read's mark past each row that was looked at."""
        read = read or self._open()
        if read is None:
            return
        returned = 0
        try:
            for chunk in self._chunks(read, sizes):
                for key, document in self._current(chunk):
                    read.last = key
                    if all(keep(document) for keep in self._filters):
                        returned += 1
                        yield key, document
        except LimitExceededError as error:
            raise self._scan_error(error, returned) from None
        read.exhausted = True

    def _current(self, chunk: list[Row]) -> Iterator[tuple[bytes, D]]:
        """The chunk's rows, read again where the caller has written since."""
        transaction = self._transaction
        writes = transaction.write_count
        for key, document in chunk:
            if transaction.write_count == writes:
                yield key, cast("D", document)
                continue
            newest = transaction.read(document["_id"].encode("ascii"))
            if newest is not None:
                yield key, cast("D", newest)

    def _open(self) -> RangeRead | None:
        bounds = self._key_range()
        if bounds is None:
            return None
        return self._transaction.reads.open_range(
            bounds.space,
            bounds.low,
            bounds.high,
            bounds.prefix_length,
            reverse=self._order == "desc",
        )

    def _key_range(self) -> KeyRange | None:
        if self._table is None:
            return None
        return self._range or KeyRange(None, *self._table.bounds)

    def _chunks(self, read: RangeRead, sizes: Iterator[int]) -> Iterator[list[Row]]:
        assert self._table is not None
        index = self._range.index if self._range else None
        return self._transaction.chunks(self._table, index, read, sizes)

    def _scan_error(self, error: LimitExceededError, returned: int) -> LimitExceededError:
        if error.limit not in ("documents_read", "bytes_read") or self._table is None:
            return error
        usage = self._transaction.usage
        message = (
            f"{usage.who} read {usage.documents_read:,} documents ({usage.bytes_read:,} bytes), "
            f"{returned:,} of them from {self._table.name!r} were returned; the limit {error.limit}"
            f" is {error.maximum:,}. {self._advice()}"
        )
        return LimitExceededError(
            message, limit=error.limit, value=error.value, maximum=error.maximum
        )

    def _advice(self) -> str:
        assert self._table is not None
        fields = _fields_read(self._filters, self._transaction, self._table)
        if fields:
            names = ", ".join(f'"{name}"' for name in fields)
            return (
                f"An index would read only what matches: by_{'_and_'.join(fields)} = "
                f"Index({names}), then .with_index(...) instead of .filter(...)"
            )
        return "Use take(), paginate() or a narrower range of an index"


class _Page(Generic[D]):
    """One run of ``paginate``."""

    def __init__(self, query: TableQuery[D], options: PaginationOptions) -> None:
        self.query = query
        self.options = options
        self.transaction = query._transaction  # noqa: SLF001 - the other half of TableQuery
        self.bounds = query._key_range()  # noqa: SLF001
        self.is_descending = query._order == "desc"  # noqa: SLF001
        if type(options["numItems"]) is not int or options["numItems"] < 1:
            raise UsageError(
                f"paginate: numItems is {options['numItems']!r}, expected a whole number above 0"
            )

    def read(self) -> PaginationResult[D]:
        """Read the page and note where it ends."""
        if self.transaction.has_paginated:
            raise UsageError(
                "paginate() was called twice in one run; a function reads one page, because a live "
                "page has one end to keep"
            )
        self.transaction.has_paginated = True
        if self.bounds is None:
            return {"page": [], "isDone": True, "continueCursor": encode_cursor(b"\0" * 8, None)}
        identity = fingerprint(
            self.bounds.space, self.bounds.low, self.bounds.high, self.is_descending
        )
        return self._between(self.bounds, identity)

    def _between(self, bounds: KeyRange, identity: bytes) -> PaginationResult[D]:
        cursor = self.options["cursor"]
        low, high = bounds.low, bounds.high
        after = decode_cursor(identity, cursor) if cursor is not None else b""
        if after is None:
            return {"page": [], "isDone": True, "continueCursor": cursor or ""}
        if after:
            low, high = self._behind(after, low, high)
        end = self.options.get("endCursor") or self.transaction.journal
        until = decode_cursor(identity, end) if end is not None else b""
        if until:
            low, high = self._up_to(until, low, high)
        rows, done = self._rows(bounds, low, high, bounded=end is not None)
        if end is not None:
            continue_cursor, done = end, until is None
        else:
            continue_cursor = encode_cursor(identity, None if done else rows[-1][0])
        self.transaction.journal = continue_cursor
        return {
            "page": [document for _, document in rows],
            "isDone": done,
            "continueCursor": continue_cursor,
            "splitCursor": encode_cursor(identity, rows[len(rows) // 2 - 1][0])
            if len(rows) > 2
            else None,
            "pageStatus": None,
        }

    def _behind(self, key: bytes, low: bytes, high: bytes) -> tuple[bytes, bytes]:
        return (low, min(high, key)) if self.is_descending else (max(low, key + b"\x00"), high)

    def _up_to(self, key: bytes, low: bytes, high: bytes) -> tuple[bytes, bytes]:
        return (max(low, key), high) if self.is_descending else (low, min(high, key + b"\x00"))

    def _rows(
        self, bounds: KeyRange, low: bytes, high: bytes, *, bounded: bool
    ) -> tuple[list[tuple[bytes, D]], bool]:
        """The rows of the page, and whether the range ended before the page was full."""
        read = self.transaction.reads.open_range(
            bounds.space, low, high, bounds.prefix_length, reverse=self.is_descending
        )
        count = self.options["numItems"]
        sizes = repeat(_CHUNK_MAX) if bounded else _page_sizes(count)
        rows: list[tuple[bytes, D]] = []
        for row in self.query._rows(sizes, read):  # noqa: SLF001
            rows.append(row)
            if not bounded and len(rows) == count:
                return rows, False
        return rows, True


def _key_range(
    table: TableInfo, name: str, equal: tuple[object, ...], bounds: dict[str, object]
) -> KeyRange:
    if name == BY_CREATION_TIME:
        return _creation_range(table, equal, bounds)
    if name == BY_ID:
        return _id_range(table, equal, bounds)
    index = table.index(name)
    if index is None:
        known = ", ".join(index.name for index in table.indexes) or "none"
        raise IndexNotFoundError(
            f"table {table.name!r} has no index {name!r}; it has: {known} (and by_creation_time, "
            f"by_id). Declare it on the table: {name} = Index(...)"
        )
    if index.state != "ready":
        raise IndexBuildingError(
            f"index {table.name}.{name} is still being filled; wait with db.wait_for_indexes()"
        )
    try:
        low, high, prefix_length = range_bounds(index.definition, equal, **bounds)
    except RangeError as error:
        raise IndexRangeError(f"{table.name}.{name}: {error}") from None
    except NotStorableError as error:
        raise ValueNotStorableError(f"{table.name}.{name}: {error}", path=error.path) from None
    return KeyRange(index, low, high, prefix_length)


def _creation_range(
    table: TableInfo, equal: tuple[object, ...], bounds: dict[str, object]
) -> KeyRange:
    """Bounds on the creation time, as bounds on the ids that begin with it."""
    lower, upper = _one_field(table, BY_CREATION_TIME, equal, bounds)
    low, high = table.bounds
    if lower is not None:
        low = max(low, _id_at(table, lower[0], exclusive=not lower[1]))
    if upper is not None:
        high = min(high, _id_at(table, upper[0], exclusive=upper[1]))
    return KeyRange(None, low, max(low, high))


def _id_at(table: TableInfo, creation_time: object, *, exclusive: bool) -> bytes:
    if isinstance(creation_time, bool) or not isinstance(creation_time, (int, float)):
        raise IndexRangeError(
            f"{table.name}.by_creation_time: a bound is {creation_time!r}, expected a number of "
            "milliseconds since the epoch"
        )
    bits = creation_bits(min(max(float(creation_time), 0.0), 2.0**47))
    return encode_id(table.number, (bits + exclusive << 68).to_bytes(16, "big")).encode("ascii")


def _id_range(table: TableInfo, equal: tuple[object, ...], bounds: dict[str, object]) -> KeyRange:
    lower, upper = _one_field(table, BY_ID, equal, bounds)
    low, high = table.bounds
    if lower is not None:
        low = max(low, _id_key(table, lower[0]) + (b"" if lower[1] else b"\x00"))
    if upper is not None:
        high = min(high, _id_key(table, upper[0]) + (b"\x00" if upper[1] else b""))
    return KeyRange(None, low, max(low, high))


def _id_key(table: TableInfo, bound: object) -> bytes:
    if not isinstance(bound, str):
        raise IndexRangeError(f"{table.name}.by_id: a bound is {bound!r}, expected an id")
    return bound.encode("utf-8", "surrogatepass")


_Bound: TypeAlias = tuple[object, bool]  # value, inclusive


def _one_field(
    table: TableInfo, name: str, equal: tuple[object, ...], bounds: dict[str, object]
) -> tuple[_Bound | None, _Bound | None]:
    given = {key: value for key, value in bounds.items() if value is not UNBOUNDED}
    if len(equal) > 1 or (equal and given) or given.keys() >= {"gt", "gte"}:
        raise IndexRangeError(f"{table.name}.{name} has one field: one value, or one range of it")
    if given.keys() >= {"lt", "lte"}:
        raise IndexRangeError(f"{table.name}.{name}: lt and lte are both given, expected one")
    if equal:
        return (equal[0], True), (equal[0], True)
    lower = [(given[key], key == "gte") for key in ("gt", "gte") if key in given]
    upper = [(given[key], key == "lte") for key in ("lt", "lte") if key in given]
    return (lower[0] if lower else None, upper[0] if upper else None)


def _limited(rows: Iterator[tuple[bytes, D]], count: int) -> Iterator[tuple[bytes, D]]:
    """The first rows, without asking for one more."""
    for _, row in zip(range(count), rows, strict=False):
        yield row


def _parts(count: int) -> Iterator[int]:
    for start in range(0, count, _CHUNK_MAX):
        yield min(_CHUNK_MAX, count - start)


def _page_sizes(count: int) -> Iterator[int]:
    return chain((min(count, _CHUNK_MAX),), _CHUNKS, repeat(_CHUNK_MAX))


class _Recorder(dict[str, Any]):
    """A document that notes which of its fields a predicate looks at."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document)
        self.fields: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:  # type: ignore[override] - dict's overloads add nothing here
        self._note(name)
        return super().get(name, default)

    def _note(self, name: str) -> None:
        if name not in self.fields and not name.startswith("_"):
            self.fields.append(name)


def _fields_read(
    filters: Iterable[Callable[[Any], object]], transaction: Transaction, table: TableInfo
) -> list[str]:
    """The fields that the filters looked at, tried on one stored document."""
    records = transaction.snapshot.records(*table.bounds, reverse=False)
    row = next(iter(transaction.snapshot.decode(records)), None)
    if row is None:
        return []
    recorder = _Recorder(row)
    for keep in filters:
        keep(recorder)
    return recorder.fields
