"""Pages of a query: options, results and cursors.

A cursor is opaque: base64 of a fingerprint of the query and of the key after which the next page
begins. It stays valid while documents come and go, and is refused by any other query.
"""

import base64
import binascii
from typing import Final, Generic, Literal, NotRequired, TypedDict, TypeVar

from headwater.errors import InvalidCursorError

D = TypeVar("D")

_FINGERPRINT_BYTES: Final = 8
_END: Final = b"end"
_AFTER: Final = b"key"


class PaginationOptions(TypedDict):
    """What a caller asks of one page. The keys are those that remote clients send.

    ``numItems`` rows after ``cursor`` (None for the first page). With ``endCursor`` the page ends
    there instead, however many rows that are: a live page grows and shrinks and never overlaps
    the next one.
    """

    numItems: int
    cursor: str | None
    endCursor: NotRequired[str | None]
    id: NotRequired[int]
    maximumRowsRead: NotRequired[int]
    maximumBytesRead: NotRequired[int]


class PaginationResult(TypedDict, Generic[D]):
    """One page. ``continueCursor`` is where the next one begins."""

    page: list[D]
    isDone: bool
    continueCursor: str
    splitCursor: NotRequired[str | None]
    pageStatus: NotRequired[Literal["SplitRecommended", "SplitRequired"] | None]


def fingerprint(*parts: object) -> bytes:
    """What tells one query from another in a cursor."""
    from hashlib import blake2b

    text = repr(parts).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=_FINGERPRINT_BYTES).digest()


def encode_cursor(query: bytes, after: bytes | None) -> str:
    """The cursor behind a key of a query; None is its end."""
    position = _END if after is None else _AFTER + after
    return base64.urlsafe_b64encode(query + position).decode("ascii")


def decode_cursor(query: bytes, cursor: str) -> bytes | None:
    """The key in a cursor of this query; None for its end.

    Raises:
        InvalidCursorError: It is no cursor, or one of another query.
    """
    try:
        data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, AttributeError):
        raise InvalidCursorError(
            f"InvalidCursor: {cursor!r} is no cursor; pass the continueCursor of the page before, "
            "or None for the first page"
        ) from None
    found, position = data[:_FINGERPRINT_BYTES], data[_FINGERPRINT_BYTES:]
    if found != query:
        raise InvalidCursorError(
            "InvalidCursor: this cursor belongs to another query (table, index, bounds and order "
            "have to be the same for every page); begin again with cursor None"
        )
    if position == _END:
        return None
    if not position.startswith(_AFTER):
        raise InvalidCursorError(f"InvalidCursor: {cursor!r} is damaged; begin again with None")
    return position[len(_AFTER) :]
