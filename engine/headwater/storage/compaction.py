"""Copies of the data file without its unused space, and one put into the place of the original.

The copy goes through a pipe, so that it can be told how far it is and ended at any moment; LMDB's
own call knows neither. Its transactions are numbered on from those of the original: whoever waits
inside LMDB to open the file while it is replaced goes by the number in the lock file, which must
then be that of the new one.
"""

import contextlib
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import lmdb

from headwater.errors import CorruptionError
from headwater.storage.engine import open_alone, open_handles
from headwater.storage.format import DATA_NAME, Database
from headwater.storage.manifest import flush
from headwater.storage.pages import HEAD_BYTES, parse_head
from headwater.storage.precheck import check_data_file

Told: TypeAlias = Callable[[int, int], object]
"""Called with the bytes that are copied, and about how many there are."""

NEW_DATA_NAME: Final = f"{DATA_NAME}.new"
"""Left over only if the process died while compacting; the next opening removes it."""

_CHUNK_BYTES: Final = 2**20
_NUMBER: Final = struct.Struct("<Q" if sys.byteorder == "little" else ">Q")
_TRANSACTION_AT: Final = HEAD_BYTES - _NUMBER.size


class Compaction(NamedTuple):
    """Size of the data file before and after."""

    bytes_before: int
    bytes_after: int


def copy_compacted(environment: "lmdb.Environment", target: Path, told: Told | None = None) -> None:
    """Write a new data file with what an open one holds, and flush it. O(data).

    Args:
        environment: An open file; others may write to it meanwhile.
        target: The new file; must not exist.
        told: What it raises ends the copy; then there may be a part of the file.

    Raises:
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    info = environment.info()
    total = (info["last_pgno"] + 1) * environment.stat()["psize"]
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        copying = _Copying(environment)
        try:
            done = 0
            while chunk := copying.read():
                _write_all(descriptor, chunk)
                done += len(chunk)
                if told is not None:
                    told(min(done, total), total)
        finally:
            copying.end()
        copying.check()
        os.fsync(descriptor)
        if told is not None:
            told(total, total)
    finally:
        os.close(descriptor)


class _Copying:
    """LMDB's copy on a thread of its own, into a pipe."""

    def __init__(self, environment: "lmdb.Environment") -> None:
        self._environment = environment
        self._failures: list[BaseException] = []
        self._source, self._sink = os.pipe()
        self._thread = threading.Thread(target=self._feed, name="headwater-copy", daemon=True)
        self._thread.start()

    def read(self) -> bytes:
        """The next bytes; none at the end."""
        return os.read(self._source, _CHUNK_BYTES)

    def end(self) -> None:
        """Wait for the thread, which ends at its next write unless it is done."""
        os.close(self._source)
        interrupt: KeyboardInterrupt | None = None
        while self._thread.is_alive():  # closed under the thread, LMDB would take the process along
            try:
                self._thread.join()
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def check(self) -> None:
        """Raise what the copy ended with."""
        for failure in self._failures:
            raise failure

    def _feed(self) -> None:
        try:
            self._environment.copyfd(self._sink, compact=True)
        except BaseException as error:  # noqa: BLE001 - raised by check()
            self._failures.append(error)
        finally:
            os.close(self._sink)


def replace_by_compacted(directory: Path, told: Told | None = None) -> Compaction:
    """Put a compacted copy of the data file into its place, unless it is no smaller.

    After an error or a kill the directory has the one file or the other, whole, and perhaps a
    copy that is left over.

    Args:
        directory: A database, which the caller has alone: nobody has it open, or can open it.
        told: As for `copy_compacted`.

    Raises:
        CorruptionError: The copy is not what it was made from.
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    data, new = directory / DATA_NAME, directory / NEW_DATA_NAME
    before = data.stat().st_size
    new.unlink(missing_ok=True)
    try:
        newest = check_data_file(data)
        entries = _copy_of(data, new, told)
        go_on_from(new, newest)
        _check_copy(new, newest, entries)
        after = new.stat().st_size
        if after < before:
            flush(new)
            new.replace(data)
            flush(directory)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return Compaction(before, min(before, after))


def _copy_of(data: Path, new: Path, told: Told | None) -> list[int]:
    """Make the copy; returns how many entries each sub-database has to have."""
    environment = open_alone(data)
    try:
        entries = _count(environment)
        copy_compacted(environment, new, told)
    finally:
        environment.close()
    return entries


def _count(environment: "lmdb.Environment") -> list[int]:
    handles = open_handles(environment)
    with environment.begin() as transaction:
        return [transaction.stat(handles[database])["entries"] for database in Database]


def go_on_from(new: Path, newest: int) -> None:
    """Number the newest transaction of a file like that of another one, which it takes after.

    Transaction n stands in head n mod 2. The other head gets the same content and the number
    before: it is what the file was before an empty transaction.

    Raises:
        OSError: Of the system.
    """
    descriptor = os.open(new, os.O_RDWR)
    try:
        first = os.pread(descriptor, HEAD_BYTES, 0)
        page_bytes = parse_head(first).page_bytes
        heads = first, os.pread(descriptor, HEAD_BYTES, page_bytes)
        made = max(heads, key=lambda head: parse_head(head).transaction)
        for page in (0, 1):
            number = newest if newest % 2 == page else newest - 1
            head = _NUMBER.pack(page) + made[_NUMBER.size : _TRANSACTION_AT] + _NUMBER.pack(number)
            os.pwrite(descriptor, head, page * page_bytes)
    finally:
        os.close(descriptor)


def _check_copy(new: Path, newest: int, entries: list[int]) -> None:
    found = check_data_file(new)
    environment = open_alone(new)
    try:
        counted = _count(environment)
    finally:
        environment.close()
    if found != newest or counted != entries:
        raise CorruptionError(
            f"{new}: the compacted copy has {counted} entries and is of transaction {found}, the "
            f"data file has {entries} and is of {newest}: it was not used, and nothing was "
            "changed; verify the database"
        )


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
