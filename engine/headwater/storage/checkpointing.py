"""The thread that makes checkpoints, so that commits need not wait for them.

It lives only while there is something to do: the first commit after a checkpoint starts it, and it
ends with the checkpoint after the last one. So a process that has stopped writing keeps no space
of the file from being used again.
"""

import threading
from typing import Final, Protocol
from weakref import WeakMethod

CHECKPOINT_SECONDS: Final = 1.0
"""How long a commit stays in the journal alone, about; and a pin after the last commit."""

CHECKPOINT_THREAD: Final = "headwater-checkpoint"
"""Its name."""


class Work(Protocol):
    """What the thread does."""

    def __call__(self, *, is_timely: bool) -> bool:
        """Make a checkpoint.

        Args:
            is_timely: Whether it is time for one, or else there is much to flush.

        Returns:
            Whether there will be more to do.
        """
        ...


class CheckpointThread:
    """Starts and ends the thread. Safe to use from any thread."""

    def __init__(self, work: Work) -> None:
        """Give what it does.

        Args:
            work: A method, whose object is not kept alive.
        """
        self._work = WeakMethod(work)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_news = False
        self._is_closed = False

    def note(self, *, is_urgent: bool) -> None:
        """Say that there is something to do."""
        self._has_news = True
        if self._thread is None:
            self._start()
        if is_urgent:
            self._wake.set()

    def close(self) -> None:
        """End the thread, after what it is doing. Does nothing again."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
            self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._is_closed:
                return
            self._wake.clear()
            self._thread = threading.Thread(target=self._run, name=CHECKPOINT_THREAD, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is ending; the next opening finds the journal
                self._thread = None

    def _run(self) -> None:
        has_more = True
        while has_more:
            is_urgent = self._wake.wait(CHECKPOINT_SECONDS)
            with self._lock:
                if self._is_closed:
                    return
                self._wake.clear()
            self._has_news = False
            work = self._work()
            has_more = work is not None and work(is_timely=not is_urgent)
            del work  # which would keep its owner alive while this waits
            if not has_more:
                with self._lock:
                    has_more = self._has_news
                    self._thread = self._thread if has_more else None
