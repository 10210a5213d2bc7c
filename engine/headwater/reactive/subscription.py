"""One subscriber: the newest transition that it has not seen, and how it hears of it."""

import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from headwater.reactive.evaluation import Evaluation
from headwater.storage.codec import unpack


class Transition(NamedTuple):
    """The results of all queries of a subscriber at one timestamp.

    Attributes:
        ts: The timestamp.
        evaluations: The results.
        numbers: What the subscriber calls each query.
        version: What the subscriber calls this set of queries.
    """

    ts: int
    evaluations: tuple[Evaluation, ...]
    numbers: tuple[int, ...] = ()
    version: int = 0

    def gives_the_same_as(self, other: "Transition | None") -> bool:
        """Whether a subscriber could not tell the two apart."""
        return other is not None and all(
            mine.gives_the_same_as(theirs)
            for mine, theirs in zip(self.evaluations, other.evaluations, strict=True)
        )

    def values(self) -> list[Any]:
        """A copy of the results that is the caller's own.

        Raises:
            BaseException: What the first failing query raised.
        """
        for evaluation in self.evaluations:
            if evaluation.error is not None:
                raise evaluation.error.with_traceback(None)
        return [unpack(evaluation.result or b"\xc0") for evaluation in self.evaluations]


_lock = threading.RLock()
"""One for all subscriptions, of which there may be a million: it is held for a few instructions.
Reentrant, because a finalizer, which may run while it is held, may close another subscription."""


def _renew_lock_in_child() -> None:
    # It may be held by a thread that the child does not have.
    global _lock  # noqa: PLW0603 - there is one lock in a process
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock_in_child)


class Subscription:
    """A slot for the newest transition. A slow subscriber skips those between, never the last.

    Attributes:
        newest: The newest transition, seen or not.
    """

    __slots__ = ("_is_news", "_notify", "_waiter", "_waiting", "is_closed", "newest")

    def __init__(self) -> None:
        # There only while somebody waits: it takes more memory than all the rest.
        self._waiter: threading.Condition | None = None
        self._waiting = 0
        self._notify: Callable[[], None] | None = None
        self._is_news = False
        self.newest: Transition | None = None
        self.is_closed: bool = False

    @property
    def ts(self) -> int:
        """Timestamp of the newest transition, -1 before the first."""
        return -1 if self.newest is None else self.newest.ts

    def deliver(self, transition: Transition) -> None:
        """Put a newer transition in place of the one before and wake the subscriber."""
        with _lock:
            assert transition.ts >= self.ts
            self.newest = transition
            self._is_news = True
        self._tell()

    def close(self) -> None:
        """End the subscription; who waits is woken."""
        with _lock:
            self.is_closed = True
        self._tell()

    def after_fork_in_child(self) -> None:
        """End it; who waited are threads that the child lacks."""
        self._waiter = self._notify = None
        self._waiting = 0
        self.is_closed = True

    def _tell(self) -> None:
        waiter, notify = self._waiter, self._notify
        if waiter is not None:
            with waiter:
                waiter.notify_all()
        if notify is not None:
            notify()

    def on_news(self, notify: Callable[[], None]) -> None:
        """Call back, on any thread, whenever there may be something to take."""
        with _lock:
            self._notify = notify
        notify()

    def take(self) -> Transition | None:
        """The newest transition if it was not taken yet, without waiting."""
        with _lock:
            return self._take()

    def wait(self, timeout_seconds: float | None) -> Transition | None:
        """The newest transition that was not taken yet; waits for one.

        Returns:
            None if the subscription was closed, or the time is up.
        """
        with _lock:
            if not (self.is_closed or self._is_news):
                self._wait(timeout_seconds)
            return None if self.is_closed else self._take()

    def _wait(self, timeout_seconds: float | None) -> None:
        if self._waiter is None:
            self._waiter = threading.Condition(_lock)
        self._waiting += 1
        try:
            self._waiter.wait_for(lambda: self.is_closed or self._is_news, timeout_seconds)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._waiter = None

    def _take(self) -> Transition | None:
        if not self._is_news:
            return None
        self._is_news = False
        return self.newest
