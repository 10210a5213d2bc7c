"""Time and randomness: the only place that reads either.

Everything above takes a `Clock` as an argument, so that a test can hold time still and repeat a
run from its seed.
"""

import os
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What the database asks of the world."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch; may stand still or step back."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back, for durations."""
        ...

    def seed(self) -> int:
        """64 unpredictable bits."""
        ...

    def secret(self, count: int) -> bytes:
        """Bytes that nobody can guess, for keys and tokens."""
        ...


class SystemClock:
    """The clock and the randomness of the operating system."""

    def __init__(self) -> None:
        # Looked at several times per read: the functions themselves, without a method around each.
        self.now_ns: Callable[[], int] = time.time_ns
        self.monotonic: Callable[[], float] = time.monotonic

    def seed(self) -> int:
        """64 unpredictable bits."""
        return int.from_bytes(os.urandom(8), "big")

    def secret(self, count: int) -> bytes:
        """Bytes that nobody can guess, for keys and tokens."""
        return os.urandom(count)
