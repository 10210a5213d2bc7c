"""What the executor waits for: moments, and better times after what was no fault of its own."""

from collections.abc import Callable, Iterable
from typing import Final

from headwater.clock import Clock
from headwater.errors import StorageError
from headwater.functions.alarm import Alarm
from headwater.services.work import Task

_PATIENCE_SECONDS: Final = 0.5
_PATIENCE_SECONDS_MAX: Final = 60.0
"""How long work waits after an error that says nothing about it, at first and at last."""

_SLEEP_SECONDS_MAX: Final = 60.0
"""The longest sleep while something waits for its time: so soon is a step of the clock noticed."""

_HELD_MAX: Final = 1000
"""Tasks that are remembered before those are forgotten whose time has come."""

_INSTANT_SECONDS: Final = 1e-6
"""What the clock cannot tell apart."""


class Waiting:
    """What the executor waits for: moments, and the end of what went wrong for no fault of its own.

    Used by the executor's thread alone.
    """

    def __init__(self, clock: Clock, alarm: Alarm, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._alarm = alarm
        self._wake = wake
        self._number: int | None = None
        self._losses: dict[str, int] = {}
        self._held: dict[str, float] = {}

    @property
    def held_count(self) -> int:
        """How many tasks are held back."""
        return len(self._held)

    @property
    def is_pausing(self) -> bool:
        """Whether nothing at all is tried now, because the disk has failed."""
        return self._is_held("")

    def holds(self, task: Task) -> bool:
        """Whether a task is not tried now."""
        return self._is_held(task.id)

    def _is_held(self, key: str) -> bool:
        until = self._held.get(key)
        return until is not None and self._clock.monotonic() < until

    def meet(self, task: Task | None, error: BaseException) -> None:
        """Something went wrong: wait before the next attempt, longer each time."""
        key = "" if task is None or isinstance(error, StorageError) else task.id
        if len(self._held) > _HELD_MAX:
            self._held = {one: until for one, until in self._held.items() if self._is_held(one)}
            self._losses = {one: self._losses[one] for one in self._held}
        losses = self._losses[key] = self._losses.get(key, 0) + 1
        seconds = min(_PATIENCE_SECONDS * 2 ** (losses - 1), _PATIENCE_SECONDS_MAX)
        self._held[key] = self._clock.monotonic() + seconds
        self._alarm.call_at(self._held[key], self._wake)
        if losses == 1:
            import logging

            what = "due work" if task is None else f"{task.function} ({task.id})"
            logging.getLogger("headwater").error(
                "%s could not be done, and is tried again", what, exc_info=error
            )

    def forget(self, task: Task) -> None:
        """A task was done: what went wrong before is over."""
        for key in ("", task.id):
            self._losses.pop(key, None)
            self._held.pop(key, None)

    def wake_at(self, times_ms: Iterable[float | None], now_ms: float, monotonic: float) -> None:
        """Wake when the first of these times has come, and not at those of an earlier call.

        Args:
            times_ms: By ``now_ms``.
            now_ms: A moment by the calendar, ms since the epoch.
            monotonic: The same moment, by the clock's ``monotonic``.
        """
        if self._number is not None:
            self._alarm.cancel(self._number)
            self._number = None
        next_ms = min((time for time in times_ms if time is not None), default=None)
        if next_ms is not None:
            seconds = min((next_ms - now_ms) / 1000 - _INSTANT_SECONDS, _SLEEP_SECONDS_MAX)
            at = monotonic + max(seconds, _INSTANT_SECONDS)
            self._number = self._alarm.call_at(at, self._wake)
