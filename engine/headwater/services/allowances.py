"""How much of a rate limit is left at a moment: whole numbers only, so that nothing is rounded.

A token is cut into so many parts that each step of time brings a whole number of them. The step of
a token bucket is a millisecond, that of a fixed window is a window; otherwise both are the same.
The law: in any span of time no more is granted than the capacity and what the steps in it bring.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Level(NamedTuple):
    """What one shard of a limit has left.

    Attributes:
        parts: Parts of tokens; below zero if more was reserved than there was.
        at_ms: The moment up to which time has brought something, ms since the epoch.
    """

    parts: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What every shard of a limit gets.

    Attributes:
        rate: Tokens of the whole limit in each period.
        period_ms: The length of a period.
        capacity: Tokens of the whole limit that can be saved up.
        max_reserved: Tokens of the whole limit that can be owed.
        shards: Number of shards; each has an equal part of all this.
        start_ms: When some window begins; None for a token bucket.
    """

    rate: int
    period_ms: int
    capacity: int
    max_reserved: int
    shards: int
    start_ms: int | None

    @property
    def parts_per_token(self) -> int:
        """How many parts make a token."""
        return self.shards * self._parts_per_share

    @property
    def _parts_per_share(self) -> int:
        """Parts of a shard that stand for one token of the whole limit."""
        return self.period_ms if self.start_ms is None else 1

    @property
    def full(self) -> int:
        """The parts of a shard that has all that it can have."""
        return self.capacity * self._parts_per_share

    @property
    def floor(self) -> int:
        """The parts of a shard that owes all that it may."""
        return -self.max_reserved * self._parts_per_share

    def _step_at(self, ms: int) -> int:
        return ms if self.start_ms is None else (ms - self.start_ms) // self.period_ms

    def _begin_of(self, step: int) -> int:
        return step if self.start_ms is None else self.start_ms + step * self.period_ms

    def _when(self, level: Level, parts: int) -> int:
        """The first moment at which a level has risen to that many parts."""
        steps = -((level.parts - parts) // self.rate)
        return level.at_ms if steps <= 0 else self._begin_of(self._step_at(level.at_ms) + steps)

    def level(self, known: Level | None, now_ms: int) -> Level:
        """The level now. Nothing is known of a shard that was not used: it is full.

        While the clock is behind the moment of the level, as after a step back, nothing is added:
        that time has counted. Unless it is so far behind that the shard could have filled from the
        lowest level since: then a clock was wrong, and time counts from now on.
        """
        if known is None:
            return Level(self.full, now_ms)
        parts, at_ms = min(self.full, known.parts), known.at_ms
        if now_ms < at_ms:
            longest_ms = self._when(Level(self.floor, now_ms), self.full) - now_ms
            return Level(parts, at_ms if at_ms - now_ms <= longest_ms else now_ms)
        brought = self.rate * (self._step_at(now_ms) - self._step_at(at_ms))
        return Level(min(self.full, parts + brought), now_ms)

    def wait_ms(self, level: Level, parts: int, now_ms: int) -> int:
        """The least time after which a level of now has risen to that many parts."""
        return 0 if level.parts >= parts else self._when(level, parts) - now_ms

    def full_at_ms(self, level: Level) -> int:
        """When a level will be full, and is worth no more than none."""
        return self._when(level, self.full)
