"""The environment: one open database directory.

Opening checks, in this order: the kind of file system, what is in the directory, its manifest,
that it is not open in this process, the head pages of the data file, and that manifest and data
file belong together. Only then may LMDB map the file.
"""

import contextlib
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import lmdb

from headwater.clock import Clock, SystemClock
from headwater.errors import (
    AlreadyOpenError,
    CorruptionError,
    ForkedError,
    HeadwaterError,
    NotADatabaseError,
)
from headwater.limits import DEFAULT_LIMITS
from headwater.storage.commit_log import head
from headwater.storage.compaction import (
    NEW_DATA_NAME,
    Compaction,
    Told,
    copy_compacted,
    replace_by_compacted,
)
from headwater.storage.contents import Contents, copy_contents
from headwater.storage.creation import (
    create_database,
    create_temporary_directory,
    create_with,
    is_database,
)
from headwater.storage.engine import Engine, EngineOptions, open_engine
from headwater.storage.exclusion import Exclusion
from headwater.storage.failures import translate
from headwater.storage.filesystem import refuse_unsuitable
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_WITHOUT_JOURNAL,
    LAST_TRANSACTION_NAME,
    MANIFEST_NAME,
    META_UUID,
    Database,
    timestamp_of,
)
from headwater.storage.manifest import read_manifest, write_manifest
from headwater.storage.members import Membership, members, refuse_other_containers
from headwater.storage.newest import Newest, read_newest, write_newest
from headwater.storage.registry import identity_of, register, unregister
from headwater.storage.supervision import SupervisedEngine
from headwater.storage.transactions import CLOSED, ReadTransaction, bytes_of

Durability = Literal["full", "none"]

_CLOCK: Final = SystemClock()
HEADS: Final = 2


class Statistics(NamedTuple):
    """How the file and its readers stand.

    Attributes:
        file_bytes: Size of the data file; it grows, and only compacting cuts it.
        free_bytes: Of it, what nothing is stored in.
        bytes: Of the pages that each sub-database takes.
        map_size_bytes: Address space reserved; the file may grow to it before it is enlarged.
        last_transaction: Number of LMDB's newest transaction.
        readers_max: Reader slots, of all processes.
        readers_used: Slots that are or were in use, of all processes.
        snapshots: Open snapshots of this process.
        oldest_snapshot_seconds: Age of the oldest of them; 0 if there is none.
        entries: Number of entries of each sub-database.
        readers: Open snapshots by process number, of all processes.
    """

    file_bytes: int
    free_bytes: int
    bytes: dict[Database, int]
    map_size_bytes: int
    last_transaction: int
    readers_max: int
    readers_used: int
    snapshots: int
    oldest_snapshot_seconds: float
    entries: dict[Database, int]
    readers: dict[int, int]


