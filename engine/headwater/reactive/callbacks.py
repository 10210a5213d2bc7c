"""Callbacks, one after the other, on a thread that may be slow."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Callbacks:
    """One thread that calls back; it is started by the first callback."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, callback: Callable[[], None]) -> None:
        """Call back soon. What it raises is logged."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-callbacks", daemon=True
                )
                self._thread.start()
        self._waiting.put(callback)

    def close(self) -> None:
        """Call those that wait, and then nobody any more."""
        self._waiting.put(None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _loop(self) -> None:
        while (callback := self._waiting.get()) is not None:
            try:
                callback()
            except BaseException:
                import logging

                logging.getLogger("headwater").exception("a callback of a live query raised")
