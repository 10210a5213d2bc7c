"""The pages of a data file as plain bytes, without LMDB: for files that it must not map.

Nothing here trusts what it reads: a page that cannot be is passed over and noted, a pointer that
leads nowhere is not followed, and no page is visited twice. What the entries say is checked by
others, with the checksums in them.

Layout (LMDB 0.9, 64 bit, byte order of the machine): page 0 and 1 are the heads; each is a page
header of 16 bytes and ``MDB_meta``. A page of a tree is a header, offsets of nodes, free space,
nodes. A node is size of data, flags, size of key, key, data; in a branch, the number of the child
stands where size and flags stand in a leaf. Data that is too long for a leaf has pages of its own,
of which only the first has a header.
"""

import mmap
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_NATIVE: Final = "<" if sys.byteorder == "little" else ">"
_PAGE_HEADER: Final = struct.Struct(_NATIVE + "QHHHH")
_META_START: Final = struct.Struct(_NATIVE + "IIQQ")
_TREE: Final = struct.Struct(_NATIVE + "IHHQQQQQ")
_META_END: Final = struct.Struct(_NATIVE + "QQ")
_NODE: Final = struct.Struct(_NATIVE + "IHH")
_NUMBER: Final = struct.Struct(_NATIVE + "Q")

assert _PAGE_HEADER.size == 16
assert _META_START.size == 24
assert _TREE.size == 48
assert _META_END.size == 16
assert _NODE.size == 8

HEAD_BYTES: Final = 16 + 24 + 2 * 48 + 16
PAGE_BYTES_MIN: Final = 256
PAGE_BYTES_MAX: Final = 65536
NO_PAGE: Final = 2**64 - 1

IS_BRANCH: Final = 0x01
IS_LEAF: Final = 0x02
IS_OVERFLOW: Final = 0x04
IS_META: Final = 0x08
_HAS_OWN_PAGES: Final = 0x01
IS_TREE: Final = 0x02
"""Flag of a node whose data is the description of a tree."""

_DEPTH_MAX: Final = 32


class Head(NamedTuple):
    """One of the two head pages.

    Attributes:
        page: Its number.
        flags: What kind of page it says it is.
        magic: LMDB's magic.
        version: LMDB's file format.
        page_bytes: Size of a page.
        roots: Root pages of the free list and of the main tree.
        last_page: Greatest page in use.
        transaction: Number of the transaction that wrote it.
    """

    page: int
    flags: int
    magic: int
    version: int
    page_bytes: int
    roots: tuple[int, int]
    last_page: int
    transaction: int


def parse_head(raw: bytes) -> Head:
    """Take a head page apart, whatever its bytes say."""
    page, _pad, flags, _lower, _upper = _PAGE_HEADER.unpack_from(raw, 0)
    magic, version, _address, _map_size = _META_START.unpack_from(raw, 16)
    free = _TREE.unpack_from(raw, 40)
    main = _TREE.unpack_from(raw, 88)
    last_page, transaction = _META_END.unpack_from(raw, 136)
    return Head(page, flags, magic, version, free[0], (free[7], main[7]), last_page, transaction)


def root_of_tree(description: bytes) -> int:
    """The root page in the description of a tree; `NO_PAGE` if it is empty or none."""
    return int(_TREE.unpack(description)[7]) if len(description) == _TREE.size else NO_PAGE


def is_page_size(page_bytes: int) -> bool:
    """Whether LMDB can have pages of that size."""
    return page_bytes.bit_count() == 1 and PAGE_BYTES_MIN <= page_bytes <= PAGE_BYTES_MAX


class Place(NamedTuple):
    """Where a node is: its page, and the byte of the page where it begins."""

    page: int
    at: int


class Node(NamedTuple):
    """One entry of a leaf. ``value`` is None if it cannot be had."""

    key: bytes
    value: bytes | None
    flags: int


