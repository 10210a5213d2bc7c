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
from headwater.storage.members import members
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


class Exclusion:
    """Exclusion of others by a process that has the database open itself.

    Its descriptor of the lock file stays open until the database is closed: to close it would drop
    LMDB's lock as well. Where LMDB has closed the file, and with it dropped this lock, it has to
    be taken again; where LMDB opens it again, it makes a shared lock of this one.

    Attributes:
        is_taken: Whether it was taken and, as far as is known here, not given back.
    """

    def __init__(self) -> None:
        self.is_taken: bool = False
        self._descriptor = -1

    def take(self, directory: Path) -> None:
        """Take it, without waiting.

        Raises:
            AlreadyOpenError: Another process has the database open.
            OSError: Of the system.
        """
        self._open(directory)
        self.is_taken = True  # before it is, as an interrupt may come right after
        try:
            _lock(directory, self._descriptor)
        except (AlreadyOpenError, OSError):
            self.is_taken = False
            raise

    def take_or_share(self, directory: Path) -> bool:
        """Take it if nobody else has the database open; otherwise hold a shared lock.

        Waits while another process has it alone: that one may be about to make the file anew, or
        to find that this cannot be done.

        Returns:
            Whether it was taken.

        Raises:
            OSError: Of the system.
        """
        self._open(directory)
        while True:
            try:
                self.take(directory)
            except AlreadyOpenError:
                pass
            else:
                return True
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 0)
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise
            else:
                return False
            # When this is had, whoever had it alone has it open, or is gone.
            fcntl.lockf(self._descriptor, fcntl.LOCK_SH, 1, 0)

    def _open(self, directory: Path) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(f"{directory}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT, 0o600)

    def close(self) -> None:
        """Close the descriptor, after LMDB has closed its own. Does nothing again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _lock(directory: Path, descriptor: int) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError as error:
        if error.errno in _REFUSED:
            raise AlreadyOpenError(
                f"{directory}: another process has it open{_others(directory)}; close it there "
                "first: this needs the directory alone"
            ) from error
        raise


def _others(directory: Path) -> str:
    """Who they are, as far as they have said so."""
    others = [member for member in members(directory) if member.pid != os.getpid()]
    if not others:
        return ""
    return f" ({', '.join(f'{member.pid} {member.program}' for member in others)})"
