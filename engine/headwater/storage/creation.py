"""Making a new database: complete or not at all, also if the power fails half way.

Everything is made and flushed in a staging directory inside the new one; then the data file is
moved to its place, and last the manifest, which alone makes the directory a database.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from headwater.clock import Clock
from headwater.errors import NotADatabaseError
from headwater.storage.engine import Engine, EngineOptions, open_handles
from headwater.storage.format import (
    DATA_NAME,
    FILES_NAME,
    FORMAT_VERSION,
    JOURNAL_NAME,
    MAGIC,
    MANIFEST_NAME,
    META_FORMAT,
    META_JOURNAL,
    META_UUID,
    Database,
)
from headwater.storage.manifest import Manifest, flush, write_manifest

STAGING_PREFIX: Final = "new-database-"
"""Left over only if the process died while creating; the next opening clears it away."""

_ROOM_IN_MEMORY_BYTES: Final = 2**28


def is_database(directory: Path) -> bool:
    """Whether there is a database; False if one can be created there.

    Raises:
        NotADatabaseError: The path is a file, or a directory with other things in it.
        OSError: Of the system.
    """
    if os.path.exists(f"{directory}/{MANIFEST_NAME}"):  # noqa: PTH110 - takes half
        return True
    if not directory.exists():
        return False
    if not directory.is_dir():
        raise NotADatabaseError(
            f"{directory}: expected a directory, found a file; a Headwater database is a "
            "directory: choose another path"
        )
    names = sorted(path.name for path in directory.iterdir())
    if MANIFEST_NAME in names:  # by now
        return True
    unfinished = any(name.startswith(STAGING_PREFIX) for name in names)
    others = [
        name
        for name in names
        if not name.startswith(STAGING_PREFIX)
        and not (unfinished and name in {DATA_NAME, FILES_NAME, JOURNAL_NAME})
    ]
    if others:
        raise NotADatabaseError(
            f"{directory}: expected a Headwater database or an empty directory, found "
            f"{len(others)} other entries ({', '.join(others[:5])}) and no {MANIFEST_NAME}; choose "
            "another path, or restore the manifest from a backup if it was lost"
        )
    return False


def create_database(directory: Path, engine: Engine, clock: Clock) -> None:
    """Create an empty database at ``directory``, which is missing or empty.

    Returns without doing anything if another process was faster.

    Raises:
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    create_with(directory, lambda staging: _fill(staging, engine, clock))


def create_with(directory: Path, fill: Callable[[Path], None]) -> bool:
    """Create a database of what ``fill`` puts into a staging directory.

    Args:
        directory: Missing or empty.
        fill: Makes a data file and a manifest.

    Returns:
        Whether it was created; False if there was a database, which stays as it is.

    Raises:
        NotADatabaseError: Something else is there.
        OSError: Of the system, and whatever ``fill`` raises.
    """
    import shutil
    import tempfile

    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(directory):
        if is_database(directory) or _finish_earlier_creation(directory):
            return False
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=directory))
        try:
            fill(staging)
            _publish(staging, directory)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    flush(directory.parent)
    return True


def create_temporary_directory() -> Path:
    """Make a directory for throw-away data, in memory where the system has room there."""
    import tempfile

    shared = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private directory below it
    parent = None
    with contextlib.suppress(OSError):
        room = os.statvfs(shared)
        if os.access(shared, os.W_OK | os.X_OK):
            is_roomy = room.f_bavail * room.f_frsize >= _ROOM_IN_MEMORY_BYTES
            parent = shared if is_roomy else None
    return Path(tempfile.mkdtemp(prefix="headwater-", dir=parent))


@contextlib.contextmanager
def _alone(directory: Path) -> Generator[None]:
    """Keep other processes from creating in the same directory at the same time."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _finish_earlier_creation(directory: Path) -> bool:
    """Take up what a process left that died while creating. Returns whether it is complete now."""
    import shutil

    is_complete = False
    for staging in directory.glob(f"{STAGING_PREFIX}*"):
        is_data_moved = (directory / DATA_NAME).exists() and not (staging / DATA_NAME).exists()
        if is_data_moved and (staging / MANIFEST_NAME).exists():
            (staging / MANIFEST_NAME).rename(directory / MANIFEST_NAME)
            flush(directory)
            is_complete = True
        if not is_complete and not (directory / DATA_NAME).exists():
            # What it had moved already; without a data file nothing names them.
            shutil.rmtree(directory / FILES_NAME, ignore_errors=True)
            (directory / JOURNAL_NAME).unlink(missing_ok=True)
        shutil.rmtree(staging)
    return is_complete


def _fill(directory: Path, engine: Engine, clock: Clock) -> None:
    created = datetime.fromtimestamp(clock.now_ns() // 10**9, UTC).isoformat()
    from headwater.storage.journal import create_journal, new_name

    uuid = f"{clock.seed():016x}{clock.seed():016x}"
    environment = engine(directory, EngineOptions())
    try:
        meta = open_handles(environment)[Database.META]
        with environment.begin(write=True, db=meta) as transaction:
            transaction.put(META_FORMAT, str(FORMAT_VERSION).encode("ascii"))
            transaction.put(META_UUID, uuid.encode("ascii"))
            transaction.put(META_JOURNAL, new_name(clock))
        environment.sync(force=True)
    finally:
        environment.close()
    create_journal(directory)
    write_manifest(directory, Manifest(MAGIC, FORMAT_VERSION, uuid, created))


def _publish(staging: Path, directory: Path) -> None:
    flush(staging / DATA_NAME)
    # First: where the data file is, its journal and the files that it names are.
    first = [name for name in (JOURNAL_NAME, FILES_NAME) if (staging / name).exists()]
    for name in first:
        (staging / name).rename(directory / name)
    if first:
        flush(directory)
    (staging / DATA_NAME).rename(directory / DATA_NAME)
    # Were both renames flushed together, the manifest could become durable alone.
    flush(directory)
    (staging / MANIFEST_NAME).rename(directory / MANIFEST_NAME)
    flush(directory)
