"""A backup made a database again."""

from pathlib import Path

from headwater.errors import AlreadyThereError, NotADatabaseError
from headwater.functions.purity import refuse_inside
from headwater.storage.creation import is_database
from headwater.storage.environment import Environment
from headwater.tables.progress import Report, in_bytes


def restore_backup(backup: str | Path, path: str | Path, *, progress: Report | None = None) -> None:
    """Copy a backup to where the database is to be, as a whole or not at all.

    The backup is checked first: its manifest, the heads of its data file, and that both belong
    together. `Database.verify` of the restored database, or `check` of the backup, looks at every
    record. The copy is flushed before it takes its place, so that a power loss leaves all of it or
    an empty directory. The backup stays as it is. O(data).

    Args:
        backup: A directory that `Database.backup` made. Other processes may have it open.
        path: A directory that is missing or empty.
        progress: Told how many bytes have been copied; what it raises ends it, and nothing is
            there.

    Raises:
        AlreadyThereError: There is a database at ``path``; it is as it was.
        NotADatabaseError: Something else is there, or ``backup`` is no database.
        NewerFormatError: The backup was written by a newer version of Headwater.
        CorruptionError: The backup is damaged.
        AlreadyOpenError: The backup is open in this process.
        StorageError: The disk is full, or the system failed.
    """
    refuse_inside()
    source, target = (Path(place).expanduser().absolute() for place in (backup, path))
    if not is_database(source):
        raise NotADatabaseError(
            f"{source}: expected a backup, found no database; give the directory that db.backup() "
            "has made"
        )
    if is_database(target):
        raise AlreadyThereError(
            f"{target}: there is a database already, and a restoration overwrites nothing: close "
            "it everywhere and move the directory away, or restore to another path"
        )
    with Environment.open(source, read_only=True) as environment:
        environment.copy_to(target, in_bytes("restoring the backup", progress))
