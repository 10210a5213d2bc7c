"""The manifest: a small file beside the data that says what the directory is.

LMDB makes a new, empty database of a missing or empty file without a word. The manifest is how
the difference between "new" and "lost" is known, and where the format version stands before the
data file is touched.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from headwater.errors import NewerFormatError, NotADatabaseError
from headwater.storage.format import FORMAT_VERSION, MAGIC, MANIFEST_NAME

_SMALL_BYTES_MAX: Final = 4096
"""More than any of the small files beside the data has."""


class Manifest(NamedTuple):
    """What ``headwater.json`` says.

    Attributes:
        magic: Always "headwater".
        format: Version of the on-disk format.
        uuid: Name of this database, given at its creation; the data file holds it as well.
        created: Moment of creation, ISO 8601, UTC; for people.
    """

    magic: str
    format: int
    uuid: str
    created: str


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest so that it is there whole or not at all, and durable on return."""
    text = json.dumps(manifest._asdict(), indent=2) + "\n"
    write_durably(directory / MANIFEST_NAME, text.encode("ascii"))


def read_manifest(directory: Path) -> Manifest:
    """Read and check the manifest.

    Raises:
        FileNotFoundError: There is none.
        NotADatabaseError: It is not one of ours, or damaged.
        NewerFormatError: A newer library wrote it.
    """
    raw = read_small(directory, MANIFEST_NAME)
    try:
        manifest = _parse(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise NotADatabaseError(
            f"{directory / MANIFEST_NAME}: expected a manifest of Headwater, found {raw[:80]!r} "
            f"({error!r}); if the file was damaged, restore it from a backup: it never changes "
            "after creation; or let hw.repair() write it anew"
        ) from error
    _check(directory, manifest)
    return manifest


@lru_cache(maxsize=16)
def _parse(raw: bytes) -> Manifest:
    facts = cast("dict[str, Any]", json.loads(raw))
    return Manifest(**{name: facts[name] for name in Manifest._fields})


def read_small(directory: Path, name: str) -> bytes:
    """The beginning of a file, which is all of one that belongs here.

    In a third of the time of `Path.read_bytes`: an opening reads several, some of them again.

    Raises:
        OSError: Of the system.
    """
    descriptor = os.open(f"{directory}/{name}", os.O_RDONLY)
    try:
        return os.read(descriptor, _SMALL_BYTES_MAX)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file: written beside, flushed, renamed, directory flushed.

    Raises:
        OSError: Of the system; the old file is then still there.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Make a file's content, or the creations and renames in a directory, durable.

    Raises:
        OSError: Of the system.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(directory: Path, manifest: Manifest) -> None:
    if manifest.magic != MAGIC or type(manifest.format) is not int or manifest.format < 1:
        raise NotADatabaseError(
            f"{directory / MANIFEST_NAME}: expected magic {MAGIC!r} and a format version, got "
            f"{manifest.magic!r} and {manifest.format!r}; this directory belongs to another program"
        )
    if manifest.format > FORMAT_VERSION:
        raise NewerFormatError(
            f"{directory}: written in format {manifest.format}, this library reads up to "
            f"format {FORMAT_VERSION}; nothing was changed; upgrade the package headwater",
            found=manifest.format,
            supported=FORMAT_VERSION,
        )
