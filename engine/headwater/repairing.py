"""Damaged databases: what is wrong with one, and what can be saved of it."""

import contextlib
import errno
from pathlib import Path

from headwater.clock import Clock, SystemClock
from headwater.errors import AlreadyOpenError, HeadwaterError, NotADatabaseError
from headwater.functions.purity import refuse_inside
from headwater.storage.exclusion import alone
from headwater.storage.failures import translate
from headwater.tables.problems import Problem
from headwater.tables.progress import Report
from headwater.tables.reports import RepairReport


def check(path: str | Path, *, progress: Report | None = None) -> list[Problem]:
    """Check a database without reading any of it into this process.

    Another process looks at every page and every record; if it is killed by what it reads, that
    is one of the problems. So it can be asked about any file, also one of which nothing is known.
    Others may have it open and write meanwhile. Nothing is changed.

    Takes a third of a second, and a second for some megabytes; some hundred bytes of memory for
    each document that ever was.

    Args:
        path: The directory.
        progress: Told about the steps.

    Returns:
        What is wrong; empty if nothing is.

    Raises:
        NotADatabaseError: There is no database.
        NewerFormatError: It was written by a newer version of Headwater.
        StorageError: The system failed.
    """
    from headwater.tables.checking import check as look

    refuse_inside()
    directory = _directory(path)
    try:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(directory))
                is_alone = True
            except AlreadyOpenError:
                is_alone = False
            except OSError as error:
                # The lock file cannot be written: then LMDB is to say whether it can be read.
                # Nobody writes to a file system that is read-only.
                is_alone = error.errno == errno.EROFS
            return look(directory, is_alone=is_alone, progress=progress)
    except OSError as error:
        raise _translated(error, directory, "check the database") from error


def repair(
    path: str | Path, *, clock: Clock | None = None, progress: Report | None = None
) -> RepairReport:
    """Save what can be saved of a damaged database, and put it in its place.

    A new file is made of all commits that can be read, and of the documents of those that cannot;
    tables and indexes are rebuilt from it, and it is verified. Then it takes the place of the
    damaged one, which is kept inside the directory under another name. Until that moment, and
    after an error or a kill, the database is as it was. One with which nothing is wrong is left
    alone.

    Needs the directory alone, and the disk space of a second database.

    Args:
        path: The directory.
        clock: Time and randomness, for a new name where the old one is lost.
        progress: Told about the steps.

    Returns:
        What was wrong, what could not be saved, and where the damaged files are.

    Raises:
        AlreadyOpenError: This or another process has it open.
        CorruptionError: Nothing can be saved.
        NotADatabaseError: There is no database.
        NewerFormatError: It was written by a newer version of Headwater.
        StorageError: The disk is full, or the system failed.
    """
    from headwater.tables.repair import repair as mend

    refuse_inside()
    directory = _directory(path)
    try:
        with alone(directory):
            return mend(directory, clock=clock or SystemClock(), progress=progress)
    except OSError as error:
        raise _translated(error, directory, "repair the database") from error


def _directory(path: str | Path) -> Path:
    directory = Path(path).expanduser().absolute()
    if not directory.is_dir():
        raise NotADatabaseError(f"{directory}: there is no directory, so there is no database")
    return directory


def _translated(error: OSError, directory: Path, doing: str) -> Exception:
    return error if isinstance(error, HeadwaterError) else translate(error, directory, doing)
