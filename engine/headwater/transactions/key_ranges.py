"""Ranges of an index, as a query names them, turned into bounds of keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Final, TypeAlias

from headwater.errors import (
    IndexBuildingError,
    IndexNotFoundError,
    IndexRangeError,
    ValueNotStorableError,
)
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater_indexes.definition import BY_CREATION_TIME, BY_ID, UNBOUNDED, range_bounds
from headwater_indexes.errors import NotStorableError, RangeError
from headwater_indexes.ids import TICKS_PER_MS, encode_id
from headwater_indexes.keys import encode_value, prefix_end

_MS_END: Final = 2**48
"""Milliseconds since the epoch that do not fit into an id any more."""
_RANDOM_BITS: Final = 68
"""Bits of an id below its creation time."""


@dataclass(slots=True)
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


def key_range(
    table: TableInfo, name: str, equal: tuple[object, ...], bounds: Mapping[str, object]
) -> KeyRange:
    """The keys of a named index with these values in its first fields and the next in bounds.

    Raises:
        IndexNotFoundError: The table has no such index.
        IndexBuildingError: The index is still being filled.
        IndexRangeError: More values than fields, two lower or two upper bounds.
        ValueNotStorableError: One of the values is no value.
    """
    if name == BY_CREATION_TIME:
        return _creation_range(table, equal, bounds)
    if name == BY_ID:
        return _id_range(table, equal, bounds)
    index = table.index(name)
    if index is None:
        known = ", ".join(index.name for index in table.indexes if index.is_declared) or "none"
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
    table: TableInfo, equal: tuple[object, ...], bounds: Mapping[str, object]
) -> KeyRange:
    """Bounds on the creation time, as bounds on the ids that begin with it."""
    lower, upper = _one_field(table, BY_CREATION_TIME, equal, bounds)
    if table.order is not None:
        return _order_range(table, table.order, lower, upper)
    low, high = table.bounds
    if lower is not None:
        low = max(low, _id_at(table, lower[0], exclusive=not lower[1]))
    if upper is not None:
        high = min(high, _id_at(table, upper[0], exclusive=upper[1]))
    return KeyRange(None, low, max(low, high))


def _order_range(
    table: TableInfo, order: IndexInfo, lower: "_Bound | None", upper: "_Bound | None"
) -> KeyRange:
    """The same bounds where the order of creation is an index of its own."""
    low, high = table.order_bounds
    if lower is not None:
        low = encode_value(_time(table, lower[0]))
        low = low if lower[1] else prefix_end(low)
    if upper is not None:
        high = encode_value(_time(table, upper[0]))
        high = prefix_end(high) if upper[1] else high
    return KeyRange(order, low, max(low, high))


def _id_at(table: TableInfo, creation_time: object, *, exclusive: bool) -> bytes:
    ticks = max(_time(table, creation_time), 0) * TICKS_PER_MS
    # A bound between two times that an id can have stands for the later one, either way.
    first = floor(ticks) + 1 if exclusive else ceil(ticks)
    if first >= _MS_END * TICKS_PER_MS:
        return table.bounds[1]
    return encode_id(table.number, (first << _RANDOM_BITS).to_bytes(16, "big")).encode("ascii")


def _time(table: TableInfo, bound: object) -> float:
    """A bound of the creation time, between what no document has."""
    if isinstance(bound, bool) or not isinstance(bound, (int, float)) or bound != bound:  # noqa: PLR0124 - NaN
        raise _no_time(table, bound)
    # Before anything else: an int may be too large for a float.
    return min(max(bound, -_MS_END), _MS_END)


def _no_time(table: TableInfo, bound: object) -> IndexRangeError:
    return IndexRangeError(
        f"{table.name}.by_creation_time: a bound is {bound!r}, expected a number of milliseconds "
        "since the epoch"
    )


def _id_range(
    table: TableInfo, equal: tuple[object, ...], bounds: Mapping[str, object]
) -> KeyRange:
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
    table: TableInfo, name: str, equal: tuple[object, ...], bounds: Mapping[str, object]
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
