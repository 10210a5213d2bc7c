"""What must hold of the data file before LMDB may map it.

LMDB trusts its file: a truncated one kills the process at the first touch of a missing page
(SIGBUS), an empty one silently becomes a new database, and its two head pages carry no checksum,
so that a flipped bit in one of them can take back the newest commits. Here both head pages are
read as plain bytes first. Runs only while this process has the file not open: closing a second
descriptor of LMDB's files would drop its locks.

The head with the greater transaction number counts; transaction n writes head n & 1.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import lmdb.verify

from headwater.errors import CorruptionError
from headwater.storage.pages import (
    HEAD_BYTES,
    IS_META,
    NO_PAGE,
    PAGE_BYTES_MIN,
    Head,
    is_page_size,
    parse_head,
)

_LMDB_MAGIC: Final = 0xBEEFC0DE
_LMDB_VERSION: Final = 1


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
    start = os.pread(descriptor, HEAD_BYTES, 0)
    page_bytes = parse_head(start).page_bytes if len(start) == HEAD_BYTES else PAGE_BYTES_MIN
    if not is_page_size(page_bytes):
        raise _damaged(path, f"head 0 gives a page size of {page_bytes} bytes")
    raw = os.pread(descriptor, page_bytes + HEAD_BYTES, 0)
    if len(raw) < page_bytes + HEAD_BYTES:
        raise _damaged(path, f"it has {len(raw)} bytes, a database has at least two whole pages")
    return raw[:HEAD_BYTES] + raw[page_bytes:]


def _check(path: Path, raw: bytes, size: int) -> int:
    heads = parse_head(raw[:HEAD_BYTES]), parse_head(raw[HEAD_BYTES:])
    for number, head in enumerate(heads):
        _check_head(path, number, head)
    _check_pair(path, *heads)
    newest = max(heads, key=lambda head: head.transaction)
    # Only of the newest: after a failed write LMDB leaves new roots in the older head.
    if any(root > newest.last_page and root != NO_PAGE for root in newest.roots):
        raise _damaged(
            path, f"its head has roots {newest.roots} beyond its last page {newest.last_page}"
        )
    _check_size(path, size, newest)
    return newest.transaction


def _check_head(path: Path, number: int, head: Head) -> None:
    if head.page != number or head.flags != IS_META:
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
    findings = walk_pages(path) if missing <= head.last_page // 2 else ["most pages are missing"]
    if findings:
        raise _damaged(
            path,
            f"it is truncated: it has {size} bytes, its newest transaction needs {expected} "
            f"({findings[0]})",
        )


def walk_pages(path: Path) -> list[str]:
    """Check the form of every page and that each is used once, or free. Maps nothing.

    About 150 MB per second. The file must not be written meanwhile, or a snapshot must keep its
    pages.

    Returns:
        What is wrong, a line for each; empty if LMDB can be trusted with the file.
    """
    verify: Callable[..., list[str]] = cast("Any", lmdb.verify).verify  # without annotations
    try:
        return verify(str(path), subdir=False)
    except (
        lmdb.verify.VerifyError,
        struct.error,
        LookupError,
        ValueError,
        RecursionError,
    ) as error:
        return [str(error)]


def _damaged(path: Path, what: str) -> CorruptionError:
    return CorruptionError(
        f"{path}: {what}; nothing was opened or changed; restore a backup, or let hw.repair() save "
        "what can be saved"
    )
