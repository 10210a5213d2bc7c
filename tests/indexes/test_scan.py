"""Index entries in a store with short keys come back in logical order, at any length."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.strategies import components, long_texts

from headwater_indexes import keys
from headwater_indexes.scan import (
    MAX_FIELDS_BYTES,
    logical_key,
    merge,
    physical_entry,
    scan_entries,
    space_bounds,
    space_of,
    take_entries,
)

LMDB_KEY_BYTES = 511
IDS = st.sampled_from([f"{prefix}{n:0>30}" for prefix in ("0a", "jx", "zz") for n in range(4)])


class SortedList:
    """A store of sorted bytes that, like LMDB, refuses long keys, stored or sought."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, bytes]] = []
        self.seeks = 0

    def put(self, key: bytes, value: bytes) -> None:
        assert len(key) <= LMDB_KEY_BYTES
        insort(self.entries, (key, value))

    def scan(self, low: bytes, high: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        assert len(low) <= LMDB_KEY_BYTES
        assert len(high) <= LMDB_KEY_BYTES
        self.seeks += 1
        first = bisect_left(self.entries, (low, b""))
        last = bisect_left(self.entries, (high, b""))
        found = self.entries[first:last]
        return iter(found[::-1] if reverse else found)

    def take(
        self, low: bytes, high: bytes, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        return list(islice(self.scan(low, high, reverse=reverse), count))


TEXTS = long_texts() | st.sampled_from(["x" * 437, "x" * 438, "x" * 439, "a"])
# The second field moves the end of the first one about, and so the place where keys are cut.
ROWS = st.tuples(
    long_texts() | st.sampled_from(["x" * 437, "x" * 438, "x" * 439, "a"]), components()
)


@st.composite
def stores(draw: st.DrawFn) -> tuple[SortedList, list[bytes]]:
    """A store with entries of two indexes, and the logical keys of the first, sorted."""
    store = SortedList()
    rows = draw(st.lists(ROWS, min_size=1, max_size=4))
    picked = draw(st.sets(st.tuples(st.integers(0, len(rows) - 1), IDS), max_size=12))
    logical = sorted({keys.encode(rows[number]) + name.encode() for number, name in picked})
    for key in logical:
        store.put(*physical_entry(7, key, 32))
    store.put(*physical_entry(6, b"\x10" + b"0" * 32, 32))
    store.put(*physical_entry(8, b"\x10" + b"0" * 32, 32))
    return store, logical


@st.composite
def bounds_near(draw: st.DrawFn, logical: list[bytes]) -> bytes:
    """The bounds that readers use: ends of prefixes, of fields and of entries, and any bytes."""
    if not logical or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([b"", b"\xff"]) | ROWS.map(keys.encode))
    key = draw(st.sampled_from(logical))
    cuts = [*keys.component_ends(key, 2), len(key), 440, 441, 477, draw(st.integers(0, len(key)))]
    return key[: draw(st.sampled_from(cuts))] + draw(st.sampled_from([b"", b"\0", b"\xff"]))


@settings(max_examples=300)
@given(stores(), st.data(), st.booleans())
def test_a_scan_yields_what_a_sorted_list_would(
    stored: tuple[SortedList, list[bytes]], data: st.DataObject, reverse: bool
) -> None:
    store, logical = stored
    low, high = data.draw(bounds_near(logical)), data.draw(bounds_near(logical))
    expected = [key for key in logical if low <= key < high]
    found = list(scan_entries(store, 7, low, high, reverse=reverse))
    assert found == (expected[::-1] if reverse else expected)


@given(ROWS, IDS, st.integers(1, 2**32 - 1))
@example(("x" * 437, None), "0" * 32, 1)
@example(("x" * 438, None), "0" * 32, 1)
def test_an_entry_comes_back_as_it_was(row: tuple[str, object], name: str, space: int) -> None:
    fields = keys.encode(row)
    logical = fields + name.encode()
    key, value = physical_entry(space, logical, len(name))
    assert logical_key(key, value) == logical
    assert space_of(key) == space
    assert bool(value) == (len(fields) > MAX_FIELDS_BYTES)
    assert len(key) <= 4 + MAX_FIELDS_BYTES + len(name)
    low, high = space_bounds(space)
    assert low <= key < high


@given(stores(), st.data(), st.integers(0, 12), st.booleans())
def test_the_first_entries_are_those_of_a_scan(
    store: tuple[SortedList, list[bytes]], data: st.DataObject, count: int, reverse: bool
) -> None:
    source, logical = store
    ends = st.sampled_from([b"", b"\xff"])
    low, high = (data.draw(ends | bounds_near(logical)) for _ in range(2))
    scanned = list(scan_entries(source, 7, low, high, reverse=reverse))
    assert take_entries(source, 7, low, high, count, reverse=reverse) == scanned[:count]


def test_a_short_scan_seeks_once_and_a_long_bound_looks_once_more() -> None:
    store = SortedList()
    for number in range(3):
        store.put(*physical_entry(7, keys.encode([number]) + b"0" * 32, 32))
    assert len(list(scan_entries(store, 7, b"", b"\xff"))) == 3
    assert store.seeks == 1
    assert list(scan_entries(store, 7, b"\x21" + b"x" * 600, b"\xff")) == []
    assert store.seeks == 3
    assert list(scan_entries(store, 7, b"b", b"a")) == []
    assert store.seeks == 3


def test_entries_with_the_same_440_bytes_are_sorted_by_the_rest_and_then_by_id() -> None:
    store = SortedList()
    texts = ["x" * 500 + ending for ending in ("b", "a", "", "aa")]
    for text, digit in zip(texts, ("0", "1", "2", "3"), strict=True):
        for last in "zy":
            logical = keys.encode([text]) + (digit * 31 + last).encode()
            store.put(*physical_entry(7, logical, 32))
    found = list(scan_entries(store, 7, b"", b"\xff"))
    assert [keys.decode(key[:-32])[0][500:] for key in found] == [
        "",
        "",
        "a",
        "a",
        "aa",
        "aa",
        "b",
        "b",
    ]
    assert [key[-1:] for key in found] == [b"y", b"z"] * 4
    low = keys.encode(["x" * 500 + "a"])
    found = list(scan_entries(store, 7, low, keys.prefix_end(low), reverse=True))
    assert [key[-2:] for key in found] == [b"1z", b"1y"]


KEYS = st.sampled_from([bytes([letter]) for letter in b"abcdefgh"])


@given(st.sets(KEYS), st.dictionaries(KEYS, st.booleans()), st.booleans())
def test_a_merge_is_the_base_with_the_writes_laid_over_it(
    base: set[bytes], overlay: dict[bytes, bool], reverse: bool
) -> None:
    expected = base - {key for key, is_present in overlay.items() if not is_present}
    expected |= {key for key, is_present in overlay.items() if is_present}
    found = merge(
        iter(sorted(base, reverse=reverse)),
        iter(sorted(overlay.items(), reverse=reverse)),
        reverse=reverse,
    )
    assert list(found) == sorted(expected, reverse=reverse)


def test_a_merge_takes_no_more_of_the_base_than_is_asked_for() -> None:
    base = iter([b"a", b"b", b"c", b"d"])
    merged = merge(base, iter([(b"b", False)]))
    assert next(merged) == b"a"
    assert next(merged) == b"c"
    assert list(base) == [b"d"]
