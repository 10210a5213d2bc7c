"""Having a database directory to oneself: nobody has it open, and nobody can open it.

LMDB takes a shared lock on the first byte of its lock file before it looks at the data file, and
keeps it while the file is open. Who holds that byte alone may replace the data file: another
process that opens the database meanwhile waits inside LMDB and then finds the new one.
"""

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headwater.errors import AlreadyOpenError
from headwater.storage.format import LOCK_NAME
from headwater.storage.registry import identity_of, is_registered

_REFUSED: Final = {errno.EACCES, errno.EAGAIN}


@contextmanager
def alone(directory: Path) -> Generator[None]:
    """Keep a directory from being opened, by this process and by all others.

    Does not wait. Must not be used while this process has the database open: closing a second
    descriptor of the lock file would drop LMDB's locks, so that is refused first.

    Raises:
        AlreadyOpenError: It is open, here or elsewhere.
        OSError: Of the system.
    """
    if is_registered(identity_of(directory)):
        raise AlreadyOpenError(
            f"{directory}: it is open in this process; close it first: this needs the directory "
            "alone"
        )
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(directory, descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(directory: Path, descriptor: int) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError as error:
        if error.errno in _REFUSED:
            raise AlreadyOpenError(
                f"{directory}: another process has it open; close it there first: this needs the "
                "directory alone"
            ) from error
        raise
