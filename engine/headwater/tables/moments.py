"""Moments as callers name them: timestamps, or dates with a zone."""

from datetime import UTC, datetime, timedelta
from typing import Final

from headwater.errors import ArgumentError
from headwater.storage.format import TIMESTAMP_MAX

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def moment_of(at: int | datetime, name: str = "at") -> int:
    """A moment in nanoseconds since the epoch. A datetime counts to the end of its microsecond.

    Args:
        at: A timestamp, or an aware datetime.
        name: What the caller calls it, for messages.

    Raises:
        ArgumentError: It is neither, has no time zone, or lies before 1970 or after 2262.
    """
    if type(at) is int:
        moment = at
    elif not isinstance(at, datetime):
        raise ArgumentError(
            f"{name}={at!r}: expected a timestamp (an int of nanoseconds since the epoch, such as "
            f"db.ts) or an aware datetime, got {type(at).__name__}"
        )
    elif at.tzinfo is None or at.utcoffset() is None:
        raise ArgumentError(
            f"{name}={at!r}: a datetime without a time zone could mean several moments; give it "
            "one: at.astimezone() for local time, at.replace(tzinfo=datetime.UTC) for UTC"
        )
    else:
        # By integers: floating-point seconds are too coarse. A commit in the same microsecond
        # counts as having happened.
        moment = (at - _EPOCH) // _MICROSECOND * 1000 + 999
    if not 0 <= moment <= TIMESTAMP_MAX:
        raise ArgumentError(
            f"{name}={at!r}: expected a moment from 1970 to 2262, as nanoseconds from 0 to 2**63-1"
        )
    return moment
