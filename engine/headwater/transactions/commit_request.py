"""What is handed to the committer, and what it hands back."""

import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from headwater.storage.commit_log import Origin
from headwater.transactions.transaction import Transaction


class Run(Protocol):
    """A function that the committer runs by itself, in turn."""

    def __call__(self, transaction: Transaction, /) -> Any:
        """Run on a transaction and return the result."""
        ...


class CommitRequest:
    """One transaction on its way into the log.

    Either ``transaction`` is set (it has run, and wants to be validated), or ``run`` is (the
    committer runs it in turn).

    Attributes:
        value: What ``run`` returned.
        error: What it raised, or why the transaction could not be committed.
        ts: Timestamp of its commit; of what it saw, if it wrote nothing.
        writer: The projection on whose behalf it writes; empty for anybody else.
        is_first: Whether ``run`` has to see in the log all that was committed before it, and so
            has to begin a batch.
    """

    __slots__ = (
        "_done",
        "_when_done",
        "context",
        "error",
        "is_first",
        "origin",
        "run",
        "transaction",
        "ts",
        "value",
        "writer",
    )

    def __init__(
        self,
        origin: Origin,
        *,
        transaction: Transaction | None = None,
        run: Run | None = None,
        context: Context | None = None,
        when_done: Callable[["CommitRequest"], None] | None = None,
    ) -> None:
        self.origin: Origin = origin
        self.transaction: Transaction | None = transaction
        self.run: Run | None = run
        self.context: Context | None = context
        self.value: Any = None
        self.error: BaseException | None = None
        self.ts: int = 0
        self.writer: str = ""
        self.is_first: bool = False
        self._when_done = when_done
        self._done: threading.Lock | None = None

    def queued(self) -> None:
        """Prepare for `wait`: from now on it is another thread that finishes it."""
        if self._when_done is None:
            self._done = threading.Lock()
            self._done.acquire()

    def finish(self) -> None:
        """Tell whoever waits. Called once, by the committer."""
        try:
            if self._when_done is not None:
                self._when_done(self)
        except Exception:
            # An event loop that is gone, say: nobody there waits any more, others here do.
            import logging

            logging.getLogger("headwater").exception("the end of a commit could not be told")
        finally:
            if self._done is not None:
                self._done.release()

    def wait(self) -> Any:
        """Block until the outcome is durable, and return or raise it.

        An interrupt (Ctrl-C) ends the wait and not the commit: whether it happened is then seen in
        the database.
        """
        assert self._done is not None, "whoever gave a callback is called, and need not wait"
        with self._done:
            return self.outcome()

    def outcome(self) -> Any:
        """The result, once finished.

        Raises:
            BaseException: What the function raised, or why it was not committed.
        """
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # breaks the cycle of traceback and frame
        return self.value
