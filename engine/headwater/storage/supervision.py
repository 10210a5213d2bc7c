"""LMDB under supervision: transactions that survive what LMDB does not mend by itself.

A full map, a map that another process grew, and an environment that LMDB gave up after a failed
write of its head are all mended in one way: no new transaction begins, open snapshots are waited
for (for a bounded time, then taken away), and the file is opened anew, with a larger map where
that was the cause. One mechanism, because LMDB's own resizing leaves a process without any map
when the system refuses the larger one.
"""

import errno
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import lmdb

from headwater.clock import Clock
from headwater.errors import (
    DatabaseFullError,
    DiskError,
    HeadwaterError,
    ReadOnlyError,
    SnapshotTooOldError,
    StorageError,
)
from headwater.storage.checkpointing import CheckpointThread
from headwater.storage.connecting import MENDS_MAX, ConnectedEngine
from headwater.storage.engine import Engine, EngineOptions
from headwater.storage.failures import InDoubtError, MapFullError, RewindNeededError, translate
from headwater.storage.format import META_UUID, Database
from headwater.storage.old_snapshots import OldSnapshots, warn
from headwater.storage.registry import notice_forks
from headwater.storage.taken_away import (
    FORKED,
    OUTGROWN_TEXT,
    TOO_OLD,
)
from headwater.storage.transactions import (
    Begun,
    ReadTransaction,
    WriteTransaction,
)

if TYPE_CHECKING:
    from headwater.storage.recording import Recorder

T = TypeVar("T")

COMMITS_PER_READER_CHECK: Final = 256
"""A killed process's snapshots keep up to this many commits from reusing space (some megabytes)."""

GREAT_ENTRIES: Final = 1000
"""A transaction of so many entries copies up to as many pages, and takes milliseconds."""

ROOM_LOW_BYTES: Final = 2**20
"""With less room than this on the disk, a write that was cut short was cut by that."""


def _room_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


class _Look:
    """Stands among the open snapshots for a read that ends before anything can be done about it."""

    __slots__ = ()

    def __call__(self) -> None:
        """No snapshot."""


