"""One page of a query."""

from itertools import chain
from typing import Any

from headwater.errors import InvalidCursorError, UsageError
from headwater.transactions.pagination import (
    PaginationOptions,
    PaginationResult,
    decode_cursor,
    encode_cursor,
    fingerprint,
)
from headwater.transactions.scan import Scan, Step, parts
from headwater.transactions.transaction import Transaction


def begin_page(transaction: Transaction, options: PaginationOptions) -> None:
    """Check the options, and that it is the only page of the run.

    Raises:
        UsageError: It is not, or ``numItems`` is below 1.
    """
    count = options["numItems"]
    if type(count) is not int or count < 1:
        raise UsageError(f"paginate: numItems is {count!r}, expected a whole number above 0")
    if transaction.has_paginated:
        raise UsageError(
            "paginate() was called twice in one run; a function reads one page, because a live "
            "page has one end to keep"
        )
    transaction.has_paginated = True


def empty_page(cursor: str | None) -> PaginationResult[Any]:
    """The page behind the last one, or of a table that does not exist."""
    return {
        "page": [],
        "isDone": True,
        "continueCursor": cursor or encode_cursor(fingerprint(None), None),
        "splitCursor": None,
        "pageStatus": None,
    }


def read_page(
    scan: Scan, options: PaginationOptions, steps: tuple[Step, ...] = ()
) -> PaginationResult[Any]:
    """Read a page and note in the transaction's journal where it ends.

    The first run of a live page looks for its end, and every later one keeps it.

    Args:
        scan: The range.
        options: Which page.
        steps: What becomes of its rows before they are counted.

    Raises:
        InvalidCursorError: A cursor of another query.
    """
    bounds, transaction = scan.range, scan.transaction
    query = fingerprint(bounds.space, bounds.low, bounds.high, scan.is_descending)
    cursor = options["cursor"]
    after = decode_cursor(query, cursor) if cursor is not None else b""
    if after is None:
        return empty_page(cursor)
    end = options.get("endCursor") or _kept_end(query, transaction.journal)
    until = decode_cursor(query, end) if end is not None else b""
    low, high = _between(scan, after, until or b"")
    count = None if end is not None else options["numItems"]
    rows = list(chain.from_iterable(parts(scan, scan.open(low, high), count, steps)))
    if end is None:
        is_done = len(rows) < options["numItems"]
        end = encode_cursor(query, None if is_done else rows[-1][0])
    else:
        is_done = until is None
    transaction.journal = end
    split = encode_cursor(query, rows[len(rows) // 2 - 1][0]) if len(rows) > 2 else None
    return {
        "page": [document for _, document in rows],
        "isDone": is_done,
        "continueCursor": end,
        "splitCursor": split,
        "pageStatus": None,
    }


def _kept_end(query: bytes, journal: str | None) -> str | None:
    """Where this page ended at its run before; None if that was a page of another range.

    The range of a live page may depend on data, or on the time: then the page begins anew.
    """
    try:
        if journal is not None:
            decode_cursor(query, journal)
    except InvalidCursorError:
        return None
    return journal


def _between(scan: Scan, after: bytes, until: bytes) -> tuple[bytes, bytes]:
    """The bounds behind one key and up to another, where these are given."""
    low, high = scan.range.low, scan.range.high
    if scan.is_descending:
        return max(low, until), min(high, after or high)
    return max(low, after and after + b"\x00"), min(high, until + b"\x00" if until else high)
