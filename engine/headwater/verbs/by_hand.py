"""Reads and transactions without declared functions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from headwater.functions.purity import refuse_inside
from headwater.functions.snapshots import OpenSnapshot, optional_moment
from headwater.schema.tables import Id
from headwater.transactions.explicit import OpenTransaction, get_document
from headwater.transactions.writer import Writer
from headwater.verbs.opened import Opened

D = TypeVar("D")
T = TypeVar("T")


class ManualVerbs(Opened):
    """Single documents, snapshots and transactions."""

    def get(self, id: Id[D], *, at: int | datetime | None = None) -> D | None:
        """The newest committed version of a document, or None. The shortest way to one document.

        Args:
            id: The document.
            at: The version after all commits up to that moment instead: nanoseconds since the
                epoch, or an aware datetime. O(versions of the document since).

        Raises:
            InvalidIdError: The string is no id.
            ArgumentError: ``at`` is no moment.
            LogTrimmedError: The log does not reach back so far.
        """
        refuse_inside()
        moment = None if at is None else optional_moment(at)
        document: Any = get_document(self._store, id, moment)
        return document  # type: ignore[no-any-return]

    def snapshot(self, *, at: int | datetime | None = None) -> OpenSnapshot:
        """Reads of one moment: ``with db.snapshot() as s: s.get(id)``.

        An open snapshot keeps the file from reusing space; it ends by itself after
        ``limits.snapshot_seconds``.

        Args:
            at: The state after all commits up to that moment, instead of the newest: nanoseconds
                since the epoch, or an aware datetime. A moment after the newest commit is the
                newest state. Ranges cost what was committed since, besides what they read.

        Raises:
            ArgumentError: ``at`` is no moment.
            LogTrimmedError: The log does not reach back so far.
        """
        refuse_inside()
        return OpenSnapshot(self._runner, optional_moment(at))

    def transaction(self) -> OpenTransaction:
        """An explicit transaction, committed at the end of its ``with`` block.

        It is not run again: `ConflictError` says that it lost. `transact` runs again.
        """
        refuse_inside()
        return OpenTransaction(self._store)

    def transact(self, function: Callable[[Writer], T]) -> T:
        """Run ``function(tx)`` as one transaction, again if it lost a conflict.

        The function must do nothing but read and write documents: it may run several times, on
        another thread.
        """
        return self._runner.transact(function)
