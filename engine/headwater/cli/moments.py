"""Moments as they are typed: dates, timestamps, and ages such as ``30d``."""

import re
from datetime import datetime
from typing import Final

import typer

from headwater.clock import SystemClock
from headwater.tables.moments import moment_of

_AGE: Final = re.compile(r"(\d+)\s*([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_NS_PER_SECOND: Final = 10**9


def parse_moment(text: str) -> int:
    """A moment in nanoseconds since the epoch.

    Args:
        text: A timestamp; an age before now (``90s``, ``10m``, ``2h``, ``30d``, ``4w``); or a date
            of ISO 8601, in local time unless it says otherwise.

    Raises:
        typer.BadParameter: It is none of them.
    """
    stripped = text.strip()
    if stripped.isdecimal():
        return moment_of(int(stripped))
    age = _AGE.fullmatch(stripped)
    if age is not None:
        return SystemClock().now_ns() - int(age[1]) * _SECONDS[age[2]] * _NS_PER_SECOND
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: expected a date (2026-11-23 or 2026-11-23T08:30+01:00), an age (90s, 10m, "
            "2h, 30d, 4w) or a timestamp in nanoseconds"
        ) from None
    return moment_of(moment if moment.tzinfo else moment.astimezone())
