"""An action that was started, in the hands of whoever waits for it."""

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

from headwater.errors import HeadwaterError

R = TypeVar("R")


class Endable(Protocol):
    """A run of an action, as far as its end is concerned."""

    def cancel(self, reason: str) -> None:
        """End it."""
        ...

    def check(self) -> None:
        """Refuse to go on after its end."""
        ...

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back once it must not go on."""
        ...

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call back any more."""
        ...


class RunningAction(Generic[R]):
    """An action that was started; made by `Database.start`."""

    def __init__(self, run: Endable) -> None:
        self._run = run
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self._when_done: list[Callable[[], None]] = []
        run.when_ended(self._give_up)

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._done.is_set()

    def result(self, timeout_seconds: float | None = None) -> R:
        """Wait for its end; return what it returned, or raise what it raised.

        Args:
            timeout_seconds: How long to wait; for ever by default.

        Raises:
            TimeoutError: It has not ended by then; it goes on.
            TimeLimitError: It has run for too long. A thread may still be inside, and is stopped
                at its next call.
            ActionCanceledError: It was canceled.
        """
        if not self._done.wait(timeout_seconds):
            raise TimeoutError(f"the action has not ended within {timeout_seconds} s; it goes on")
        if self._error is not None:
            raise self._error
        return cast("R", self._value)

    def cancel(self, reason: str = "it was canceled") -> None:
        """End it: an ``async def`` wherever it waits, a ``def`` at its next call.

        Args:
            reason: What the error says.
        """
        self._run.cancel(reason)

    def run_is_over(self) -> None:
        """What ends its run from now on is no reason to give up."""
        self._run.forget(self._give_up)

    def finish(self, value: Any, error: BaseException | None) -> None:
        """Tell whoever waits; what comes first counts."""
        with self._lock:
            if self._done.is_set():
                return
            self._value, self._error = value, error
            self._done.set()
            callbacks, self._when_done = self._when_done, []
        for callback in callbacks:
            callback()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back at its end, on another thread; at once if it has ended."""
        with self._lock:
            if not self._done.is_set():
                self._when_done.append(callback)
                return
        callback()

    def _give_up(self) -> None:
        """It must not go on: whoever waits need not wait for a thread that does not notice."""
        try:
            self._run.check()
        except HeadwaterError as error:
            self.finish(None, error)


async def result_of(running: RunningAction[Any]) -> Any:
    """Wait for an action that runs on a thread."""
    import asyncio

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def set_ended() -> None:
        if not ended.done():
            ended.set_result(None)

    def tell() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(set_ended)

    running.when_done(tell)
    try:
        await ended
    except asyncio.CancelledError:
        running.cancel()
        raise
    return running.result(0)
