"""Every error of LMDB and of the operating system as one of `headwater.errors`, with advice."""

import errno
from typing import Final

import lmdb

from headwater.errors import (
    CorruptionError,
    DatabaseFullError,
    DiskError,
    ReadOnlyError,
    StorageError,
)


class MapFullError(DatabaseFullError):
    """The memory map is full and the disk is not: grow the map, then do the work again."""


class RewindNeededError(lmdb.Error):
    """A flush of the data file failed: it must be made anew from its last checkpoint."""


_FULL: Final = (
    DatabaseFullError,
    (
        "the disk is full, or the quota or the greatest file size is reached; nothing was written; "
        "make room and try again"
    ),
)
_READ_ONLY: Final = (
    ReadOnlyError,
    (
        "the directory or a file in it cannot be written; change its permissions or mount it "
        "writable"
    ),
)
_FAILED: Final = (
    DiskError,
    "the operating system failed to read, write or flush; look into its log for the disk",
)
_DAMAGED: Final = (
    CorruptionError,
    (
        "the file is damaged; close the database everywhere, see with hw.check(path) how far this "
        "goes, then restore a backup, or let hw.repair(path) save what can be saved"
    ),
)

_BY_ERRNO: Final[dict[int, tuple[type[StorageError], str]]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EIO: _FAILED,
    errno.ENOMEM: (
        StorageError,
        "the operating system gave no memory or address space; raise the limit (ulimit -v)",
    ),
    errno.EMFILE: (StorageError, "the process has too many open files; raise ulimit -n"),
    errno.ENOLCK: (
        StorageError,
        "the file system does not lock files; move the database to a local disk",
    ),
}

_BY_CLASS: Final[dict[type[BaseException], tuple[type[StorageError], str]]] = {
    lmdb.MapFullError: (
        MapFullError,
        "the memory map is full; nothing was written; use Environment.run_write, which grows it",
    ),
    lmdb.PanicError: (
        DiskError,
        "an earlier write of the file's head failed; the database is opened anew by the next use",
    ),
    RewindNeededError: (
        DiskError,
        (
            "a flush of the data file failed, so that nobody knows what of it is on the disk; "
            "nothing that was acknowledged is lost, as the journal has it; look into the log of "
            "the system for the disk; the next writer who has the database alone makes the file "
            "anew: close it in the other processes"
        ),
    ),
    lmdb.ReadersFullError: (
        StorageError,
        "all reader slots are taken by living processes; close snapshots sooner",
    ),
    lmdb.BadValsizeError: (StorageError, "a key must have 1 to 511 bytes"),
    lmdb.KeyExistsError: (StorageError, "a key that was to be appended is not above the last one"),
    lmdb.CorruptedError: _DAMAGED,
    lmdb.PageNotFoundError: _DAMAGED,
    lmdb.InvalidError: _DAMAGED,
    lmdb.VersionMismatchError: _DAMAGED,
    lmdb.NotFoundError: _DAMAGED,
    lmdb.BadTxnError: _DAMAGED,  # a page before could not be read; nothing goes on after an error
    lmdb.IncompatibleError: _DAMAGED,  # a tree says that it is of another kind than it was made
}


def translate(error: lmdb.Error | OSError, path: object, doing: str) -> StorageError:
    """Return (not raise) the error of Headwater for an error of LMDB or the system.

    Args:
        error: What was raised below.
        path: The directory of the database.
        doing: What was tried, as in "cannot <doing>".
    """
    # LMDB sets the code on what it raises itself; its own are below zero.
    code: int = (getattr(error, "code", 0) if isinstance(error, lmdb.Error) else error.errno) or 0
    kind, advice = _BY_CLASS.get(type(error)) or _BY_ERRNO.get(code) or (StorageError, "")
    result = kind(f"{path}: cannot {doing}: {error}{'; ' if advice else ''}{advice}")
    result.errno = code if code > 0 else None
    return result


class InDoubtError(OSError):
    """Nobody knows whether a commit is durable, and LMDB does not have it."""