class SupervisedEngine(ConnectedEngine):
    """One LMDB environment and all transactions of this process on it.

    Attributes:
        path: The directory.
        readers: Open snapshots and the monotonic second in which each began.
    """

    def __init__(
        self,
        path: Path,
        options: EngineOptions,
        engine: Engine,
        clock: Clock,
        *,
        snapshot_seconds: float,
        snapshot_warning_seconds: float,
    ) -> None:
        super().__init__(path, options, engine, clock)
        self._old = OldSnapshots(
            path, seconds=snapshot_warning_seconds, taken_away_seconds=snapshot_seconds
        )
        self._snapshot_seconds = snapshot_seconds
        self._writing: WriteTransaction | None = None
        self._commits = 0
        self._checkpoints = CheckpointThread(self._checkpoint_in_background)
        with self._writer:  # for which a fork waits: a child cannot close what is half open
            notice_forks(self)
            if not options.is_alone:
                from headwater.storage.upgrading import bring_up_to_date

                bring_up_to_date(path, options, self._exclusion, clock)
            self._connect(options.map_size_bytes)

    def read_for_long(self, purpose: str = "a long read") -> ReadTransaction:
        """Begin a snapshot that is not taken away for its age.

        While it is open the file grows with every commit: for work that ends, such as a check of
        the whole database.

        Args:
            purpose: What it is for, told when it takes long.
        """
        snapshot = self.read()
        self._old.is_long(snapshot, purpose, self._monotonic())
        snapshot.started_at(inf)
        return snapshot

    def read(self) -> ReadTransaction:
        """Begin a snapshot; about a microsecond.

        Raises:
            ClosedError: The environment is closed.
            ForkedError: It was opened before a fork.
            StorageError: LMDB failed and could not be mended.
        """
        try:
            return ReadTransaction(self, self._begin(), self._handles, self._monotonic())
        except lmdb.Error:
            return self._read_mending()

    def get(self, database: Database, key: bytes) -> bytes | None:
        """The newest value of a key; None if it is not there. What `read` and one `get` give.

        Raises:
            ClosedError, ForkedError, StorageError: As from `read`.
        """
        # Nobody but this frame can hold the transaction, so there is nothing to take away from
        # anybody; but who closes the file has to wait for it, as for any other.
        look, readers = _Look(), self.readers
        try:
            readers[look] = self._monotonic()
            return self._begin().get(key, None, self._handles[database])
        except lmdb.Error:
            pass
        finally:
            readers.pop(look, None)
            if self.is_draining:
                self.drained.set()
        with self.read() as reader:  # which mends what can be mended, and tells of the rest
            return reader.get(database, key)

    def write(self) -> WriteTransaction:
        """Return a write transaction for a ``with`` statement, which waits for LMDB's lock.

        Raises:
            ReadOnlyError: The environment was opened with read_only=True.
        """
        if self._options.is_read_only:
            raise ReadOnlyError(
                f"{self.path}: opened with read_only=True; open it without to write"
            )
        return WriteTransaction(self)

    def run_write(self, function: Callable[[WriteTransaction], T]) -> T:
        """Run ``function`` in a write transaction and commit; again after growing a full map.

        Args:
            function: Must do the same when it is called again: a first run may be thrown away.

        Raises:
            DatabaseFullError: The disk is full, or a larger map was refused.
            StorageError: LMDB failed; a DiskError may leave the commit in doubt, see `DiskError`.
        """
        for _ in range(MENDS_MAX):
            generation = self._generation
            try:
                with self.write() as transaction:
                    return function(transaction)
            except MapFullError:
                self.grow(generation)
        raise self._hopeless("write")

    def grow(self, generation: int | None = None) -> None:
        """Open the file with a map of twice the size, unless that was done since ``generation``.

        Raises:
            DatabaseFullError: The address space for it was refused; the old map is back.
        """
        with self._alone():
            assert self._writing is None, "the map cannot grow inside a write transaction"
            if generation in {None, self._generation}:
                try:
                    self._grow_alone()
                except lmdb.Error as error:
                    raise self.failure(error, "enlarge the map") from error

    def expire_readers(self, older_than_seconds: float | None = None) -> int:
        """Take away snapshots that are older; their next use raises SnapshotTooOldError.

        Done at each write transaction, with the environment's own bound, which is the default.
        Returns how many.
        """
        if not self.readers:
            return 0
        bound = self._snapshot_seconds if older_than_seconds is None else older_than_seconds
        latest = self._monotonic() - bound
        old = [reader() for reader, started in list(self.readers.items()) if started < latest]
        return sum(reader.replace_by(TOO_OLD) for reader in old if reader is not None)

    def check_readers(self) -> int:
        """Free the reader slots of processes that died. Returns how many."""
        with self.read():
            return self._lmdb.reader_check()

    def failure(self, error: lmdb.Error, doing: str) -> Exception:
        """The error to raise for one of LMDB's."""
        if type(error) is lmdb.Error and "closed" in str(error):
            # It began in the very moment in which the file was closed or opened anew.
            return SnapshotTooOldError(f"{self.path}: {OUTGROWN_TEXT}")
        return translate(error, self.path, doing)

    def begin_write(self, transaction: WriteTransaction) -> Begun:
        """Wait for the write lock of this process, then for LMDB's, and begin."""
        thread = threading.get_ident()
        assert self._writer_thread != thread, "this thread is in a write transaction already"
        self._writer.acquire()
        self._writer_thread = thread
        try:
            begun = self._begin_write()
        except BaseException:
            self._release_writer()
            raise
        self._writing = transaction
        return begun

    def end_write(
        self,
        transaction: "lmdb.Transaction[bytes]",
        recorder: "Recorder | None",
        *,
        commit: bool,
    ) -> None:
        """Commit or abort, and release the locks."""
        warnings: list[str] = []
        try:
            if commit:
                self._commit(transaction, recorder)
                self._commits += 1
                is_check_due = self._commits % COMMITS_PER_READER_CHECK == 0
                if is_check_due:
                    self._lmdb.reader_check()
                warnings = self._look_at_snapshots(with_others=is_check_due)
            else:
                transaction.abort()
        except lmdb.Error as error:
            raise self._commit_failure(error) from error
        finally:
            self._release_writer()
        if warnings:  # without a lock, as what handles them is not ours and may take long, or write
            warn(warnings)

    def _commit(self, transaction: "lmdb.Transaction[bytes]", recorder: "Recorder | None") -> None:
        journaling = self._journaling
        if recorder is None or journaling is None or not recorder.has_changes:
            transaction.commit()
            writing = self._writing
            if recorder is None and writing is not None and writing.entries >= GREAT_ENTRIES:
                self._turn_page()
            return
        try:
            if recorder.is_spoiled:
                raise StorageError(
                    f"{self.path}: cannot commit: an earlier write of this transaction failed; "
                    "nothing was written; do all of it again"
                )
            journaling.write(recorder)
        except BaseException as error:
            transaction.abort()
            if isinstance(error, InDoubtError):
                raise self._in_doubt(error) from error
            if isinstance(error, OSError) and not isinstance(error, HeadwaterError):
                raise translate(error, self.path, "commit") from error
            raise
        transaction.commit()  # if it fails, the next writer finds what it left in the journal
        journaling.committed()
        self._checkpoints.note(is_urgent=journaling.is_due)

    def _turn_page(self) -> None:
        """Let the next transaction use the pages of which a great one has left copies.

        LMDB keeps the pages of the last two states. A small transaction makes the last one small.
        Whether it goes well is no matter: what was to be committed is.
        """
        with suppress(lmdb.Error, OSError):
            transaction, handles, _ = self._begin_journaled()
            try:
                meta = handles[Database.META]
                uuid = transaction.get(META_UUID, None, meta)
                if uuid is not None:  # a database that is just being made has none yet
                    transaction.put(META_UUID, uuid, db=meta)
                transaction.commit()
            finally:
                transaction.abort()  # does nothing after the commit

    def _look_at_snapshots(self, *, with_others: bool) -> list[str]:
        """What there is to tell of old snapshots of this process, and of others.

        With the lock of writers, which a fork waits for: a child that was made in the middle of a
        call into LMDB would wait for the end of that call when it closes the file.
        """
        try:
            now = self._monotonic()
            warnings = self._old.look(self.readers, self._lmdb, now)
            if with_others:
                warnings += self._old.look_at_others(self._lmdb, now, os.getpid())
        except lmdb.Error:
            return []  # which must not look like the failure of a commit that has happened
        return warnings

    def before_fork(self) -> None:
        """Come to rest, without a pin: a child could not close the file under it."""
        super().before_fork()
        if self._journaling is not None and self._at_fork is not None and self._at_fork.has_writer:
            self._journaling.release_pin()

    def after_fork_in_child(self) -> None:
        """Refuse all further use; let the child open the directory anew where that is safe.

        It is not while a transaction was open: closing LMDB's handles would close it for the
        parent as well.
        """
        self._using = threading.Lock()
        self._checkpoints = CheckpointThread(self._checkpoint_in_background)
        self._exclusion.close()
        journaling, self._journaling = self._journaling, None
        is_quiet = self._refuse_after_fork() and not self.readers
        if journaling is not None:
            is_quiet = is_quiet and not journaling.is_pinned
            journaling.close_files()
            self._pin_of_parent = journaling  # to drop it would give the pin back
        for reader in list(self.readers):
            snapshot = reader()
            if snapshot is not None:
                snapshot.replace_by(FORKED)
        if self._writing is not None:
            self._writing.abandon(FORKED)
        if is_quiet and self._generation:  # it could be opened
            self._lmdb.close()

    def _read_mending(self) -> ReadTransaction:
        for _ in range(MENDS_MAX):
            generation = self._generation
            try:
                return ReadTransaction(self, self._begin(), self._handles, self._monotonic())
            except lmdb.Error as error:
                cause = error
            self._mend(cause, generation)
        raise self._hopeless("begin a snapshot")

    def _begin_write(self) -> Begun:
        self.expire_readers()
        for _ in range(MENDS_MAX):
            generation = self._generation
            try:
                return self._begin_journaled()
            except lmdb.Error as error:
                cause = error
            except OSError as error:
                if isinstance(error, HeadwaterError):
                    raise
                raise translate(error, self.path, "begin a write transaction") from error
            self._mend(cause, generation)
        raise self._hopeless("begin a write transaction")

    def _begin_journaled(self) -> Begun:
        transaction = self._begin(write=True)
        journaling, recorder = self._journaling, None
        if journaling is not None:
            try:
                recorder = journaling.begin(transaction.id() - 1)
            except BaseException:
                transaction.abort()
                raise
        return transaction, self._handles, recorder

    # Checkpoints --------------------------------------------------------------------------------

    def _checkpoint_alone(self) -> None:
        """Make a checkpoint; the caller has the lock of this process. Waits for LMDB's.

        Raises:
            lmdb.Error, OSError: LMDB's and the system's own.
        """
        if self._journaling is not None:
            with self._lock_of_lmdb() as newest:
                self._journaling.checkpoint(newest)

    def _checkpoint_in_background(self, *, is_timely: bool) -> bool:
        """What the thread does; returns whether there will be more to do."""
        journaling = self._journaling
        if journaling is None:
            return False
        journaling.flush()
        with self._writer:
            if self._begin != self._lmdb.begin or journaling is not self._journaling:
                return self._journaling is not None and self._journaling.is_pinned
            try:
                self._checkpoint_alone()
                if is_timely:
                    journaling.release_pin()
            except (lmdb.Error, OSError):
                journaling.release_pin()
                return False  # whoever writes next meets it, and can tell somebody
            return not is_timely

    def _release_writer(self) -> None:
        self._writing = None
        self._writer_thread = 0
        self._writer.release()

    def _mend(self, cause: lmdb.Error, generation: int) -> None:
        """Mend what kept a transaction from beginning, unless another thread has.

        Raises:
            StorageError: It cannot be mended.
        """
        with self._alone():
            if generation != self._generation:
                return
            try:
                self._mend_alone(cause)
            except lmdb.Error as error:
                raise self.failure(error, "begin a transaction") from error

    def _mend_alone(self, cause: lmdb.Error) -> None:
        if self._writing is None and isinstance(cause, lmdb.MapResizedError):
            self._grow_alone()
        elif self._writing is None and isinstance(cause, lmdb.PanicError):
            self._reconnect(self._map_size)
            with suppress(lmdb.Error, OSError):  # else whoever writes next meets it
                self._settle()
        elif self._writing is None and isinstance(cause, RewindNeededError):
            self._rewind_alone(cause)
        elif not isinstance(cause, lmdb.ReadersFullError) or not self._lmdb.reader_check():
            raise cause

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Keep every transaction of this process from beginning, and no writer in the middle."""
        if self._writer_thread == threading.get_ident():
            with self._gate:
                yield
        else:
            with self._writer, self._gate:
                yield

    def _commit_failure(self, error: lmdb.Error) -> Exception:
        """Tell a commit that did not happen from one that may have."""
        try:
            self._lmdb.begin().abort()
            # If it is in the journal, it is taken out of it.
            self._settle()
        except lmdb.PanicError:
            # The pages were flushed and the write of the head failed: LMDB tried to put the old
            # head back and refuses everything since. The next transaction opens the file anew.
            return self._in_doubt(error)
        except (lmdb.Error, OSError):
            if self._journaling is not None:
                return self._in_doubt(error)
        # LMDB reports a write that was cut short, as by a full disk, as a failed one.
        if getattr(error, "code", 0) == errno.EIO and _room_bytes(self.path) < ROOM_LOW_BYTES:
            return DatabaseFullError(
                f"{self.path}: cannot commit: the disk is full; nothing was written; make room "
                "and try again"
            )
        return self.failure(error, "commit")

    def _in_doubt(self, error: Exception) -> DiskError:
        return DiskError(
            f"{self.path}: the commit may or may not have happened: {error}; read the log to "
            "see whether it is there before doing it again"
        )

    def _settle(self) -> None:
        """Let the journal have what LMDB has, and nothing more.

        Raises:
            lmdb.Error, OSError: LMDB's and the system's own.
        """
        if self._journaling is not None:
            with self._lock_of_lmdb() as newest:
                self._journaling.begin(newest)
