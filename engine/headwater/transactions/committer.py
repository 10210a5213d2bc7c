"""The committer: the one writer of a process at a time, and the order of its commits.

It takes everything that waits, and makes one batch of it: a transaction that has run already is
validated against the commits since its snapshot, a short mutation is run here, in turn, on the
head with the batch's own writes laid over it. Only then does it take LMDB's write lock, look
whether another process has committed in between (then the batch is made again), write the batch
with one flush, and tell everybody. So no function runs under the write lock, where it would stop
other processes; only a batch that keeps losing to them is made under it, as the last resort.
"""

import os
import queue
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from headwater.clock import Clock
from headwater.errors import (
    ClosedError,
    ConflictError,
    ForkedError,
    HeadwaterError,
    LogTrimmedError,
    UsageError,
)
from headwater.limits import Limits
from headwater.storage.commit_log import head
from headwater.storage.environment import Environment
from headwater.storage.format import Database
from headwater.storage.taken_away import FORKED_TEXT
from headwater.storage.transactions import WriteTransaction
from headwater.tables.catalog import Catalog
from headwater.tables.projection import apply
from headwater.tables.projection_info import Projections
from headwater.tables.snapshot import Snapshot
from headwater.transactions.batch import Batch
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.interrupts import Uninterrupted
from headwater.transactions.overlay import Overlay
from headwater.transactions.recent_commits import RecentCommits, find_conflict, trimmed_conflict
from headwater.transactions.transaction import Transaction
from headwater.transactions.watchdog import Watchdog

_FOREIGN_LOSSES: Final = 4
"""Batches made outside the write lock before one is made under it."""

_LONELY: Final = 16
"""Batches of one request after which callers commit on their own threads again."""

_PATIENCE_SECONDS: Final = 0.0005
"""What a batch waits at most for one more request."""

Job: TypeAlias = Callable[[], None]

T = TypeVar("T")


class CommitterHost(Protocol):
    """What the committer needs of the open database."""

    @property
    def environment(self) -> Environment:
        """Where batches are written."""
        ...

    @property
    def limits(self) -> Limits:
        """How large a batch may be."""
        ...

    @property
    def clock(self) -> Clock:
        """What commits are stamped with."""
        ...

    @property
    def recent(self) -> RecentCommits:
        """What transactions are validated against."""
        ...

    def snapshot(self) -> Snapshot:
        """A new snapshot of the head."""
        ...

    def snapshot_of(self, reader: WriteTransaction) -> Snapshot:
        """The head as a write transaction sees it."""
        ...

    def begin(self, snapshot: Snapshot, *, function: str, below: Overlay | None) -> Transaction:
        """A transaction over a snapshot."""
        ...

    def feed(self, transaction: Transaction, writer: str) -> None:
        """Feed the projections with what a transaction has written."""
        ...

    def ended(self, transaction: Transaction) -> None:
        """Note the creation times that a transaction has given out."""
        ...

    def published(self, batch: Batch) -> None:
        """The batch is durable and visible."""
        ...

    def look_again(self) -> None:
        """A batch failed, and may be durable all the same."""
        ...


class _Work:
    """Requests on their way into one batch.

    Attributes:
        count: How many of them the batch takes; the rest goes into the next one.
    """

    __slots__ = ("count", "requests")

    def __init__(self, requests: list[CommitRequest]) -> None:
        self.requests = requests
        self.count = len(requests)

    @property
    def taken(self) -> list[CommitRequest]:
        """What the batch is made of."""
        return self.requests[: self.count]

    @property
    def rest(self) -> list[CommitRequest]:
        """What has to wait for the next one."""
        return self.requests[self.count :]


