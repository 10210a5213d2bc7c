"""When something runs again and again: every so often, or as a line of cron says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict, cast, get_args

from headwater.errors import DeclarationError

Weekday: TypeAlias = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_SECOND_MS: Final = 1000.0
_FIELDS: Final = 5
_SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_COUNTED_MAX: Final = 1000
_LONGEST_SECONDS: Final = 5 * 366 * 24 * 3600
_LOOK_BACK_MS: Final = [n * _SECOND_MS for n in (60, 3600, 86_400, 32 * 86_400, 367 * 86_400)]
"""How far back the last time is looked for: farther only if there was none so near."""


class StoredSchedule(TypedDict):
    """A schedule as it is stored: ``seconds`` of an interval, the others of a line of cron."""

    kind: Literal["interval", "cron"]
    seconds: NotRequired[float]
    expression: NotRequired[str]
    tz: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSchedule:
    """Every so often: ``hw.IntervalSchedule(minutes=5)``; the sum of the fields.

    The first time is when it is registered. Each later one is counted from the one before it, not
    from its end, so that it does not drift.

    Raises:
        DeclarationError: It is less than a second, or more than five years.
    """

    seconds: float = 0.0
    minutes: float = 0.0
    hours: float = 0.0

    def __post_init__(self) -> None:
        given = (self.seconds, self.minutes, self.hours)
        are_numbers = all(type(one) in (int, float) for one in given)
        if not (are_numbers and 1 <= self.period_seconds <= _LONGEST_SECONDS):
            raise DeclarationError(
                f"{self!r}: expected numbers that make at least one second and at "
                "most five years, as in IntervalSchedule(minutes=5)"
            )

    @property
    def period_seconds(self) -> float:
        """The time between two runs."""
        return self.seconds + 60 * self.minutes + 3600 * self.hours

    def first(self, now_ms: float) -> float:
        """When it runs first: at once."""
        return float(floor(now_ms))

    def following(self, time_ms: float) -> float:
        """The time after one of its times."""
        return time_ms + self.period_seconds * _SECOND_MS

    def last_until(self, time_ms: float, now_ms: float) -> float:
        """The last of its times until now, of which ``time_ms`` is one."""
        period_ms = self.period_seconds * _SECOND_MS
        return time_ms + floor((now_ms - time_ms) / period_ms) * period_ms

    def count_before(self, time_ms: float, last_ms: float) -> int:
        """How many of its times there are from one of them until before another."""
        return round((last_ms - time_ms) / (self.period_seconds * _SECOND_MS))

    def stored(self) -> StoredSchedule:
        """As it is stored."""
        return {"kind": "interval", "seconds": self.period_seconds}


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """When a line of cron says: ``hw.CronSchedule("0 9 * * MON-FRI", tz="Europe/Zurich")``.

    Five fields, as Debian's cron reads them: minute, hour, day of month, month, day of week.
    If neither day begins with a star, one of them has to match. When clocks are set forward, a time
    that there is not comes at the end of the gap. When they are set back, a fixed time comes once,
    the first time, and one with a star as its minute or hour goes on as time does.

    Args:
        expression: The line.
        tz: Name of a time zone, such as ``Europe/Zurich``.

    Raises:
        DeclarationError: It is no such line, never comes, or there is no such time zone.
    """

    expression: str
    tz: str = "UTC"

    def __post_init__(self) -> None:
        given = cast("object", self.expression)
        if not isinstance(given, str) or len(given.split()) != _FIELDS:
            raise _no_line(self.expression, "it does not have five fields")
        zone = _zone(self.tz)
        from cronsim import CronSimError

        try:
            next(self._times(_SOME_DAY.astimezone(zone)))
        except CronSimError as error:
            raise _no_line(self.expression, str(error)) from None
        except StopIteration:
            raise _no_line(self.expression, "there is no such day") from None

    @classmethod
    def hourly(cls, *, minute: int = 0, tz: str = "UTC") -> "CronSchedule":
        """Once an hour."""
        return cls(f"{_part('minute', minute, 0, 59)} * * * *", tz)

    @classmethod
    def daily(cls, *, hour: int = 0, minute: int = 0, tz: str = "UTC") -> "CronSchedule":
        """Once a day."""
        return cls(f"{_clock(hour, minute)} * * *", tz)

    @classmethod
    def weekly(
        cls, *, weekday: Weekday = "monday", hour: int = 0, minute: int = 0, tz: str = "UTC"
    ) -> "CronSchedule":
        """Once a week."""
        if weekday not in get_args(Weekday):
            raise DeclarationError(
                f"weekday={weekday!r}: expected one of {', '.join(get_args(Weekday))}"
            )
        return cls(f"{_clock(hour, minute)} * * {weekday[:3].upper()}", tz)

    @classmethod
    def monthly(
        cls, *, day: int = 1, hour: int = 0, minute: int = 0, tz: str = "UTC"
    ) -> "CronSchedule":
        """Once a month; months that do not have the day are left out."""
        return cls(f"{_clock(hour, minute)} {_part('day', day, 1, 31)} * *", tz)

    def first(self, now_ms: float) -> float:
        """When it runs first: at its next time."""
        return self.following(now_ms)

    def following(self, time_ms: float) -> float:
        """Its first time after another time."""
        return next(self._after(time_ms))

    def last_until(self, time_ms: float, now_ms: float) -> float:
        """The last of its times until now, of which ``time_ms`` is one."""
        for back_ms in _LOOK_BACK_MS:
            start_ms = max(now_ms - back_ms, time_ms)
            last_ms = time_ms if start_ms == time_ms else None
            for found_ms in self._after(start_ms):
                if found_ms > now_ms:
                    break
                last_ms = found_ms
            if last_ms is not None:
                return last_ms
        return time_ms

    def count_before(self, time_ms: float, last_ms: float) -> int:
        """How many of its times there are from one of them until before another; 1000 at most."""
        if time_ms >= last_ms:
            return 0
        count = 1
        for found_ms in self._after(time_ms):
            if found_ms >= last_ms or count >= _COUNTED_MAX:
                break
            count += 1
        return count

    def stored(self) -> StoredSchedule:
        """As it is stored."""
        return {"kind": "cron", "expression": self.expression, "tz": self.tz}

    def _after(self, time_ms: float) -> Iterator[float]:
        """Its times after another time, in order."""
        local = (_EPOCH + timedelta(milliseconds=floor(time_ms))).astimezone(_zone(self.tz))
        last_ms = time_ms
        for found in self._times(local):
            found_ms = (found.astimezone(UTC) - _EPOCH) / _MS
            # In an hour that comes twice, local times say which one they mean only by their fold.
            if found_ms > last_ms:
                last_ms = found_ms
                yield found_ms

    def _times(self, local: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        times: Iterator[datetime] = CronSim(self.expression, local)
        return times


Schedule: TypeAlias = IntervalSchedule | CronSchedule


def schedule_of(stored: Any) -> Schedule:
    """A schedule from how it is stored."""
    if stored["kind"] == "interval":
        return IntervalSchedule(seconds=stored["seconds"])
    return CronSchedule(stored["expression"], stored["tz"])


def _zone(name: Any) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, TypeError, ValueError, LookupError):
        raise DeclarationError(
            f"tz={name!r}: there is no such time zone here; expected a name such as "
            "'Europe/Zurich'. If the system has none at all, pip install tzdata"
        ) from None


def _no_line(expression: object, reason: str) -> DeclarationError:
    return DeclarationError(
        f"{expression!r} is no line of cron: {reason}; expected minute, hour, day of the month, "
        "month and day of the week, as in '0 9 * * MON-FRI'"
    )


def _part(name: str, value: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise DeclarationError(f"{name}={value!r}: expected a whole number from {low} to {high}")
    return value


def _clock(hour: int, minute: int) -> str:
    return f"{_part('minute', minute, 0, 59)} {_part('hour', hour, 0, 23)}"
