"""The file of an environment, open with a map and a journal; closed and opened anew to mend it."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, cast

import lmdb

from headwater.clock import Clock
from headwater.errors import AlreadyOpenError, DatabaseFullError
from headwater.storage.engine import Engine, EngineOptions, open_handles
from headwater.storage.exclusion import Exclusion
from headwater.storage.forks import DRAIN_SECONDS, Begin, RestingAtForks
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_UNCOMPRESSED,
    FORMAT_WITHOUT_JOURNAL,
    META_JOURNAL,
    Database,
    unseal,
)
from headwater.storage.manifest import Manifest, read_manifest
from headwater.storage.precheck import check_data_file
from headwater.storage.registry import identity_of
from headwater.storage.taken_away import OUTGROWN

if TYPE_CHECKING:
    from headwater.storage.journaling import Journaling

MENDS_MAX: Final = 32
"""Mends in a row before an error is raised: the map doubles at each, so 32 exceed any machine."""


class ConnectedEngine(RestingAtForks):
    """The part of an environment that opens the file.

    Whoever closes it or opens it anew has the locks of this process.

    Attributes:
        newest_at_opening: Number of the newest transaction that the file had.
        compresses: Whether its format knows compressed commits.
    """

    _exclusion: Exclusion

    def __init__(self, path: Path, options: EngineOptions, engine: Engine, clock: Clock) -> None:
        super().__init__(path, clock)
        self._options = options
        self._engine = engine
        self._generation = 0
        # Held while something outside of transactions uses the file, which must not be closed then.
        self._using = threading.Lock()
        self._journaling: Journaling | None = None
        self.compresses: bool = False
        self._begin = self._begin_disconnected

    def _connect(self, map_size_bytes: int | None) -> None:
        for _ in range(MENDS_MAX):
            self._open(map_size_bytes)
            try:
                self._handles = open_handles(self._lmdb)
                break
            except lmdb.MapResizedError:  # another process let the file outgrow the map just made
                self._lmdb.close()
                map_size_bytes = 2 * max(map_size_bytes or 0, self._file_bytes())
            except BaseException:
                self._lmdb.close()
                raise
        else:
            raise self._hopeless("open the file")
        try:
            self._journaling = self._open_journal()
        except BaseException:
            self._lmdb.close()
            raise
        self._begin = cast("Begin", self._lmdb.begin)
        self._map_size = self._lmdb.info()["map_size"]
        self._generation += 1
        self._lmdb.reader_check()

    def _open(self, map_size_bytes: int | None) -> None:
        while True:
            data = self.path / DATA_NAME
            self.newest_at_opening: int = check_data_file(data)
            file = identity_of(data)
            self._manifest: Manifest = read_manifest(self.path)
            format_version = self._manifest.format
            is_flushed = self._options.is_durable and format_version == FORMAT_WITHOUT_JOURNAL
            options = EngineOptions(map_size_bytes, is_flushed, self._options.is_read_only)
            self._lmdb = self._engine(self.path, options)
            # Now that it is open, nobody replaces the file or begins with a journal.
            now = identity_of(data), read_manifest(self.path).format
            if now == (file, format_version):
                break
            self._lmdb.close()  # another process has compacted it while LMDB waited for the lock
        self._has_journal = format_version > FORMAT_WITHOUT_JOURNAL
        self.compresses = format_version > FORMAT_UNCOMPRESSED
        self._exclusion.is_taken = False  # LMDB has made a shared lock of it

    def _open_journal(self) -> "Journaling | None":
        if not self._has_journal or self._options.is_read_only:
            return None
        from headwater.storage.journal_format import NO_NAME
        from headwater.storage.journaling import Journaling

        with self._lmdb.begin() as transaction:
            name = transaction.get(META_JOURNAL, None, self._handles[Database.META])
        return Journaling(
            self.path,
            self._lmdb,
            bytes.fromhex(self._manifest.uuid),
            unseal(META_JOURNAL, name or b"") or NO_NAME,
            is_durable=self._options.is_durable,
        )

    def _close_journal(self) -> None:
        journaling, self._journaling = self._journaling, None
        if journaling is not None:
            journaling.close()

    def _disconnect(self) -> None:
        self._begin = self._begin_disconnected  # and with it, whoever begins waits in _mend
        self._drain()
        self._close_journal()
        with self._using:
            self._lmdb.close()

    def _reconnect(self, map_size_bytes: int) -> None:
        self._disconnect()
        self._connect(map_size_bytes)

    def _grow_alone(self) -> None:
        size = self._map_size
        # Another process may have grown the file beyond twice our map.
        larger = 2 * max(size, self._file_bytes())
        try:
            self._reconnect(larger)
        except lmdb.MemoryError as error:
            self._connect(size)
            raise DatabaseFullError(
                f"{self.path}: its map of {size} bytes is full and the system refuses "
                f"{larger} bytes of address space; raise the limit (ulimit -v), or remove data"
            ) from error

    def _rewind_alone(self, cause: lmdb.Error) -> None:
        """Make the data file anew from its last checkpoint, if nobody else has it open."""
        from headwater.storage.recovery import recover

        try:
            self._exclusion.take(self.path)
        except AlreadyOpenError as error:
            raise cause from error
        self._disconnect()
        try:
            self._exclusion.take(self.path)  # again: closing LMDB's file has dropped it
            recover(self.path, read_manifest(self.path).uuid)
        except (AlreadyOpenError, OSError) as error:
            raise cause from error
        finally:
            self._connect(self._map_size)

    def _drain(self) -> None:
        """Wait for open snapshots, within bounds, then take away what is left."""
        self._wait_for_snapshots(lambda _: True, DRAIN_SECONDS)
        self._take_all(OUTGROWN)

    def _take_all(self, gone: "lmdb.Transaction[bytes]") -> None:
        for reader in list(self.readers):
            snapshot = reader()
            if snapshot is not None:
                snapshot.replace_by(gone)

    def _file_bytes(self) -> int:
        return (self.path / DATA_NAME).stat().st_size

    @contextmanager
    def _lock_of_lmdb(self) -> Generator[int]:
        """Keep all others from writing; gives the number of the newest transaction."""
        transaction = self._lmdb.begin(write=True)
        try:
            yield transaction.id() - 1
        finally:
            transaction.abort()

    def _hopeless(self, doing: str) -> DatabaseFullError:
        return DatabaseFullError(
            f"{self.path}: cannot {doing}: tried {MENDS_MAX} times to mend the memory map; "
            "another process keeps enlarging the file, or it cannot hold what is written"
        )

    def _begin_disconnected(self, **_options: bool) -> NoReturn:
        raise lmdb.PanicError("the file could not be opened again")