class Committer:
    """One thread that makes the batches of a process.

    A caller who finds nobody else committing does the same work on its own thread, which saves
    waking two threads: on an idle machine that takes as long as the flush. As soon as several
    callers meet, all of them go through the thread and share its flushes.
    """

    def __init__(self, host: CommitterHost) -> None:
        self._host = host
        self._queue: queue.SimpleQueue[CommitRequest | Job | None] = queue.SimpleQueue()
        self._carried: list[CommitRequest] = []
        self._watchdog = Watchdog(host.limits.mutation_seconds, host.feed)
        self._is_closed = False
        self._lock = threading.Lock()
        self.turn: threading.Lock = threading.Lock()
        self._holder = 0
        self._is_busy = False
        self._lonely = _LONELY
        self._last_count = 1
        self._last_seconds = 0.0
        self._process_id = os.getpid()
        self._thread: threading.Thread | None = None

    # -- for the other threads ------------------------------------------------------------------

    def submit(self, request: CommitRequest) -> None:
        """Queue a transaction. The request is finished by the committer's thread."""
        request.queued()
        self._put(request)

    def run(self, request: CommitRequest) -> Any:
        """Commit a request, wait until that is durable, and return or raise its outcome."""
        self._refuse_inside()
        if self._run_here(request):
            return request.outcome()
        self.submit(request)
        return request.wait()

    def _run_here(self, request: CommitRequest) -> bool:
        """Commit a request on this thread, if nobody else is committing; whether it did."""
        self._check_process()
        if self._is_busy or self._lonely < _LONELY or self.turn.locked():
            return False
        self._host.environment.give_way()
        with self.turn:  # not acquire(): Ctrl-C may come between that and the next statement
            if self._is_closed:
                return False
            self._holder = threading.get_ident()
            try:
                self._commit_all([request])
            finally:
                self._holder = 0
        return True

    def is_made_here(self) -> bool:
        """Whether this thread makes a batch now, or makes them all."""
        thread = threading.current_thread()
        return thread is self._thread or self._holder == thread.ident

    def _refuse_inside(self) -> None:
        """A signal handler or a finalizer may run in the middle of a commit, and must not wait."""
        if self._holder == threading.get_ident():
            raise UsageError(
                "a signal handler or a finalizer writes to the database while this thread commits "
                "to it; let it set a flag or wake another thread, and write from there"
            )

    def call(self, job: Job) -> None:
        """Run a job on the committer's thread, between two batches; blocks until it has run."""
        self._refuse_inside()
        done = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                failures.append(error)
            finally:
                done.set()

        self._put(run)
        done.wait()
        if failures:
            raise failures[0]

    def run_alone(self, job: Callable[[], T]) -> T:
        """Run a job on this thread while no batch is made; Ctrl-C interrupts the job.

        Raises:
            ClosedError: The database is closed.
        """
        self._check_process()
        self._refuse_inside()
        with self.turn:
            if self._is_closed:
                raise ClosedError("the database is closed; open it again to write")
            self._holder = threading.get_ident()
            try:
                return job()
            finally:
                self._holder = 0

    def close(self) -> None:
        """Finish what is queued and end the thread. Later calls raise."""
        with self._lock:
            self._is_closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        with self.turn:  # whoever commits on its own thread has finished
            self._watchdog.close()

    def _check_process(self) -> None:
        if os.getpid() != self._process_id:
            raise ForkedError(f"{self._host.environment.path}: {FORKED_TEXT}")

    def _put(self, item: CommitRequest | Job) -> None:
        self._check_process()
        with self._lock:
            if self._is_closed:
                raise ClosedError("the database is closed; open it again to write")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-committer", daemon=True
                )
                self._thread.start()
            # From here on nobody takes the turn before the thread, which may be waiting for it.
            self._is_busy = True
            self._queue.put(item)

    # -- the thread -----------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            requests, jobs, is_last = self._take()
            self._host.environment.give_way()
            with self.turn:
                if requests:
                    self._carried = self._commit_group(requests)
                for job in jobs:
                    job()
            if is_last and not self._carried:
                return
            if is_last:
                self._queue.put(None)

    def _take(self) -> tuple[list[CommitRequest], list[Job], bool]:
        """Everything that waits, at most one batch of it; blocks while there is nothing."""
        requests, jobs = self._carried, list[Job]()
        self._carried = []
        timeout = 0.0 if requests else None
        if timeout is None:
            with self._lock:
                self._is_busy = not self._queue.empty()
        while len(requests) < self._host.limits.batch_transactions:
            try:
                item = self._queue.get(timeout=timeout)
            except queue.Empty:
                break
            if item is None:
                return requests, jobs, True
            if not isinstance(item, CommitRequest):
                jobs.append(item)
                break
            requests.append(item)
            timeout = self._patience(len(requests))
        return requests, jobs, False

    def _patience(self, count: int) -> float:
        """Seconds to wait for one more request.

        Those who shared the last flush come back together, but not all at once: waiting for them
        for a part of what a flush takes spares most of them a flush of their own.
        """
        if count >= self._last_count:
            return 0.0
        return min(_PATIENCE_SECONDS, self._last_seconds / 4)

    def _commit_group(self, requests: list[CommitRequest]) -> list[CommitRequest]:
        self._last_count = len(requests)
        self._lonely = self._lonely + 1 if len(requests) == 1 else 0
        started = self._host.clock.monotonic()
        rest = self._commit_all(requests)
        self._last_seconds = self._host.clock.monotonic() - started
        return rest

    # -- with the turn, on any thread -----------------------------------------------------------

    def _commit_all(self, requests: list[CommitRequest]) -> list[CommitRequest]:
        """Commit what one batch takes and tell its callers; returns what it did not take."""
        work = _Work(requests)
        try:
            self._process(work)
        except BaseException as error:
            if not isinstance(error, HeadwaterError | KeyboardInterrupt):
                import logging

                logging.getLogger("headwater").exception("the committer failed")
            for request in work.taken:
                request.value, request.error = None, _failure_of(error)
            self._host.look_again()
        for request in work.taken:
            request.finish()
        return work.rest

    def _process(self, work: _Work) -> None:
        for _ in range(_FOREIGN_LOSSES):
            snapshot = self._host.snapshot()
            try:
                batch = self._make(work, snapshot)
            finally:
                snapshot.close()
            if not batch.commits:
                return
            with Uninterrupted():
                if self._host.environment.run_write(partial(_write, batch=batch)):
                    self._host.published(batch)
                    return
        self._process_under_lock(work)

    def _process_under_lock(self, work: _Work) -> None:
        """The last resort against other processes that keep winning."""

        def make_and_write(writer: WriteTransaction) -> Batch:
            batch = self._make(work, self._host.snapshot_of(writer))
            if batch.commits:
                _write(writer, batch)
            return batch

        with Uninterrupted():
            self._host.published(self._host.environment.run_write(make_and_write))

    # -- one batch ------------------------------------------------------------------------------

    def _make(self, work: _Work, snapshot: Snapshot) -> Batch:
        self._host.recent.catch_up(snapshot)
        batch = Batch(snapshot.ts, snapshot.reader.version())
        work.count = len(work.requests)
        for at, request in enumerate(work.requests):
            if request.is_first and batch.commits:
                work.count = at
                break
            if request.run is not None:
                self._run_in_turn(request, snapshot, batch)
            else:
                self._validate(request, snapshot, batch)
            if batch.catalog_ts is not None:
                # What follows has to see the new catalog, which it does in the next batch.
                work.count = at + 1
                break
        return batch

    def _run_in_turn(self, request: CommitRequest, snapshot: Snapshot, batch: Batch) -> None:
        host = self._host
        transaction = host.begin(snapshot, function=request.origin.function, below=batch.overlay)
        request.error = None
        try:
            request.value = self._watchdog.run(request, transaction)
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            request.value, request.error, request.ts = None, error, batch.last_ts
        else:
            request.ts = self._append(transaction, request, batch)
        host.ended(transaction)

    def _append(self, transaction: Transaction, request: CommitRequest, batch: Batch) -> int:
        own = transaction.own
        if not own.documents:
            return batch.last_ts
        origin = request.origin
        if transaction.recorded_call is not None:
            origin = replace(origin, call=transaction.recorded_call)
        return batch.append(own, origin, self._host.clock.now_ns())

    def _validate(self, request: CommitRequest, snapshot: Snapshot, batch: Batch) -> None:
        transaction = request.transaction
        assert transaction is not None
        who = request.origin.function or "the transaction"
        request.error = self._catalog_conflict(transaction, snapshot.catalog, who)
        if request.error is None:
            request.error = self._key_conflict(transaction, snapshot, batch, who)
        if request.error is None:
            request.ts = self._append(transaction, request, batch)

    def _key_conflict(
        self, transaction: Transaction, snapshot: Snapshot, batch: Batch, who: str
    ) -> ConflictError | None:
        """A key that it has read, and that another commit has changed since."""
        try:
            since = self._host.recent.since(snapshot, transaction.snapshot.ts)
        except LogTrimmedError as error:
            return trimmed_conflict(error, who)
        return find_conflict(transaction.reads, [*since, *batch.keys], snapshot.catalog, who)

    @staticmethod
    def _catalog_conflict(
        transaction: Transaction, catalog: Catalog, who: str
    ) -> ConflictError | None:
        """A table or index that it used, and that is another one now."""
        if transaction.snapshot.catalog is catalog:
            return None
        spaces = {read.space for read in transaction.reads.ranges if read.space}
        then = transaction.snapshot.catalog
        changed = [
            catalog.name_of(then.indexes_by_space[space].table_number)
            for space in spaces
            if catalog.indexes_by_space.get(space) != then.indexes_by_space.get(space)
        ]
        if then.projections or catalog.projections:
            changed += _fed_otherwise(transaction, then.projections, catalog.projections)
        changed += [
            write.table.name
            for write in transaction.own.documents.values()
            if catalog.by_number.get(write.table.number) != write.table
        ]
        if not changed:
            return None
        return ConflictError(
            f"{who} lost: the indexes, the type or the projections of table {changed[0]!r} "
            "changed while it ran; run it again",
            ts=0,
            function="",
            table=changed[0],
            index="",
            key=(),
        )