class Pages:
    """The pages of one file, which nobody else writes.

    Attributes:
        page_bytes: Size of a page.
        count: Number of pages, the last of which may be cut short.
        heads: Both heads, as far as they have all their bytes.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        size = os.fstat(self._descriptor).st_size
        first = self._read_head(0)
        believable = first is not None and is_page_size(first.page_bytes)
        # Where head 0 is lost, the file has most likely pages of the size that this system has.
        self.page_bytes: int = first.page_bytes if first and believable else mmap.PAGESIZE
        self.count: int = -(-size // self.page_bytes)
        heads = first, self._read_head(self.page_bytes)
        self.heads: list[Head] = [head for head in heads if head is not None]
        self._last: tuple[int, bytes] = (NO_PAGE, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def nodes(self, page: int) -> Iterator[Place]:
        """Where the nodes of a page are, if it is one of a tree; nothing for nonsense."""
        raw = self._page(page)
        if len(raw) < self.page_bytes:
            return
        lower = _PAGE_HEADER.unpack_from(raw)[3]
        if lower <= self.page_bytes:
            offsets = struct.unpack_from(f"{_NATIVE}{max(0, lower - 16) // 2}H", raw, 16)
            yield from (Place(page, at) for at in offsets if 16 <= at <= self.page_bytes - 8)

    def node(self, place: Place) -> Node:
        """A node of a leaf."""
        raw = self._page(place.page)
        size, flags, key_bytes = _NODE.unpack_from(raw, place.at)
        start = place.at + _NODE.size
        key = raw[start : start + key_bytes]
        start += key_bytes
        if flags & _HAS_OWN_PAGES:
            return Node(key, self._own_pages(raw[start : start + 8], size), flags)
        value = raw[start : start + size]
        return Node(key, value if len(value) == size else None, flags)

    def leaves(self, root: int, damage: list[str]) -> Iterator[Place]:
        """Where the entries of a tree are, in its order; pages that cannot be are noted.

        Args:
            root: Number of the root page; nothing for an empty tree.
            damage: What could not be read is added here, a line for each.
        """
        if root != NO_PAGE:
            yield from self._leaves(root, 0, set(), damage)

    def _leaves(self, page: int, depth: int, seen: set[int], damage: list[str]) -> Iterator[Place]:
        kind = self._kind(page)
        if page in seen or depth > _DEPTH_MAX or kind not in {IS_BRANCH, IS_LEAF}:
            damage.append(f"page {page} is no page of its tree")
            return
        seen.add(page)
        if kind == IS_LEAF:
            yield from self.nodes(page)
            return
        for place in self.nodes(page):
            size, flags, _ = _NODE.unpack_from(self._page(page), place.at)
            yield from self._leaves(size | flags << 32, depth + 1, seen, damage)

    def _kind(self, page: int) -> int:
        """The flags of a page; 0 if it is not there, or says that it is another one."""
        raw = self._page(page)
        if page < 2 or len(raw) < self.page_bytes:
            return 0
        number, _, flags, _, _ = _PAGE_HEADER.unpack_from(raw)
        return int(flags) if number == page else 0

    def _own_pages(self, pointer: bytes, size: int) -> bytes | None:
        """Data that has pages of its own."""
        page = _NUMBER.unpack(pointer)[0] if len(pointer) == _NUMBER.size else NO_PAGE
        if page >= self.count or size > self.count * self.page_bytes:
            return None
        raw = os.pread(self._descriptor, size, page * self.page_bytes + _PAGE_HEADER.size)
        return raw if len(raw) == size else None

    def _page(self, page: int) -> bytes:
        if page >= self.count:
            return b""
        if self._last[0] != page:
            raw = os.pread(self._descriptor, self.page_bytes, page * self.page_bytes)
            self._last = page, raw
        return self._last[1]

    def _read_head(self, at: int) -> Head | None:
        raw = os.pread(self._descriptor, HEAD_BYTES, at)
        return parse_head(raw) if len(raw) == HEAD_BYTES else None
