"""Being called at a moment, by the database's own clock."""

import heapq
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from headwater.clock import Clock

_IDLE: Final = 64
"""Canceled moments that may stay in the line before it is cleared of them."""


class Alarm:
    """One thread that calls back when moments come; it sleeps until the next one.

    A clock that is set by hand says when it was moved: it has ``when_moved(callback)``.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._line: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._is_by_hand = hasattr(clock, "when_moved")
        if self._is_by_hand:
            by_hand: Any = clock
            by_hand.when_moved(self._look)

    def call_at(self, monotonic: float, callback: Callable[[], None]) -> int:
        """Call back once that second has come. O(log n).

        Args:
            monotonic: By the clock's ``monotonic``.
            callback: Called on the alarm's thread, which it must not hold up; must not raise.

        Returns:
            What `cancel` takes.
        """
        with self._changed:
            number = next(self._numbers)
            self._callbacks[number] = callback
            heapq.heappush(self._line, (monotonic, number))
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-alarm", daemon=True
                )
                self._thread.start()
            if self._line[0][1] == number:
                self._changed.notify()
        return number

    def cancel(self, number: int) -> None:
        """Do not call back any more. Does nothing if it was called already."""
        with self._changed:
            self._callbacks.pop(number, None)
            if len(self._line) > 2 * len(self._callbacks) + _IDLE:
                self._line = [entry for entry in self._line if entry[1] in self._callbacks]
                heapq.heapify(self._line)

    def close(self) -> None:
        """End the thread; nobody is called any more."""
        with self._changed:
            self._is_closed = True
            self._callbacks.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _look(self) -> None:
        with self._changed:
            self._changed.notify()

    def _loop(self) -> None:
        while (due := self._next()) is not None:
            due()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next callback that is due; None at the end."""
        with self._changed:
            while not self._is_closed:
                while self._line and self._line[0][1] not in self._callbacks:
                    heapq.heappop(self._line)
                remaining = self._line[0][0] - self._clock.monotonic() if self._line else None
                if remaining is not None and remaining <= 0:
                    return self._callbacks.pop(heapq.heappop(self._line)[1])
                self._changed.wait(None if self._is_by_hand else remaining)
            return None
