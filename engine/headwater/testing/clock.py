"""Time that stands still until it is moved, and randomness that repeats."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_NS_PER_MICROSECOND: Final = 1000
_NS_PER_SECOND: Final = 10**9
_SEED_BITS: Final = 64


class ManualClock:
    """A `headwater.clock.Clock` for tests; safe to use from any thread.

    Time stands still until `advance` or `set` moves it, so that a function takes no time at all.
    Timestamps of commits and creation times increase all the same. Randomness (ids, ``ctx.random``)
    is drawn from a seed: the same calls in the same order give the same ids.
    """

    def __init__(self, now: datetime | None = None, *, seed: int = 0) -> None:
        """Start a clock.

        Args:
            now: An aware datetime; the beginning of 2024, UTC, by default.
            seed: Of all randomness.

        Raises:
            ValueError: ``now`` says no time zone.
        """
        self._lock = threading.Lock()
        self._ns = _nanoseconds(_START if now is None else now)
        self._passed_ns = 0
        self._random = random.Random(seed)  # noqa: S311 - it has to repeat
        self._when_moved: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<ManualClock {self.now.isoformat()}>"

    @property
    def now(self) -> datetime:
        """The time, in UTC, cut to microseconds."""
        return _EPOCH + timedelta(microseconds=self._ns // _NS_PER_MICROSECOND)

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
        microseconds: float = 0,
    ) -> None:
        """Let time pass: the sum of the arguments, in whole microseconds.

        Raises:
            ValueError: The sum is below 0; `set` is for stepping back.
        """
        step = timedelta(
            days=days,
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            milliseconds=milliseconds,
            microseconds=microseconds,
        )
        if step < timedelta(0):
            raise ValueError(f"advance: expected a time of 0 or more, got {step}; use set()")
        ns = step // timedelta(microseconds=1) * _NS_PER_MICROSECOND
        with self._lock:
            self._ns += ns
            self._passed_ns += ns
        self._tell()

    def set(self, now: datetime) -> None:
        """Move to a time, also back, as the clocks of computers do.

        Durations see the time that passes between two times, and nothing of a step back.

        Raises:
            ValueError: ``now`` says no time zone.
        """
        target = _nanoseconds(now)
        with self._lock:
            self._passed_ns += max(target - self._ns, 0)
            self._ns = target
        self._tell()

    def when_moved(self, callback: Callable[[], None]) -> None:
        """Call back after each move, on the thread that moves it; for whoever waits for a time."""
        self._when_moved.append(callback)

    def _tell(self) -> None:
        for callback in self._when_moved:
            callback()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._ns

    def monotonic(self) -> float:
        """Seconds since the clock was made, without steps back."""
        return self._passed_ns / _NS_PER_SECOND

    def seed(self) -> int:
        """The next 64 bits from the seed."""
        with self._lock:
            return self._random.getrandbits(_SEED_BITS)

    def secret(self, count: int) -> bytes:
        """The next bytes from the seed: as good as secrets in tests, and nowhere else."""
        with self._lock:
            return self._random.randbytes(count)


def _nanoseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(
            f"expected a datetime with a time zone, got {moment!r}; write datetime(..., tzinfo=UTC)"
        )
    return (moment - _EPOCH) // timedelta(microseconds=1) * _NS_PER_MICROSECOND
