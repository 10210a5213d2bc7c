"""Cascades brought to their end in the background, those of dead processes too."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from headwater.errors import ClosedError, ForkedError
from headwater.reactive.log_listeners import Listener
from headwater.tables.catalog import CASCADES
from headwater.transactions.cascade_steps import take_step
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.store import Store

_RETRY_SECONDS: Final = 1.0
"""After which a step that has failed is tried again, if no commit comes before."""


class Cascader:
    """Takes steps while there are any, on a thread of its own, and sleeps otherwise.

    Every process that has the database open may do so at once: each step is taken once.

    Args:
        store: The database.
        listen: Has somebody told of every commit, also of those of other processes.
    """

    def __init__(self, store: Store, listen: Callable[[Listener], None]) -> None:
        self._store = store
        self._listen = listen
        # A queue, because its put may be called while any code runs, a finalizer's too.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._is_closed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Does not wait, and does nothing again."""
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-cascades", daemon=True
                )
                self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether its database has been closed."""
        return self._is_closed

    def wake(self, commits: Sequence[CommitKeys] | None) -> None:
        """A cascade may have begun. Called by whoever committed."""
        if not self._is_woken and self._concerns(commits):
            self._is_woken = True
            self._news.put(None)

    def _concerns(self, commits: Sequence[CommitKeys] | None) -> bool:
        table = self._store.catalog.by_name.get(CASCADES)
        if commits is None or table is None:
            return True
        return any(index.space in one.spaces for one in commits for index in table.indexes)

    def close(self) -> None:
        """End the thread; the step in hand is finished."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._news.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _loop(self) -> None:
        with suppress(ClosedError):
            self._listen(self)
        told = ""
        while not self._is_closed:
            self._is_woken = False
            failure = self._finish()
            if failure is not None and str(failure) != told:
                import logging

                told = str(failure)
                logger = logging.getLogger("headwater")
                logger.error("a cascade could not go on, and is tried again", exc_info=failure)
            with suppress(Empty):
                self._news.get(timeout=None if failure is None else _RETRY_SECONDS)

    def _finish(self) -> Exception | None:
        """Take steps until there are none; returns why that failed."""
        try:
            while not self._is_closed and take_step(self._store):
                pass
        except (ClosedError, ForkedError):
            return None
        except Exception as error:  # noqa: BLE001 - it is told, and tried again
            return error
        return None
