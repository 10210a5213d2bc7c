"""Clocks for tests: time and randomness that repeat."""

import threading


class StillClock:
    """A clock that stands still until it is moved, with seeds in a fixed order.

    Every function has taken no time at all, so after three runs each goes in turn.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seconds = 1_700_000_000.0
        self.seeds = seed

    def now_ns(self) -> int:
        return int(self.seconds * 1000) * 1_000_000

    def monotonic(self) -> float:
        return self.seconds

    def seed(self) -> int:
        self.seeds += 1
        return self.seeds


class SlowClock(StillClock):
    """Each look at the clock takes a hundredth of a second: no function ever proves short."""

    def __init__(self, seed: int = 0, step_seconds: float = 0.01) -> None:
        super().__init__(seed)
        self.step_seconds = step_seconds
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        with self._lock:
            self.seconds += self.step_seconds
            return self.seconds
