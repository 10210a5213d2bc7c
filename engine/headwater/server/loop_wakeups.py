"""Waking what waits on an event loop, from other threads, with one call for many."""

import asyncio
from collections import deque


class LoopWakeups:
    """Sets events of one event loop; all that are due at a time share one wake-up of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: deque[asyncio.Event] = deque()
        self._is_scheduled = False

    def wake(self, event: asyncio.Event) -> None:
        """Set an event soon. For any thread; does nothing once the loop is closed."""
        self._due.append(event)
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._flush)
            except RuntimeError:  # it is closed, and nobody there waits any more
                self._due.clear()

    def _flush(self) -> None:
        # Before the first look: what comes after the last one schedules anew.
        self._is_scheduled = False
        while self._due:
            self._due.popleft().set()
