"""One mutation between its run and its commit, for tests in which several overlap."""

import contextvars
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from headwater.errors import ConflictError, UsageError
from headwater.functions.statistics import FunctionStatistics
from headwater.storage.commit_log import Origin
from headwater.transactions.commit_request import Run
from headwater.transactions.store import Store
from headwater.transactions.transaction import TableMissing, Transaction


class Attempt:
    """A mutation that has run on a snapshot and is neither committed nor dropped.

    The runner does both in one step. Apart, whatever is committed in between is certain to be
    later than the snapshot, without a thread.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        origin: Origin,
        statistics: FunctionStatistics,
        again: Callable[[], Any],
        noted: AbstractContextManager[None],
    ) -> None:
        self._store = store
        self._run = run
        self._origin = origin
        self._statistics = statistics
        self._again = again
        self._noted = noted
        self._value: Any = None
        self._error: BaseException | None = None
        self._transaction: Transaction | None = self._begin()

    @property
    def is_open(self) -> bool:
        """Whether it still can be committed or dropped."""
        return self._transaction is not None

    def _begin(self) -> Transaction:
        while True:
            transaction = self._store.begin(self._store.snapshot(), function=self._origin.function)
            try:
                self._value = contextvars.copy_context().run(self._run, transaction)
            except TableMissing as missing:
                self._store.create_table(missing.name)
            except Exception as error:  # noqa: BLE001 - it is the outcome, told at the commit
                self._error = error
                return transaction
            else:
                return transaction
            finally:
                transaction.close()  # what it has read is known, and the commit reads nothing

    def commit(self, *, retry: bool = True) -> Any:
        """Commit what it wrote, and return its result.

        Args:
            retry: Whether to run it again, as `Database.mutate` does, if it has lost.

        Raises:
            ConflictError: It lost, and is not run again.
            UsageError: It was committed or dropped before.
            BaseException: What the function raised.
        """
        transaction = self._take()
        with self._noted:
            return self._commit(transaction, retry=retry)

    def _commit(self, transaction: Transaction, *, retry: bool) -> Any:
        try:
            if self._error is not None:
                raise self._error
            self._store.commit(transaction, self._origin)
        except ConflictError as conflict:
            self._statistics.lost(conflict)
            if not retry:
                raise
        else:
            return self._value
        finally:
            self._error = None  # breaks the cycle of traceback and frame
        return self._again()

    def drop(self) -> None:
        """Forget what it wrote. Does nothing if it was committed or dropped before."""
        self._transaction = None

    def _take(self) -> Transaction:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            raise UsageError(
                f"{self._origin.function} was committed or dropped before; start it again"
            )
        return transaction
