"""The one place that opens LMDB, with the flags that this library stands on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lmdb

from headwater.errors import StorageError
from headwater.limits import GIB, MIB
from headwater.storage.format import Database
from headwater.storage.transactions import Handles

MAP_SIZE_DEFAULT_BYTES: Final = 64 * GIB
"""Address space, not disk: the file is only as large as its data. Growth is the exception."""

MAP_SIZE_SMALLEST_BYTES: Final = 64 * MIB

READERS_MAX: Final = 4096
"""Snapshots at one time, of all processes; the first opener decides. 64 bytes of lock file each."""

_NAMES: Final = [database.name_on_disk for database in Database]

_ENGINE_09: Final = 0
"""Format version 1 is defined on LMDB's 0.9 file format, whatever py-lmdb prefers."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to open the file.

    Attributes:
        map_size_bytes: Address space to reserve; None: the default, less where it is refused.
        is_durable: Commits survive a power loss. To LMDB: flush at each of them, which it need not
            where there is a journal.
        is_read_only: Neither write nor create.
        is_alone: Somebody keeps all others from opening it, and has brought it up to date.
    """

    map_size_bytes: int | None = None
    is_durable: bool = True
    is_read_only: bool = False
    is_alone: bool = False


Engine = Callable[[Path, EngineOptions], "lmdb.Environment"]


def open_engine(path: Path, options: EngineOptions) -> "lmdb.Environment":
    """Open LMDB in a directory.

    Where the address space for the default map is refused, smaller ones are tried.

    Raises:
        lmdb.Error: LMDB's own.
        StorageError: This LMDB was built without the patches against crafted files.
    """
    refuse_unpatched()
    size = options.map_size_bytes or MAP_SIZE_DEFAULT_BYTES
    smallest = options.map_size_bytes or MAP_SIZE_SMALLEST_BYTES
    while True:
        try:
            return _open(path, options, size)
        except lmdb.MemoryError:
            if size // 2 < smallest:
                raise
            size //= 2


def open_unlocked(path: Path, options: EngineOptions) -> "lmdb.Environment":
    """Open LMDB for reading, without its lock file, in a directory that the caller has alone.

    Raises:
        lmdb.Error: LMDB's own.
        StorageError: This LMDB was built without the patches against crafted files.
    """
    refuse_unpatched()
    assert options.is_read_only
    return _open(path, options, options.map_size_bytes or MAP_SIZE_SMALLEST_BYTES, lock=False)


def open_alone(path: Path) -> "lmdb.Environment":
    """Open a data file for reading without its lock file. Nobody may write to it meanwhile.

    Raises:
        lmdb.Error: LMDB's own.
        StorageError: This LMDB was built without the patches against crafted files.
    """
    size = max(path.stat().st_size, MIB)
    return _open_file(path, size, is_read_only=True, is_flushed=True)


def open_to_mend(path: Path, map_size_bytes: int, *, is_flushed: bool) -> "lmdb.Environment":
    """Open a data file for writing without its lock file.

    The caller has the directory alone. LMDB knows no readers then: a state is safe for one
    transaction after it, and no more.

    Args:
        path: The data file.
        map_size_bytes: Address space to reserve.
        is_flushed: Flush at each commit.

    Raises:
        lmdb.Error: LMDB's own.
        StorageError: This LMDB was built without the patches against crafted files.
    """
    return _open_file(path, map_size_bytes, is_read_only=False, is_flushed=is_flushed)


def refuse_unpatched() -> None:
    """Refuse a system liblmdb: it lacks py-lmdb's bounds checks on what it reads from the file.

    Raises:
        StorageError: ``lmdb.version`` reports no patch level.
    """
    if lmdb.version(subpatch=True)[3] < 1:
        raise StorageError(
            "py-lmdb uses the system's liblmdb, which trusts every byte of a damaged file; "
            "install the wheel from the package index (without LMDB_FORCE_SYSTEM or LMDB_PURE)"
        )


def open_handles(environment: "lmdb.Environment") -> Handles:
    """Open the sub-databases, in the order of `Database`; creates them in a writable file.

    Raises:
        lmdb.Error: LMDB's own; NotFoundError if one is missing from a read-only file.
    """
    if environment.flags()["readonly"]:
        return tuple([environment.open_db(name, create=False) for name in _NAMES])
    # In a transaction of ours: py-lmdb's own would wait for the write lock of another process
    # without letting other threads run.
    with environment.begin(write=True) as transaction:
        return tuple([environment.open_db(name, txn=transaction) for name in _NAMES])


def _open_file(
    path: Path, map_size_bytes: int, *, is_read_only: bool, is_flushed: bool
) -> "lmdb.Environment":
    refuse_unpatched()
    return lmdb.Environment(
        str(path),
        map_size=map_size_bytes,
        subdir=False,
        readonly=is_read_only,
        create=False,
        metasync=is_flushed,
        sync=is_flushed,
        lock=False,
        max_dbs=len(Database),
        max_spare_txns=0,
        lib_version=_ENGINE_09,
    )


def _open(
    path: Path, options: EngineOptions, size: int, *, lock: bool = True
) -> "lmdb.Environment":
    # writemap is never used: with it a full disk kills the process (SIGBUS), and a stray write
    # of any extension module reaches the file. Without sync, the journal makes commits durable.
    return lmdb.Environment(
        str(path),
        map_size=size,
        subdir=True,
        readonly=options.is_read_only,
        create=False,
        mode=0o600,
        metasync=options.is_durable,
        sync=options.is_durable,
        writemap=False,
        lock=lock,
        max_readers=READERS_MAX,
        max_dbs=len(Database),
        max_spare_txns=0,
        lib_version=_ENGINE_09,
    )
