"""A document as a write finds it."""

from typing import Any, NamedTuple


class Existing(NamedTuple):
    """The state of a document below a write.

    Attributes:
        ts: The committed version that it replaces, 0 if this transaction has made it.
        fields: The user's fields, a copy of its own.
        is_revived: Whether this transaction has brought it back, and ``ts`` is its deletion.
    """

    ts: int
    creation_time: float
    body: bytes
    fields: dict[str, Any]
    is_revived: bool = False