class Environment(SupervisedEngine):
    """An open database directory: snapshots, write transactions, and its end.

    Safe to use from any thread; a write transaction stays on the thread that began it.

    Attributes:
        path: The directory.
        uuid: Name of this database, 32 hexadecimal digits.
        durability: "full": what was committed survives power loss; "none": for throw-away data,
            a power loss may leave a file that cannot be opened.
    """

    def __init__(
        self,
        directory: Path,
        options: EngineOptions,
        engine: Engine,
        clock: Clock,
        *,
        snapshot_seconds: float,
        snapshot_warning_seconds: float,
    ) -> None:
        manifest = read_manifest(directory)
        self.uuid: str = manifest.uuid
        self.durability: Durability = "full" if options.is_durable else "none"
        self._identity = identity_of(directory)
        self._exclusion = Exclusion()
        self._remove: weakref.finalize[[Path, int], Environment] | None = None
        register(self._identity, self, directory)
        self._membership = Membership.join(directory)
        # Before the file is looked at: others go on writing.
        recorded = self._recorded = read_newest(directory)
        try:
            refuse_other_containers(directory, self._membership.name)
            super().__init__(
                directory,
                options,
                engine,
                clock,
                snapshot_seconds=snapshot_seconds,
                snapshot_warning_seconds=snapshot_warning_seconds,
            )
            self._check_state(recorded)
            if not options.is_read_only:
                # Nobody is compacting now: whoever does has the lock that LMDB has just taken.
                with contextlib.suppress(OSError):
                    os.unlink(f"{directory}/{NEW_DATA_NAME}")  # noqa: PTH108 - seldom there
        except BaseException:
            self._exclusion.close()
            self._membership.leave()
            unregister(self._identity, self)
            raise

    @classmethod
    def open(  # noqa: PLR0913 - each is an option of its own, by keyword
        cls,
        path: Path | None,
        *,
        durability: Durability = "full",
        map_size_bytes: int | None = None,
        read_only: bool = False,
        snapshot_seconds: float = DEFAULT_LIMITS.snapshot_seconds,
        snapshot_warning_seconds: float = DEFAULT_LIMITS.snapshot_warning_seconds,
        clock: Clock = _CLOCK,
        engine: Engine = open_engine,
        is_alone: bool = False,
    ) -> Self:
        """Open the database at ``path``; creates it if there is nothing.

        Args:
            path: A directory; None for a throw-away one, removed when closed, durability "none".
            durability: Whether a commit is flushed before it returns.
            map_size_bytes: Address space to reserve (default 64 GiB, less where refused). Grows.
            read_only: Neither write nor create.
            snapshot_seconds: Age at which a snapshot may be taken away.
            snapshot_warning_seconds: Age at which a snapshot is told of in the log of the program.
            clock: Time and randomness.
            engine: What opens LMDB; tests put faults here.
            is_alone: Somebody keeps all others from opening it, and has brought it up to date.

        Raises:
            NotADatabaseError: Something else is at ``path``.
            NewerFormatError: A newer library wrote it.
            CorruptionError: Its files are damaged or do not belong together.
            ForkedError: A parent process had it open in a way that the child cannot leave.
            AlreadyOpenError: It is open in this process.
            ReadOnlyError: It cannot be written.
            StorageError: The file system is unsuitable, or the system failed.
        """
        directory = create_temporary_directory() if path is None else Path(path).absolute()
        is_durable = durability == "full" and path is not None
        options = EngineOptions(map_size_bytes, is_durable, read_only, is_alone)
        try:
            _prepare(directory, options, engine, clock)
            environment = cls(
                directory,
                options,
                engine,
                clock,
                snapshot_seconds=snapshot_seconds,
                snapshot_warning_seconds=snapshot_warning_seconds,
            )
        except (OSError, lmdb.Error) as error:
            if path is None:
                _remove(directory, os.getpid())
            if isinstance(error, HeadwaterError):
                raise
            if "already open" in str(error):
                raise ForkedError(
                    f"{directory}: this process has it from its parent, with snapshots or a write "
                    "transaction open at the fork; close snapshots before forking"
                ) from error
            raise translate(error, directory, "open the database") from error
        if path is None:
            environment._remove = weakref.finalize(environment, _remove, directory, os.getpid())
        return environment

    @property
    def member(self) -> str:
        """What names this open database for ever; empty where the directory cannot be written."""
        return self._membership.name

    def living_members(self) -> set[str]:
        """The names of those that have the directory open now, in all processes."""
        return {member.file.name for member in members(self.path)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def sync(self) -> None:
        """Flush everything that was committed, whatever the durability.

        Not inside a write transaction of the same thread. Waits for one of others.

        Raises:
            StorageError: The system failed.
        """
        try:
            if self._options.is_read_only or not self._has_journal:
                with self.read():  # which says so if it is closed, and keeps it open
                    self._lmdb.sync(force=True)
            else:
                with self.write():
                    assert self._journaling is not None
                    self._journaling.checkpoint_inside()
        except (lmdb.Error, OSError) as error:
            if isinstance(error, HeadwaterError):
                raise
            raise translate(error, self.path, "flush") from error

    def close(self) -> None:
        """Take away open snapshots, wait for the writer, and close. Does nothing again.

        Must not be called inside a write transaction of the same thread.
        """
        if self._begin in {self._begin_closed, self._begin_forked}:
            return
        self._checkpoints.close()
        with self._alone():
            assert self._writing is None, "a write transaction of this thread is open"
            self._begin = self._begin_closed
            self._take_all(CLOSED)
            self._checkpoint_if_last()
            self._record_newest()
            self._close_journal()
            with self._using:
                self._lmdb.close()
            self._exclusion.close()
        self._membership.leave()
        unregister(self._identity, self)
        if self._remove is not None:
            self._remove()

    def _checkpoint_if_last(self) -> None:
        """Leave a data file that stands for itself, if nobody else has it open.

        Otherwise the last one does it; if that one is killed, the next opening.
        """
        if self._journaling is not None:
            with contextlib.suppress(AlreadyOpenError, OSError, lmdb.Error):
                self._exclusion.take(self.path)
                if not self._journaling.is_idle_at(self._lmdb.info()["last_txnid"]):
                    self._checkpoint_alone()
                self._journaling.give_back()

    def copy_to(self, directory: Path, told: Told | None = None) -> None:
        """Write a copy of the newest snapshot, without unused space, while others go on writing.

        The copy is the same database (it has the same uuid) and is whole or not there. It has the
        stored files, as links where that can be, and not the keys of URLs. Keeps a snapshot for as
        long as it takes.

        Args:
            directory: Missing or empty.
            told: Called with the bytes that are copied and about how many there are; what it
                raises ends the copy.

        Raises:
            NotADatabaseError: Something else is there.
            AlreadyOpenError: There is a database already.
            SnapshotTooOldError: The file had to be opened anew meanwhile; do it again.
            StorageError: The system failed.
        """

        def fill(staging: Path) -> None:
            with contents.kept():  # from before the snapshot that names them
                copy_data(staging)
                copy_contents(self.path, staging)
            manifest = read_manifest(self.path)
            if manifest.format > FORMAT_WITHOUT_JOURNAL:
                from headwater.storage.journal import create_journal

                create_journal(staging)
            write_manifest(staging, manifest)

        def copy_data(staging: Path) -> None:
            with self.read_for_long("db.backup()") as snapshot, self._using:

                def look(done: int, total: int) -> None:
                    snapshot.count(Database.META)  # which says so if it has been taken away
                    if told is not None:
                        told(done, total)

                snapshot.count(Database.META)
                copy_compacted(self._lmdb, staging / DATA_NAME, look)

        contents = Contents(self.path, is_durable=True)
        try:
            if not create_with(directory, fill):
                raise AlreadyOpenError(
                    f"{directory}: there is a database already; copy to a new or empty directory"
                )
        except (lmdb.Error, OSError) as error:
            if isinstance(error, HeadwaterError):
                raise
            raise translate(error, directory, f"copy {self.path}") from error

    def compact(self, told: Told | None = None) -> Compaction:
        """Write the data file anew without unused space, and put it into the place of the old one.

        Open snapshots are waited for and taken away as when the map grows; whoever begins a
        transaction meanwhile waits, in this process and in others. After an error or a kill there
        is the one file or the other.

        Args:
            told: Called with the bytes that are copied and about how many there are; what it
                raises ends it.

        Raises:
            AlreadyOpenError: Another process has the database open; nothing was done.
            ReadOnlyError: The environment was opened with read_only=True.
            StorageError: The system failed.
        """
        self.write()  # which says so if it may not
        with self._alone():
            assert self._writing is None, "compacted inside a write transaction"
            if self._begin in {self._begin_closed, self._begin_forked}:
                self._begin()  # which says so
            try:
                return self._compact_alone(told)
            except (lmdb.Error, OSError) as error:
                if isinstance(error, HeadwaterError):
                    raise
                raise translate(error, self.path, "compact the file") from error

    def _compact_alone(self, told: Told | None) -> Compaction:
        try:
            self._exclusion.take(self.path)  # or is refused, and nothing has happened
            self._checkpoint_alone()
            self._disconnect()
            self._exclusion.take(self.path)  # again: closing LMDB's file has dropped it
            if self._has_journal:
                from headwater.storage.recovery import recover

                recover(self.path, self.uuid)  # should somebody have been here in between
            return replace_by_compacted(self.path, told)
        finally:
            if self._exclusion.is_taken or self._begin == self._begin_disconnected:
                with self._using:
                    self._lmdb.close()
                self._connect(self._map_size)
                self._exclusion.is_taken = False

    def stats(self) -> Statistics:
        """Measure. O(number of open snapshots)."""
        now = self._monotonic()
        with self.read() as snapshot:
            entries = {database: snapshot.count(database) for database in Database}
            sizes = {database: snapshot.page_bytes(database) for database in Database}
        started = list(self.readers.values())
        with self.read():  # which keeps it open
            info, names, listed = self._lmdb.info(), self._lmdb.stat(), self._lmdb.readers()
        used = sum(sizes.values()) + bytes_of(names) + HEADS * names["psize"]
        file_bytes = (self.path / DATA_NAME).stat().st_size
        return Statistics(
            file_bytes=file_bytes,
            free_bytes=max(file_bytes - used, 0),
            bytes=sizes,
            map_size_bytes=info["map_size"],
            last_transaction=info["last_txnid"],
            readers_max=info["max_readers"],
            readers_used=info["num_readers"],
            snapshots=len(started),
            oldest_snapshot_seconds=max([0.0, *(now - second for second in started)]),
            entries=entries,
            readers=_open_snapshots(listed),
        )

    def _check_state(self, recorded: Newest) -> None:
        try:
            with self.read() as snapshot:
                self._check_newest(snapshot, recorded)
                self._check_uuid(snapshot)
        except BaseException:
            self._close_journal()
            self._lmdb.close()
            raise

    def _check_uuid(self, snapshot: ReadTransaction) -> None:
        found = snapshot.get(Database.META, META_UUID)
        if found != self.uuid.encode("ascii"):
            raise CorruptionError(
                f"{self.path}: {DATA_NAME} is of database {found!r}, {MANIFEST_NAME} of "
                f"{self.uuid!r}: files of two databases were mixed; restore both from one backup"
            )

    def _check_newest(self, snapshot: ReadTransaction, recorded: Newest) -> None:
        """Notice a data file that went back in time: an old copy, or a damaged head page."""
        found = Newest(self.newest_at_opening, head(snapshot))
        if all(here >= then for here, then in zip(found, recorded, strict=True)):
            return
        # Read again: a repair of another process may have put a new file there in between.
        again = read_newest(self.path)
        for what, here, then, now in zip(
            ("transaction", "commit"), found, recorded, again, strict=True
        ):
            if here < min(then, now):
                raise CorruptionError(
                    f"{self.path}: the newest {what} in {DATA_NAME} is {here}, at the last close "
                    f"it was {then}: commits are missing; restore a backup, let hw.repair() look "
                    f"for them, or remove the file {LAST_TRANSACTION_NAME} to accept the older "
                    "state"
                )

    def _record_newest(self) -> None:
        """Write down a lower bound for the next opening; losing it loses only the check."""
        if self.durability == "full" and not self._options.is_read_only:
            with contextlib.suppress(OSError, lmdb.Error, CorruptionError):
                with self._lmdb.begin() as transaction:
                    cursor = transaction.cursor(self._handles[Database.LOG])
                    ts = timestamp_of(cursor.key()) if cursor.last() else 0
                newest = Newest(self._lmdb.info()["last_txnid"], ts)
                if newest != self._recorded and newest != read_newest(self.path):
                    write_newest(self.path, newest)  # and flush: whoever only read need not


def _prepare(directory: Path, options: EngineOptions, engine: Engine, clock: Clock) -> None:
    """Create the database if there is nothing yet."""
    refuse_unsuitable(directory)
    if is_database(directory):
        return
    if options.is_read_only:
        raise NotADatabaseError(
            f"{directory}: there is no database to read; open it without read_only=True to "
            "create one"
        )
    create_database(directory, engine, clock)


def _open_snapshots(listed: str) -> dict[int, int]:
    """LMDB's list of reader slots as a number of open snapshots for each process.

    One of this process is not counted: the one that keeps the file open for the list.
    """
    snapshots = {os.getpid(): -1}
    for line in listed.splitlines():
        pid, *_, transaction = [*line.split(), "-"][:3]
        if pid.isdigit() and transaction.isdigit():
            snapshots[int(pid)] = snapshots.get(int(pid), 0) + 1
    return {pid: count for pid, count in sorted(snapshots.items()) if count > 0}


def _remove(directory: Path, owner: int) -> None:
    """Remove a throw-away database, unless this is a forked child of the process that has it."""
    import shutil

    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)
