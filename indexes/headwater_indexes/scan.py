"""Index entries in a store of sorted bytes whose keys have a bounded length.

A *logical* key is what the rest of the engine knows: the encoded fields, then the id. A *physical*
key is what the store holds::

    uncut   u32 index number | fields | id                     value: empty
    cut     u32 index number | first 440 bytes of fields | id  value: the rest of the fields

An entry is cut if its fields are longer than 440 bytes. No key is the beginning of another one (see
``keys``), so the cut entries that share their 440 bytes lie side by side with nothing between them:
readers gather such a group, put the fields together and sort it. All else is in order already.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final, Protocol

from headwater_indexes.intervals import KEYS_END

MAX_FIELDS_BYTES: Final = 440
"""Encoded fields kept in a physical key: with the number and the longest id, 481 of 511 bytes."""

_NUMBER: Final = struct.Struct(">I")
_ENTRY: Final = _NUMBER.size
_CUT: Final = _ENTRY + MAX_FIELDS_BYTES

_SEEK_BYTES: Final = 500
"""Bytes of a bound that can matter: more than any uncut logical key has, and few enough to seek."""

assert MAX_FIELDS_BYTES + 37 < _SEEK_BYTES <= 511 - _ENTRY


class SortedBytes(Protocol):
    """The store of physical entries, as this module needs it."""

    def scan(self, low: bytes, high: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values with ``low <= key < high``, ascending, or descending if reversed."""
        ...

    def take(
        self, low: bytes, high: bytes, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """The first of them, at most ``count``."""
        ...


def physical_entry(space: int, logical_key: bytes, id_length: int) -> tuple[bytes, bytes]:
    """Key and value under which the store holds an entry.

    Args:
        space: Number of the index, from 1 to 2**32 - 1.
        logical_key: Encoded fields, then the id.
        id_length: Bytes of the id: 32 for user tables, up to 37.
    """
    fields_length = len(logical_key) - id_length
    if fields_length <= MAX_FIELDS_BYTES:
        return _NUMBER.pack(space) + logical_key, b""
    key = logical_key[:MAX_FIELDS_BYTES] + logical_key[fields_length:]
    return _NUMBER.pack(space) + key, logical_key[MAX_FIELDS_BYTES:fields_length]


def logical_key(key: bytes, value: bytes) -> bytes:
    """The logical key of a physical entry."""
    if value:
        return key[_ENTRY:_CUT] + value + key[_CUT:]
    return key[_ENTRY:]


def space_of(key: bytes) -> int:
    """The number of the index that a physical key belongs to."""
    return int.from_bytes(key[:_ENTRY], "big")


def space_bounds(space: int) -> tuple[bytes, bytes]:
    """The physical interval ``[low, high)`` of all entries of an index."""
    number = _NUMBER.pack(space)
    return number, number + KEYS_END


def scan_entries(
    source: SortedBytes, space: int, low: bytes, high: bytes, *, reverse: bool = False
) -> Iterator[bytes]:
    r"""The logical keys of an index with ``low <= key < high``, in order, at any length.

    An uncut entry costs no more than the cursor. Cut entries that share their first 440 bytes are
    held in memory and sorted together.

    Args:
        source: The physical entries.
        space: Number of the index.
        low: First logical key; ``b""`` for the beginning.
        high: Logical key after the last; ``b"\xff"`` for the end.
        reverse: Whether to go from high to low.
    """
    if low >= high:
        return iter(())
    number = _NUMBER.pack(space)
    if len(low) <= MAX_FIELDS_BYTES and len(high) <= MAX_FIELDS_BYTES:
        return _in_order(source.scan(number + low, number + high, reverse=reverse), reverse=reverse)
    first = _seek(source, number, low, is_high=False)
    last = _seek(source, number, high, is_high=True)
    keys = _in_order(source.scan(first, last, reverse=reverse), reverse=reverse)
    return (key for key in keys if low <= key < high)


def take_entries(
    source: SortedBytes, space: int, low: bytes, high: bytes, count: int, *, reverse: bool = False
) -> list[bytes]:
    """The first logical keys that `scan_entries` would give, at most ``count``.

    Without a step per entry where none of them is cut, as is usual.
    """
    if low < high and len(low) <= MAX_FIELDS_BYTES and len(high) <= MAX_FIELDS_BYTES:
        number = _NUMBER.pack(space)
        entries = source.take(number + low, number + high, count, reverse=reverse)
        uncut = [key[_ENTRY:] for key, value in entries if not value]
        if len(uncut) == len(entries):
            return uncut
    return list(islice(scan_entries(source, space, low, high, reverse=reverse), count))


def _seek(source: SortedBytes, number: bytes, bound: bytes, *, is_high: bool) -> bytes:
    """The physical bound that loses no entry inside a logical one.

    A bound within a group of cut entries takes the whole group, as their ids are not in order. A
    bound and the entries beside it are either all cut or all uncut, so one look decides.
    """
    if len(bound) <= MAX_FIELDS_BYTES:
        return number + bound
    group = number + bound[:MAX_FIELDS_BYTES]
    group_end = group + KEYS_END
    _, value = next(source.scan(group, group_end, reverse=False), (b"", b""))
    if value:
        return group_end if is_high else group
    return number + bound[:_SEEK_BYTES]


def _in_order(entries: Iterator[tuple[bytes, bytes]], *, reverse: bool) -> Iterator[bytes]:
    for key, value in entries:
        if value:
            yield from _sort_groups(chain([(key, value)], entries), reverse=reverse)
        else:
            yield key[_ENTRY:]


def _sort_groups(entries: Iterable[tuple[bytes, bytes]], *, reverse: bool) -> Iterator[bytes]:
    """From the first cut entry on: groups sorted, uncut entries passed through."""
    group: list[bytes] = []
    prefix = b""
    for key, value in entries:
        if group and not (value and key[_ENTRY:_CUT] == prefix):
            yield from sorted(group, reverse=reverse)
            group = []
        if value:
            prefix = key[_ENTRY:_CUT]
            group.append(logical_key(key, value))
        else:
            yield key[_ENTRY:]
    yield from sorted(group, reverse=reverse)


def merge(
    base: Iterator[bytes], overlay: Iterator[tuple[bytes, bool]], *, reverse: bool = False
) -> Iterator[bytes]:
    """Keys of a snapshot with a transaction's own writes laid over them. O(1) for each key.

    Args:
        base: Keys in order.
        overlay: Keys in the same order, each at most once: True is there now, whether or not
            ``base`` has it; False is removed.
        reverse: Whether both go from high to low.
    """
    waiting: bytes | None = None
    for key, is_present in overlay:
        if waiting is None or _comes_before(waiting, key, reverse=reverse):
            if waiting is not None:
                yield waiting
            waiting = None
            for candidate in base:
                if not _comes_before(candidate, key, reverse=reverse):
                    waiting = candidate
                    break
                yield candidate
        if is_present:
            yield key
        if waiting == key:
            waiting = None
    if waiting is not None:
        yield waiting
    yield from base


def _comes_before(a: bytes, b: bytes, *, reverse: bool) -> bool:
    return a > b if reverse else a < b
