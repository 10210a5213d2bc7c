"""What was seen of each function: how long it takes, and what it lost conflicts to."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from headwater.errors import ConflictError

_RUNS_TO_JUDGE: Final = 3
_IN_TURN_SECONDS: Final = 0.002
"""Longer than this, and a mutation would hold up every other one."""
_WEIGHT: Final = 0.2
_PLACES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class ConflictPlace:
    """Where one function lost to another."""

    winner: str
    table: str
    index: str
    key: str


@dataclass(slots=True)
class FunctionStatistics:
    """Counters of one function.

    Attributes:
        runs: Runs that ended, well or not.
        mean_seconds: Moving average of their duration.
        conflicts: Losses by place.
        slowest_seconds: The longest duration.
        failures: Runs that raised.
        most: The most that a run has used of limits, by the names of their fields.
    """

    runs: int = 0
    mean_seconds: float = 0.0
    conflicts: Counter[ConflictPlace] = field(default_factory=Counter[ConflictPlace])
    slowest_seconds: float = 0.0
    failures: int = 0
    most: dict[str, int] = field(default_factory=dict[str, int])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_short(self) -> bool:
        """Whether it has proved short enough to run on a thread that others wait for."""
        return self.runs >= _RUNS_TO_JUDGE and self.mean_seconds < _IN_TURN_SECONDS

    def took(self, seconds: float) -> None:
        """Note a run."""
        self.runs += 1
        if self.runs == 1:
            self.mean_seconds = seconds
        else:
            self.mean_seconds += (seconds - self.mean_seconds) * _WEIGHT
        self.slowest_seconds = max(self.slowest_seconds, seconds)

    def used(self, limit: str, value: int) -> None:
        """Note how much a run has used of a limit."""
        if value > self.most.get(limit, 0):
            self.most[limit] = value

    def lost(self, conflict: ConflictError) -> None:
        """Note a conflict."""
        key = ", ".join(repr(value) for value in conflict.key)
        place = ConflictPlace(conflict.function, conflict.table, conflict.index, key)
        with self._lock:
            if place in self.conflicts or len(self.conflicts) < _PLACES_MAX:
                self.conflicts[place] += 1
