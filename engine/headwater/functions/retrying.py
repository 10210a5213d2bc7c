"""Trying an action again in place, as its policy says, within the time that it has."""

import random
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from headwater.functions.retry import Retry

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event


class Interruptible(Protocol):
    """A run of an action, as far as its attempts are concerned."""

    @property
    def random(self) -> random.Random:
        """Its randomness."""
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

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after some time; returns what cancels that."""
        ...


def try_on_thread(run: Interruptible, retry: Retry, attempt: Callable[[], Any]) -> Any:
    """Try until it works, or is not to be tried again; waits on this thread.

    Raises:
        Exception: What the last attempt has raised.
        ActionCanceledError: The run has ended.
        TimeLimitError: Its time is up.
    """
    for number in count(1):
        try:
            return attempt()
        except Exception as error:
            seconds = retry.seconds_after(error, number, run.random)
            if seconds is None:
                raise
        over = threading.Event()
        with _told(run, seconds, over.set):
            over.wait()
        run.check()
    raise AssertionError("it is tried for ever, or it ends")


async def try_in_task(
    run: Interruptible, retry: Retry, attempt: Callable[[], Awaitable[Any]]
) -> Any:
    """The same as a part of this task, which is canceled when the run has to end."""
    import asyncio  # which import headwater leaves out

    for number in count(1):
        try:
            return await attempt()
        except Exception as error:
            seconds = retry.seconds_after(error, number, run.random)
            if seconds is None:
                raise
        over = asyncio.Event()
        with _told(run, seconds, partial(_set_soon, asyncio.get_running_loop(), over)):
            await over.wait()
        run.check()
    raise AssertionError("it is tried for ever, or it ends")


def _set_soon(loop: "AbstractEventLoop", over: "Event") -> None:
    with suppress(RuntimeError):  # the loop is gone, and nobody waits
        loop.call_soon_threadsafe(over.set)


@contextmanager
def _told(run: Interruptible, seconds: float, callback: Callable[[], None]) -> Generator[None]:
    """A block in which somebody is told when the time has passed, or the run has ended."""
    cancel = run.call_after(seconds, callback)
    run.when_ended(callback)
    try:
        yield
    finally:
        cancel()
        run.forget(callback)
