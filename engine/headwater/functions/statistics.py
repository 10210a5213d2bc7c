"""What was seen of each function: how long it takes, and what it lost conflicts to."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from headwater.errors import ConflictError
from headwater.transactions.usage import Usage

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
        documents_read: The most that a run has read.
        bytes_read: Of documents, in one run.
        documents_written: The most that a run has written.
        bytes_written: Of documents, in one run.
    """

    runs: int = 0
    mean_seconds: float = 0.0
    conflicts: Counter[ConflictPlace] = field(default_factory=Counter[ConflictPlace])
    slowest_seconds: float = 0.0
    failures: int = 0
    documents_read: int = 0
    bytes_read: int = 0
    documents_written: int = 0
    bytes_written: int = 0
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
        if seconds > self.slowest_seconds:  # noqa: PLR1730
            self.slowest_seconds = seconds

    def used(self, usage: Usage, writes: int, bytes_written: int) -> None:
        """Note how much a run has used of its limits."""
        # Compared here instead of by max(): this is a part of every call.
        if usage.documents_read > self.documents_read:  # noqa: PLR1730
            self.documents_read = usage.documents_read
        if usage.bytes_read > self.bytes_read:  # noqa: PLR1730
            self.bytes_read = usage.bytes_read
        if writes > self.documents_written:  # noqa: PLR1730
            self.documents_written = writes
        if bytes_written > self.bytes_written:  # noqa: PLR1730
            self.bytes_written = bytes_written

    def lost(self, conflict: ConflictError) -> None:
        """Note a conflict."""
        key = ", ".join(repr(value) for value in conflict.key)
        place = ConflictPlace(conflict.function, conflict.table, conflict.index, key)
        with self._lock:
            if place in self.conflicts or len(self.conflicts) < _PLACES_MAX:
                self.conflicts[place] += 1