def _fed_otherwise(transaction: Transaction, then: Projections, now: Projections) -> list[str]:
    """Tables that it has written to, and whose changes make other projections now."""
    tables = (write.table for write in transaction.own.documents.values())
    written = dict.fromkeys(table.name for table in tables if not table.is_system)
    return [name for name in written if then.around(name) != now.around(name)]


def _write(writer: WriteTransaction, batch: Batch) -> bool:
    """Write a batch, unless another process has committed since it was made.

    Nor if one has trimmed away what a document comes back from.
    """
    # Of another version it may still be: some transactions of LMDB are no commits of the log.
    if writer.version() != batch.version and head(writer) != batch.head_ts:
        return False
    if batch.revived and any(writer.get(Database.DELETED, key) is None for key in batch.revived):
        return False
    apply(writer, batch.commits, batch.changes())
    batch.version = writer.version_to_be()
    return True


def _failure_of(error: BaseException) -> BaseException:
    """An error object of its own for each request: each is raised on another thread."""
    if isinstance(error, KeyboardInterrupt):
        return error  # of the caller itself, who commits on its own thread
    if isinstance(error, HeadwaterError):
        copied: HeadwaterError = copy(error)
        copied.__cause__ = error
        return copied
    return HeadwaterError(f"the commit failed: {error!r}; whether it is durable is unknown")
