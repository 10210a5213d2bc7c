"""Clocks for tests: that of users, moved by a number of seconds."""

from datetime import UTC, datetime

from headwater.testing import ManualClock


class StillClock(ManualClock):
    """A clock that stands still until its seconds are changed.

    Every function has taken no time at all, so after three runs each goes in turn.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(datetime.fromtimestamp(1_700_000_000, UTC), seed=seed)

    @property
    def seconds(self) -> float:
        return self.now.timestamp()

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self.set(datetime.fromtimestamp(seconds, UTC))


class SlowClock(StillClock):
    """Each look at the clock takes a hundredth of a second: no function ever proves short."""

    def __init__(self, seed: int = 0, step_seconds: float = 0.01) -> None:
        super().__init__(seed)
        self.step_seconds = step_seconds

    def monotonic(self) -> float:
        self.advance(seconds=self.step_seconds)
        return super().monotonic()
