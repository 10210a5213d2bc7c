"""What must hold of the data file before LMDB may map it.

LMDB trusts its file: a truncated one kills the process at the first touch of a missing page
(SIGBUS), an empty one silently becomes a new database, and its two head pages carry no checksum,
so that a flipped bit in one of them can take back the newest commits. Here both head pages are
read as plain bytes first. Runs only while this process has the file not open: closing a second
descriptor of LMDB's files would drop its locks.

Layout (LMDB 0.9, 64 bit): page 0 and 1 are the heads; each is a page header of 16 bytes and
``MDB_meta``. The head with the greater transaction number counts; transaction n writes head n & 1.
"""

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import lmdb.verify

from headwater.errors import CorruptionError

_NATIVE: Final = "<" if sys.byteorder == "little" else ">"
_PAGE_HEADER: Final = struct.Struct(_NATIVE + "QHHI")
_META_START: Final = struct.Struct(_NATIVE + "IIQQ")
_TREE: Final = struct.Struct(_NATIVE + "IHHQQQQQ")
_META_END: Final = struct.Struct(_NATIVE + "QQ")

assert _PAGE_HEADER.size == 16
assert _META_START.size == 24
assert _TREE.size == 48
assert _META_END.size == 16

_HEAD_BYTES: Final = 16 + 24 + 2 * 48 + 16
_LMDB_MAGIC: Final = 0xBEEFC0DE
_LMDB_VERSION: Final = 1
_IS_META: Final = 0x08
_PAGE_BYTES_MIN: Final = 256
_PAGE_BYTES_MAX: Final = 65536
_NO_PAGE: Final = 2**64 - 1


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


def check_data_file(path: Path) -> int:
    """Refuse a data file that LMDB would misread or die of. A few small reads.

    Returns:
        The number of the newest transaction in the file.

    Raises:
        CorruptionError: Missing, empty, truncated, or a head page that cannot be.
        OSError: Of the system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing while the manifest says that it was created") from error
    try:
        return _check_until_steady(path, descriptor)
    finally:
        os.close(descriptor)


def _check_until_steady(path: Path, descriptor: int) -> int:
    """Check heads that other processes may be writing: only what stays wrong is damage."""
    raw = b""
    while True:
        previous, raw = raw, _read_heads(path, descriptor)
        try:
            return _check(path, raw, os.fstat(descriptor).st_size)
        except CorruptionError:
            if raw == previous:
                raise


def _read_heads(path: Path, descriptor: int) -> bytes:
    """Read both heads at one moment, as near as that can be had."""
    start = os.pread(descriptor, _HEAD_BYTES, 0)
    page_bytes = _parse(start).page_bytes if len(start) == _HEAD_BYTES else _PAGE_BYTES_MIN
    if page_bytes.bit_count() != 1 or not _PAGE_BYTES_MIN <= page_bytes <= _PAGE_BYTES_MAX:
        raise _damaged(path, f"head 0 gives a page size of {page_bytes} bytes")
    raw = os.pread(descriptor, page_bytes + _HEAD_BYTES, 0)
    if len(raw) < page_bytes + _HEAD_BYTES:
        raise _damaged(path, f"it has {len(raw)} bytes, a database has at least two whole pages")
    return raw[:_HEAD_BYTES] + raw[page_bytes:]


def _check(path: Path, raw: bytes, size: int) -> int:
    heads = _parse(raw[:_HEAD_BYTES]), _parse(raw[_HEAD_BYTES:])
    for number, head in enumerate(heads):
        _check_head(path, number, head)
    _check_pair(path, *heads)
    newest = max(heads, key=lambda head: head.transaction)
    # Only of the newest: after a failed write LMDB leaves new roots in the older head.
    if any(root > newest.last_page and root != _NO_PAGE for root in newest.roots):
        raise _damaged(
            path, f"its head has roots {newest.roots} beyond its last page {newest.last_page}"
        )
    _check_size(path, size, newest)
    return newest.transaction


def _parse(raw: bytes) -> Head:
    page, _pad, flags, _bounds = _PAGE_HEADER.unpack_from(raw, 0)
    magic, version, _address, _map_size = _META_START.unpack_from(raw, 16)
    free = _TREE.unpack_from(raw, 40)
    main = _TREE.unpack_from(raw, 88)
    last_page, transaction = _META_END.unpack_from(raw, 136)
    return Head(page, flags, magic, version, free[0], (free[7], main[7]), last_page, transaction)


def _check_head(path: Path, number: int, head: Head) -> None:
    if head.page != number or head.flags != _IS_META:
        raise _damaged(
            path, f"head {number} says it is page {head.page} with flags {head.flags:#x}"
        )
    if head.magic != _LMDB_MAGIC or head.version != _LMDB_VERSION:
        raise _damaged(
            path,
            f"head {number} has magic {head.magic:#x} and version {head.version}, expected "
            f"{_LMDB_MAGIC:#x} and {_LMDB_VERSION}",
        )
    if head.transaction and head.transaction & 1 != number:
        raise _damaged(path, f"head {number} says it was written by {head.transaction}")


def _check_pair(path: Path, first: Head, second: Head) -> None:
    if first.page_bytes != second.page_bytes:
        raise _damaged(
            path, f"its heads give page sizes {first.page_bytes} and {second.page_bytes}"
        )
    if abs(first.transaction - second.transaction) > 1:
        raise _damaged(
            path,
            f"its heads are of transactions {first.transaction} and {second.transaction}, which "
            "do not follow one another",
        )


def _check_size(path: Path, size: int, head: Head) -> None:
    expected = (head.last_page + 1) * head.page_bytes
    if size >= expected:
        return
    # A transaction may take pages at the end and free them again without ever writing them: a
    # shorter file can be right. The slow walk over every page, without mapping any, tells.
    missing = -(-(expected - size) // head.page_bytes)
    findings = _walk(path) if missing <= head.last_page // 2 else ["most pages are missing"]
    if findings:
        raise _damaged(
            path,
            f"it is truncated: it has {size} bytes, its newest transaction needs {expected} "
            f"({findings[0]})",
        )


def _walk(path: Path) -> list[str]:
    verify: Callable[..., list[str]] = cast("Any", lmdb.verify).verify  # without annotations
    return verify(str(path), subdir=False)


def _damaged(path: Path, what: str) -> CorruptionError:
    return CorruptionError(
        f"{path}: {what}; nothing was opened or changed; keep a copy, then restore a backup"
    )
