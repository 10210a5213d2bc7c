"""Functions that run in turn, and an end for one that does not come back.

Everything else waits for the committer. A function that has proved short enough to run there and
then loops would stop all writes for good: past its time limit it gets an exception from outside.
"""

import threading
from collections.abc import Callable
from typing import Any

from headwater.errors import TimeLimitError
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.transaction import Transaction


class _Overran(BaseException):
    """Raised into a function that ran past its limit."""


class Watchdog:
    """Runs functions on the calling thread and watches them from another.

    The watching thread wakes once per time limit while functions run, and not at all otherwise.
    """

    def __init__(
        self, seconds: float, feed: Callable[[Transaction, str], None] | None = None
    ) -> None:
        self._seconds = seconds
        self._feed = feed
        self._lock = threading.Lock()
        self._running: CommitRequest | None = None
        self._victim: CommitRequest | None = None
        self._activity = threading.Event()
        self._is_watched = False  # what the event says, without a call
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._worker = 0

    def run(self, request: CommitRequest, transaction: Transaction) -> Any:
        """Run a request's function on a transaction, and the projections that it feeds.

        Raises:
            TimeLimitError: It ran for more than twice its limit without touching the database.
        """
        with self._lock:
            self._running = request
            self._worker = threading.get_ident()
            is_watched = self._is_watched
        if not is_watched:
            self._wake()
        try:
            return self._run(request, transaction)
        except _Overran:
            with self._lock:
                self._running = None
            raise TimeLimitError(
                f"{request.origin.function} was stopped: it ran for more than "
                f"{self._seconds:g} s (limit mutation_seconds) without touching the database, "
                "while every other write waited. Look for a loop that does not end, or move the "
                "computation out of the mutation",
                limit="mutation_seconds",
                value=self._seconds,
                maximum=self._seconds,
            ) from None

    def _run(self, request: CommitRequest, transaction: Transaction) -> Any:
        try:
            if request.context is None:
                return self._run_and_feed(request, transaction)
            return request.context.run(self._run_and_feed, request, transaction)
        finally:
            # The exception may arrive in here as well, when the function has just returned.
            self._finish(request)

    def _run_and_feed(self, request: CommitRequest, transaction: Transaction) -> Any:
        assert request.run is not None
        value = request.run(transaction)
        if self._feed is not None:
            self._feed(transaction, request.writer)
        return value

    def _finish(self, request: CommitRequest) -> None:
        with self._lock:
            self._running = None
            was_hit = self._victim is request
        if was_hit:
            # The exception may still be on its way: it is raised here, and nowhere later.
            try:
                for _ in range(1000):
                    pass
            except _Overran:
                pass

    def close(self) -> None:
        """End the watching thread."""
        self._stop.set()
        self._activity.set()
        if self._thread is not None:
            self._thread.join()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="headwater-watchdog", daemon=True
            )
            self._thread.start()
        with self._lock:
            self._is_watched = True
        self._activity.set()

    def _watch(self) -> None:
        seen: CommitRequest | None = None
        while not self._stop.is_set():
            self._activity.wait()
            self._stop.wait(self._seconds)
            with self._lock:
                running = self._running
                if running is None:
                    self._is_watched = False
                    self._activity.clear()
                elif running is seen:
                    self._victim = running
                    _raise_in(self._worker)
                seen = running


def _raise_in(thread_id: int) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(_Overran)
    )
