"""Places for those who run at the same time, first come, first served, for threads and tasks."""

import threading
from collections import deque
from collections.abc import Callable


class Slots:
    """A number of places. Whoever waits gets one in the order of coming."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], bool]] = deque()

    def acquire(self) -> None:
        """Take a place; blocks this thread until there is one."""
        given = threading.Event()

        def give() -> bool:
            given.set()
            return True

        if not self._take_or_wait(give):
            try:
                given.wait()
            except BaseException:
                # If it does not stand in line any more, the place is on its way.
                self._give_up(give, was_given=True)
                raise

    async def acquire_async(self) -> None:
        """Take a place; the task waits until there is one."""
        import asyncio  # which import headwater leaves out

        loop = asyncio.get_running_loop()
        given: asyncio.Future[None] = loop.create_future()

        def set_given() -> None:
            if given.done():  # canceled while it was on its way
                self.release()
            else:
                given.set_result(None)

        def give() -> bool:
            if loop.is_closed():
                return False
            loop.call_soon_threadsafe(set_given)
            return True

        if self._take_or_wait(give):
            return
        try:
            await given
        except BaseException:
            was_given = given.done() and not given.cancelled()
            self._give_up(give, was_given=was_given)
            raise

    def release(self) -> None:
        """Give the place to whoever waits the longest."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                give = self._waiting.popleft()
            if give():
                return

    def _take_or_wait(self, give: Callable[[], bool]) -> bool:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            self._waiting.append(give)
            return False

    def _give_up(self, give: Callable[[], bool], *, was_given: bool) -> None:
        """Leave the line; a place that has come already goes to the next one."""
        with self._lock:
            if give in self._waiting:
                self._waiting.remove(give)
                return
        if was_given:
            self.release()
