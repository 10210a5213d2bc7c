"""Transactions and snapshots that a caller opens by hand."""

from contextlib import closing
from types import TracebackType
from typing import Any, Final, Self, cast

from headwater.errors import ClosedError
from headwater.storage.format import DOCUMENTS
from headwater.tables.records import decode_document
from headwater.tables.snapshot import Snapshot
from headwater.transactions.origins import origin_of
from headwater.transactions.reader import Reader, key_of_id, table_number_of
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

_CALLS_TO_TRANSACTION: Final = 2
"""From where a transaction is constructed to the caller of db.transaction()."""


class _Ended:
    """Stands where the transaction was, once the block has ended."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> Any:
        raise ClosedError(f"the {self._what} has ended; read and write inside its with block")


_ENDED = _Ended("transaction")
_ENDED_SNAPSHOT = _Ended("snapshot")


def snapshot_at(store: Store, at: int | None) -> Snapshot:
    """A snapshot of the newest commit, or of the state after all commits up to ``at``.

    Raises:
        LogTrimmedError: The log does not reach back so far.
    """
    snapshot = store.snapshot()
    if at is None or at >= snapshot.ts:
        return snapshot
    from headwater.tables.past import past_snapshot

    try:
        return past_snapshot(snapshot.reader, snapshot.catalog, at)
    except BaseException:
        snapshot.close()
        raise


def get_document(store: Store, id: str, at: int | None = None) -> dict[str, Any] | None:
    """The version of a document now or at a moment, without a transaction around it.

    Raises:
        InvalidIdError: The string is no id.
        LogTrimmedError: The log does not reach back so far.
    """
    try:
        key = id.encode("ascii")
    except (AttributeError, UnicodeEncodeError):
        key_of_id(id)  # which says what is wrong with it
        raise
    if at is None:
        record = store.environment.get(DOCUMENTS, key)
    else:
        with closing(snapshot_at(store, at)) as snapshot:
            record = snapshot.record(key)
    if record is not None:
        return decode_document(key, record)
    table_number_of(id)
    return None


class SnapshotReader(Reader):
    """Reads of one moment, in a ``with`` block.

    Attributes:
        ts: Timestamp of the last commit in it.
    """

    __slots__ = ("_is_open", "ts")

    def __init__(self, store: Store, at: int | None = None) -> None:
        snapshot = snapshot_at(store, at)
        snapshot.reader.opened_by_thread()
        super().__init__(store.begin(snapshot, seconds_limit=None, is_read_only=True))
        self.ts: int = snapshot.ts
        self._is_open = True

    def close(self) -> None:
        """Release the snapshot. Does nothing again."""
        if self._is_open:
            self._is_open = False
            self._transaction.close()
            self._transaction = cast("Transaction", _ENDED_SNAPSHOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class OpenTransaction(Writer):
    """Reads and writes of one transaction, in a ``with`` block.

    It commits at the end of the block, and is dropped if the block raises.

    Attributes:
        ts: Timestamp of the commit, 0 before.
    """

    __slots__ = ("_is_open", "_store", "ts")

    def __init__(self, store: Store) -> None:
        snapshot = store.snapshot()
        snapshot.reader.opened_by_caller(_CALLS_TO_TRANSACTION)
        transaction = store.begin(snapshot, seconds_limit="transaction_seconds")
        transaction.create_table = store.create_table
        super().__init__(transaction, store.rules)
        self._store = store
        self._is_open = True
        self.ts: int = 0

    def commit(self) -> int:
        """Commit now, and return the timestamp. What was written is durable on return.

        Raises:
            ConflictError: Another commit changed something that was read here.
        """
        transaction = self._end()
        try:
            transaction.usage.check_time()
            self.ts = self._store.commit(transaction, origin_of(""))
        finally:
            transaction.close()
        return self.ts

    def rollback(self) -> None:
        """Drop everything that was written."""
        self._end().close()

    def _end(self) -> Transaction:
        transaction, self._transaction = self._transaction, cast("Transaction", _ENDED)
        self._is_open = False
        return transaction

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_open and kind is None:
            self.commit()
        elif self._is_open:
            self.rollback()
