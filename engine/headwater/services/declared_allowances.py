"""The numbers of a rate limit as they are declared, and whether they make one."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, cast

from headwater.errors import DeclarationError
from headwater.services.allowances import Allowance, Level

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LARGEST: Final = 2**60
"""Of parts and milliseconds; far from what can be stored, however they are added."""

_ROUNDING_MS: Final = 1e-6
"""What a float may be off a whole number of milliseconds, such as 0.007 seconds."""


class Numbers(NamedTuple):
    """What both kinds of limits say; see `headwater.services.rate_limits.RateLimit`."""

    rate: int
    per_seconds: float
    capacity: int | None
    max_reserved: int
    shards: int


def declared_allowance(name: str, numbers: Numbers, start: datetime | None) -> Allowance:
    """The allowance of a limit.

    Args:
        name: Of the limit.
        numbers: As declared.
        start: When some window begins; None for a token bucket.

    Raises:
        DeclarationError: The numbers do not make a limit.
    """
    given = cast("object", name)
    if not isinstance(given, str) or not given:
        raise DeclarationError(f"rate limit {name!r}: expected a name that is not empty")
    capacity = numbers.rate if numbers.capacity is None else numbers.capacity
    allowance = Allowance(
        rate=_whole(name, "rate", numbers.rate, least=1),
        period_ms=_period_ms(name, numbers.per_seconds),
        capacity=_whole(name, "capacity", capacity, least=1),
        max_reserved=_whole(name, "max_reserved", numbers.max_reserved, least=0),
        shards=_whole(name, "shards", numbers.shards, least=1),
        start_ms=None if start is None else _start_ms(name, start),
    )
    _check(name, allowance)
    return allowance


def _whole(name: str, what: str, number: int, *, least: int) -> int:
    if type(number) is not int or number < least:
        hint = "; for a rate below 1, make the period longer" if what == "rate" else ""
        raise DeclarationError(
            f"rate limit {name!r}: {what}={number!r}, expected a whole number, {least} or "
            f"more{hint}"
        )
    return number


def _period_ms(name: str, seconds: float) -> int:
    given = cast("object", seconds)
    ms = seconds * 1000 if isinstance(given, int | float) else 0
    if not 1 <= ms <= _LARGEST or abs(ms - round(ms)) > _ROUNDING_MS:
        raise DeclarationError(
            f"rate limit {name!r}: per_seconds={seconds!r}, expected a whole number of "
            "milliseconds, 0.001 or more"
        )
    return round(ms)


def _start_ms(name: str, start: datetime) -> int:
    given = cast("object", start)
    if not isinstance(given, datetime) or given.tzinfo is None:
        raise DeclarationError(
            f"rate limit {name!r}: start={start!r}, expected a datetime with a time zone"
        )
    return (start - EPOCH) // timedelta(milliseconds=1)


def _check(name: str, allowance: Allowance) -> None:
    """Check what the numbers have to do with each other."""
    if allowance.full < allowance.parts_per_token:
        raise DeclarationError(
            f"rate limit {name!r}: {allowance.shards} shards share a capacity of "
            f"{allowance.capacity}, and none of them could ever give a token; expected as many "
            "shards at most"
        )
    longest_ms = allowance.full_at_ms(Level(allowance.floor, 0))
    if max(allowance.full, -allowance.floor, abs(longest_ms)) > _LARGEST:
        raise DeclarationError(
            f"rate limit {name!r}: capacity={allowance.capacity} and max_reserved="
            f"{allowance.max_reserved} over {allowance.period_ms / 1000:g} s are more than can be "
            "counted exactly; choose a smaller number or a shorter period"
        )
