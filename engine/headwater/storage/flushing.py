"""Making written bytes durable."""

import fcntl
import os
from typing import Final

_FULL_FLUSH: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: there, fsync leaves the bytes in the cache of the disk."""


def flush_data(descriptor: int) -> None:
    """Make the content of an open file durable, its new size included.

    After an error nobody knows what is on the disk: the system forgets what it could not write,
    and a second flush says that all is well. What is to be durable has to be written again.

    Raises:
        OSError: Of the system.
    """
    if _FULL_FLUSH is not None:
        fcntl.fcntl(descriptor, _FULL_FLUSH)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def write_at(descriptor: int, raw: bytes, at: int) -> None:
    """Write all of the bytes at a place in an open file.

    Raises:
        OSError: Of the system; a part of them may be written.
    """
    done = os.pwrite(descriptor, raw, at)
    while done < len(raw):
        done += os.pwrite(descriptor, raw[done:], at + done)
