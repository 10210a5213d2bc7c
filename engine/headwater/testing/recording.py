"""Records what the transactions of an open database read and wrote."""

import threading
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self

from headwater.clock import Clock
from headwater.database import Database
from headwater.errors import UsageError
from headwater.tables.past import PastReader
from headwater.tables.snapshot import Snapshot
from headwater.testing.histories import History, RecordedTransaction
from headwater.testing.observed import ObservedTransaction
from headwater.testing.versions import Versions
from headwater.transactions.batch import Batch
from headwater.transactions.moment import Moment
from headwater.transactions.overlay import Overlay
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater.transactions.usage import Usage


class Recorder:
    """Watches a database, from any thread, until it is closed. Made by `record`.

    Keeps everything that was read in memory.
    """

    def __init__(self, db: Database, clock: Clock | None) -> None:
        self._db = db
        if self._store.observer is not None:
            raise UsageError("this database is recorded already; close that recorder first")
        self._lock = threading.Lock()
        self._count = count(1)
        self._clock = clock
        self._looked = threading.local()
        self._observed: list[ObservedTransaction] = []
        self._commits: dict[int, _Commit] = {}
        self._batches: dict[int, Overlay] = {}
        self._store.observer = self

    @property
    def _store(self) -> Store:
        return self._db.runner.store  # another one after a crash

    def close(self) -> None:
        """Stop watching. The history can still be asked for."""
        if self._store.observer is self:
            self._store.observer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- what the store tells -------------------------------------------------------------------

    def _now(self) -> float:
        return next(self._count) if self._clock is None else self._clock.monotonic()

    def looking(self) -> None:
        """A snapshot is about to be taken: what runs on it began no later."""
        self._looked.at = self._now()

    def transaction(
        self,
        snapshot: Snapshot,
        usage: Usage,
        *,
        moment: Moment,
        is_read_only: bool,
        below: Overlay | None,
    ) -> Transaction:
        """Make a transaction that is observed."""
        if isinstance(snapshot.reader, PastReader):  # who reads the past is not bound to the order
            return Transaction(
                snapshot, usage, moment=moment, is_read_only=is_read_only, below=below
            )
        made = ObservedTransaction(
            snapshot, usage, moment=moment, is_read_only=is_read_only, below=below
        )
        with self._lock:
            made.observe(len(self._observed) + 1, getattr(self._looked, "at", 0), self._now)
            self._observed.append(made)
        return made

    def published(self, batch: Batch) -> None:
        """What is in the batch can be seen by all who begin from now on."""
        now = self._now()
        with self._lock:
            self._batches[id(batch.overlay)] = batch.overlay
            for commit, written in zip(batch.commits, batch.written, strict=True):
                self._commits[id(written)] = _Commit(commit.ts, now, written)

    # -- the history ----------------------------------------------------------------------------

    def history(self) -> History:
        """Everything that was committed or has read until now, and commits of others.

        Transactions that lost a conflict or failed with writes are no part of it. Reads the whole
        log: O(log, and for each range that was read the documents of its table).
        """
        with self._lock:
            observed = list(self._observed)
        snapshot = self._store.snapshot()
        try:
            versions = Versions(snapshot)
        finally:
            snapshot.close()
        writers = {c.ts: (t, c) for t in observed if (c := self._commit_of(t)) is not None}
        found = [
            *(_committed(versions, *writer) for writer in writers.values()),
            *(_read(versions, t) for t in observed if self._has_read(t)),
            *(_foreign(versions, ts) for ts in versions.writes if ts not in writers),
        ]
        return History(found, versions.tables)

    def _commit_of(self, transaction: ObservedTransaction) -> "_Commit | None":
        return None if transaction.is_read_only else self._commits.get(id(transaction.own))

    def _has_read(self, transaction: ObservedTransaction) -> bool:
        if not transaction.is_read_only and transaction.own:
            return False
        if not transaction.seen or not transaction.below:
            return bool(transaction.seen)
        return id(transaction.below) in self._batches


def record(db: Database, *, clock: Clock | None = None) -> Recorder:
    """Record every transaction of a database from now on, whichever way it comes.

    Use it as ``with testing.record(db) as recorder``, then give ``recorder.history()`` to
    `check_serializable`. Costs a copy of everything that is read.

    Args:
        db: Any open database.
        clock: What says which transaction had ended before another began; without one, events are
            counted. Give a `SystemClock` to compare with recorders in other processes.

    Raises:
        UsageError: It is recorded already.
    """
    return Recorder(db, clock)


class _Commit(NamedTuple):
    """A commit that was published, when, and what it wrote (which keeps that object's id)."""

    ts: int
    ended: float
    written: Overlay


def _committed(
    versions: Versions, transaction: ObservedTransaction, commit: _Commit
) -> RecordedTransaction:
    return RecordedTransaction(
        name=_name(transaction),
        ts=commit.ts,
        reads=versions.reads(transaction, commit.ts),
        writes=versions.writes.get(commit.ts, ()),
        began=transaction.began,
        ended=commit.ended,
    )


def _read(versions: Versions, transaction: ObservedTransaction) -> RecordedTransaction:
    return RecordedTransaction(
        name=_name(transaction),
        ts=transaction.seen_ts,
        reads=versions.reads(transaction, 0),
        began=transaction.began,
        ended=transaction.ended,
    )


def _name(transaction: ObservedTransaction) -> str:
    function = transaction.function or ("snapshot" if transaction.is_read_only else "transaction")
    return f"{function} #{transaction.number}"


def _foreign(versions: Versions, ts: int) -> RecordedTransaction:
    return RecordedTransaction(
        name=f"{versions.functions[ts] or 'commit'} at {ts}", ts=ts, writes=versions.writes[ts]
    )
