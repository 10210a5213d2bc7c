"""A data file put into the place of another, which is kept. Safe to be killed at any moment.

The one step that counts is a rename, which happens or does not. Before it, the directory has its
old file; after it, the new one; and the old one has another name from before that on.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

from headwater.storage.contents import copy_contents
from headwater.storage.format import (
    DATA_NAME,
    JOURNAL_NAME,
    LAST_TRANSACTION_NAME,
    MANIFEST_NAME,
)
from headwater.storage.manifest import Manifest, flush, write_manifest

STAGING_PREFIX: Final = "repair-"
"""Where the new file is made; left over only if the process died, and cleared by the next one."""

KEPT_PREFIX: Final = "damaged-"


@contextlib.contextmanager
def staging(directory: Path) -> Generator[Path]:
    """A directory on the same file system, removed at the end. The caller has ``directory`` alone.

    Raises:
        OSError: Of the system.
    """
    for left_over in directory.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=directory))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def replace_data(directory: Path, data: Path, manifest: Manifest | None) -> Path:
    """Put ``data`` into the place of the data file, and keep what was there.

    Args:
        directory: The database, which the caller has alone.
        data: The new data file, on the same file system.
        manifest: What to write if that of the directory is not to be used.

    Returns:
        The directory inside of ``directory`` with the old files.

    Raises:
        OSError: Of the system. The old data file is then in its place, unless it was the last
            flush or the manifest that failed: doing it again mends that.
    """
    flush(data)
    kept = _keep(directory)
    # It tells of the old file, which was further on than the new one.
    (directory / LAST_TRANSACTION_NAME).unlink(missing_ok=True)
    flush(directory)
    data.replace(directory / DATA_NAME)
    flush(directory)
    # The old one leads on from the old file; until it is gone, it is known by the name in it.
    from headwater.storage.journal import create_journal

    create_journal(directory)
    if manifest is not None:
        write_manifest(directory, manifest)
    return kept


def _keep(directory: Path) -> Path:
    """Give the files of a database another name besides their own; the copy is a database too."""
    number = 1
    while (kept := directory / f"{KEPT_PREFIX}{number}").exists():
        number += 1
    beside = directory / f"{STAGING_PREFIX}{KEPT_PREFIX}{number}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    for name in (DATA_NAME, JOURNAL_NAME, MANIFEST_NAME, LAST_TRANSACTION_NAME):
        if (directory / name).exists():
            _link(directory / name, beside / name)
            flush(beside / name)
    # What could not be saved of the documents names files as well, which nothing names then.
    copy_contents(directory, beside)
    flush(beside)
    beside.rename(kept)
    flush(directory)
    return kept


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no links
        shutil.copy2(source, target)
