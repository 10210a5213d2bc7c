"""Who has read which stored file: noted at once, committed many at a time."""

import threading
from functools import partial
from typing import Any, Final

from headwater.errors import ClosedError, HeadwaterError
from headwater.functions.files import StorageAccesses
from headwater.functions.identity import current_identity
from headwater.functions.runner import Runner
from headwater.services.stored_files import By
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_AT_ONCE: Final = 1000
"""Accesses in one commit."""

_WAITING_MAX: Final = 10_000
"""Accesses that may wait; whoever notes one more commits them first."""

_NS_PER_MS: Final = 1_000_000


class AccessLog:
    """The accesses that no transaction of their own notes: those that only read.

    A thread commits them. A clock that is set by hand is that of a test, which wants every run to
    be the same: then whoever notes one commits it.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._clock = runner.store.clock
        self._is_at_once = hasattr(self._clock, "when_moved")
        self._waiting: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._committing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def note_read(self, file: str, size: int, by: By) -> None:
        """Note that somebody reads a file, or a part of it."""
        who = current_identity()
        access = {
            "file": file,
            "verb": "read",
            "by": by,
            "identity": None if who is None else who.token_identifier,
            "bytes": size,
            "at": self._clock.now_ns() / _NS_PER_MS,
        }
        with self._changed:
            self._waiting.append(access)
            is_full = len(self._waiting) > _WAITING_MAX
            if self._thread is None and not self._is_at_once and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-accesses", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        if self._is_at_once or is_full:
            self.flush()

    def flush(self) -> None:
        """Commit what waits. It is in the table on return.

        Raises:
            StorageError: The disk is full, or the system failed; nothing was lost.
        """
        with self._committing:
            while True:
                with self._changed:
                    taken = self._waiting[:_AT_ONCE]
                if not taken:
                    return
                self._runner.serve("_storage.accesses", partial(self._insert, accesses=taken))
                with self._changed:
                    del self._waiting[: len(taken)]

    def close(self) -> None:
        """Commit what waits, and end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._try()

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
            if not self._try():
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closed, 1.0)

    def _try(self) -> bool:
        try:
            self.flush()
        except ClosedError:
            return False
        except HeadwaterError:
            import logging

            logging.getLogger("headwater").exception("accesses to files could not be noted")
            return False
        return True

    def _insert(self, transaction: Transaction, accesses: list[dict[str, Any]]) -> None:
        writer = ServiceWriter(transaction, self._runner.store.rules)
        writer.insert_many(StorageAccesses, accesses)
