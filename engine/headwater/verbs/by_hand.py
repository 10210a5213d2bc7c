"""Reads and transactions without declared functions."""

from collections.abc import Callable
from typing import TypeVar, cast

from headwater.functions.purity import refuse_inside
from headwater.schema.tables import Id
from headwater.transactions.explicit import OpenSnapshot, OpenTransaction, get_document
from headwater.transactions.writer import Writer
from headwater.verbs.opened import Opened

D = TypeVar("D")
T = TypeVar("T")


class ManualVerbs(Opened):
    """Single documents, snapshots and transactions."""

    def get(self, id: Id[D]) -> D | None:
        """The newest committed version of a document, or None. The shortest way to one document.

        Raises:
            InvalidIdError: The string is no id.
        """
        refuse_inside()
        return cast("D | None", get_document(self._store, id))

    def snapshot(self) -> OpenSnapshot:
        """Reads of one moment: ``with db.snapshot() as s: s.get(id)``.

        An open snapshot keeps the file from reusing space; it ends by itself after
        ``limits.snapshot_seconds``.
        """
        refuse_inside()
        return OpenSnapshot(self._store)

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
