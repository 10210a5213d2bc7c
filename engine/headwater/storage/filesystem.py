"""File systems that LMDB does not survive: those without shared memory maps and local locks."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from headwater.errors import StorageError

FORCE_VARIABLE: Final = "HEADWATER_ALLOW_ANY_FILE_SYSTEM"

_REFUSED: Final = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "coda", "davfs", "fuse", "fuseblk", "gfs2", "glusterfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    }
)  # fmt: skip

_suitable: Final[dict[str, tuple[int, int, int]]] = {}
"""Directories that were found suitable, by path: device, inode, and when it last changed."""

_SUITABLE_MAX: Final = 64


def refuse_unsuitable(directory: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Refuse network and user-space file systems.

    A directory that was looked at and is the same, unchanged, is not looked at again.

    Does nothing where the system has no mount table (macOS), or where the environment variable
    HEADWATER_ALLOW_ANY_FILE_SYSTEM is set: at your own risk, and with one process at a time.

    Raises:
        StorageError: The directory lies on one of them.
    """
    if os.environ.get(FORCE_VARIABLE):
        return
    name, state = str(directory), _state_of(directory)
    if state is not None and _suitable.get(name) == state:
        return
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = kind_of(_existing(directory), table)
    if kind.partition(".")[0] in _REFUSED:
        raise StorageError(
            f"{directory}: lies on a file system of type {kind!r}, where memory maps and locks "
            "are not shared reliably and a database gets damaged; move it to a local disk (or set "
            f"{FORCE_VARIABLE}=1 to risk it with one process at a time)"
        )
    if state is not None:
        if len(_suitable) >= _SUITABLE_MAX:
            _suitable.clear()
        _suitable[name] = state


def _state_of(directory: Path) -> tuple[int, int, int] | None:
    """What no other directory has, on whatever it is mounted later; None if there is none."""
    try:
        status = os.stat(directory)  # noqa: PTH116 - takes half
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


@lru_cache(maxsize=16)
def kind_of(directory: Path, table: str) -> str:
    """Type of the file system that holds ``directory``, from a mount table; empty if unknown.

    See proc(5) for the fields: the fifth is the mount point, the first after "-" the type.
    """
    found, found_length = "", -1
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape"))
        # A later mount at the same point hides the earlier one.
        if directory.is_relative_to(point) and len(point.parts) >= found_length:
            found, found_length = after.split(" ")[0], len(point.parts)
    return found


def _existing(directory: Path) -> Path:
    """The nearest directory that exists, without symbolic links."""
    path = directory.resolve()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
