"""``db.storage``: stored files for the program, their upkeep, and their URLs for a server."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.errors import ArgumentError
from headwater.functions.files import (
    DeletedFiles,
    StorageAccess,
    StorageAccesses,
    StoredFile,
    StoredFiles,
)
from headwater.functions.purity import refuse_inside
from headwater.schema.tables import Id
from headwater.services.async_files import AsyncFiles
from headwater.services.file_serving import FileServing
from headwater.services.file_storing import Files, opened_at
from headwater.services.files import FileService
from headwater.services.open_files import OpenFile
from headwater.services.service_documents import count_of, documents_of
from headwater.tables.moments import moment_of
from headwater.tables.progress import Report, reported
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_TRIMMED_AT_ONCE: Final = 1000
_CHECKED_AT_ONCE: Final = 500
_GRACE_SECONDS: Final = 24 * 3600

_Which: TypeAlias = Callable[[Reader], list[Id[StorageAccess]]]

FileProblemKind: TypeAlias = Literal[
    "content_missing",  # named, and not there
    "content_damaged",  # there, and of another size or hash
    "content_unnamed",  # there, and named by nothing; it is collected sooner or later
]


class FileProblem(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: What it is; stable.
        id: The file, or one of those with that content; empty for a content that nothing names.
        sha256: The content.
        message: All of it in one line.
    """

    kind: FileProblemKind
    id: str
    sha256: str
    message: str


@contextmanager
def outside() -> Generator[None]:
    """A block for one call of the program, which is in no query and no mutation."""
    refuse_inside()
    yield


class Storage(Files):
    """Stored files and their upkeep.

    Attributes:
        urls: Answers requests for signed URLs, for whoever speaks HTTP.
    """

    def __init__(self, service: FileService) -> None:
        super().__init__(service.parts, outside, "program")
        self._service = service
        self._store = service.parts.runner.store
        self.urls: FileServing = FileServing(service.parts, service.keys)

    def get(self, id: Id[StoredFile], *, at: int | datetime | None = None) -> OpenFile | None:
        """Open a stored file, or None: ``with db.storage.get(id) as file: file.read()``.

        Args:
            id: The file.
            at: As it was at that moment: nanoseconds since the epoch, or an aware datetime.

        Raises:
            InvalidIdError: It is no id of a stored file.
            ArgumentError: ``at`` is no moment.
            LogTrimmedError: The log does not reach back so far.
            DocumentNotFoundError: It was there then, and its content is not kept any more.
            CorruptionError: Its content is damaged, or not there although it has to be.
            StorageError: The system failed.
        """
        if at is None:
            return super().get(id)
        refuse_inside()
        return opened_at(self._parts, id, moment_of(at))

    def collect(self) -> int:
        """Remove every content that no file has, and what killed writers have left, now.

        It happens by itself as well: after the commit that deletes the last file with a content,
        and when the database is opened. Returns how many were removed. O(number of contents).

        Raises:
            StorageError: The system failed.
        """
        refuse_inside()
        return self._parts.collector.collect()

    def verify(self, *, progress: Report | None = None) -> list[FileProblem]:
        """Read every content, and compare it with what the files say. Empty if all is well.

        Others go on meanwhile. O(bytes).

        Args:
            progress: Told how far it is.

        Raises:
            StorageError: The system failed.
        """
        refuse_inside()
        contents = self._parts.contents
        with contents.kept():
            files = {file["sha256"]: file for file in documents_of(self._store, StoredFiles)}
            deleted = documents_of(self._store, DeletedFiles)
            named = files.keys() | {file["sha256"] for file in deleted}
            unnamed = [name for name in contents.names() if name not in named]
            problems = [
                problem
                for sha256, file in reported(files.items(), "checking files", len(files), progress)
                if (problem := self._look_at(sha256, file)) is not None
            ]
            problems += [
                FileProblem("content_unnamed", "", name, f"no file has the content {name}")
                for name in unnamed
                if contents.is_left(name, partial(self._parts.collector.is_named, name))
            ]
        return problems

    def rotate_key(self, *, grace_seconds: int = _GRACE_SECONDS) -> None:
        """Sign URLs with a new key from now on, in all processes.

        Args:
            grace_seconds: How long those that were signed before stay good, if they do not expire
                sooner; 0 ends them all.

        Raises:
            ArgumentError: Less than 0, or no whole number.
            StorageError: The system failed; the key before is still used.
        """
        refuse_inside()
        if type(grace_seconds) is not int or grace_seconds < 0:
            raise ArgumentError(
                f"grace_seconds={grace_seconds!r}: expected a whole number, 0 or more"
            )
        self._service.keys.rotate(grace_seconds)

    def flush_accesses(self) -> None:
        """Commit the reads that were noted; see `hw.StorageAccesses`. They are there on return.

        Raises:
            StorageError: The system failed; nothing was lost.
        """
        refuse_inside()
        if self._parts.accesses is not None:
            self._parts.accesses.flush()

    def trim_accesses(
        self, *, keep_seconds: float | None = None, keep_count: int | None = None
    ) -> int:
        """Forget old accesses, in transactions of a thousand; returns how many.

        Args:
            keep_seconds: Forget those that were noted longer ago.
            keep_count: Forget all but the newest so many. O(number of accesses).

        Raises:
            ArgumentError: Neither is given, or one is below 0.
        """
        refuse_inside()
        if keep_seconds is None and keep_count is None:
            raise ArgumentError("trim_accesses: expected keep_seconds=..., keep_count=... or both")
        for name, value in (("keep_seconds", keep_seconds), ("keep_count", keep_count)):
            if value is not None and value < 0:
                raise ArgumentError(f"{name}={value!r}: expected 0 or more")
        count = 0
        if keep_seconds is not None:
            before = self._parts.runner.store.clock.now_ns() / 1e6 - keep_seconds * 1000
            count += self._forget(partial(_older, before_ms=before))
        if keep_count is not None:
            surplus = count_of(self._store, StorageAccesses) - keep_count
            while surplus > 0:
                step = min(surplus, _TRIMMED_AT_ONCE)
                done = self._forget_once(partial(_oldest, count=step))
                count, surplus = count + done, surplus - done
                if not done:
                    break
        return count

    # -- inside ---------------------------------------------------------------------------------

    def _look_at(self, sha256: str, file: StoredFile) -> FileProblem | None:
        found = self._parts.contents.look(sha256)
        if found == (file["size"], sha256):
            return None
        where = f"file {file['_id']}: its content {sha256}"
        if found is not None:
            return FileProblem(
                "content_damaged",
                file["_id"],
                sha256,
                f"{where} has {found[0]:,} bytes with the hash {found[1]}, expected "
                f"{file['size']:,} bytes",
            )
        if not self._parts.collector.is_named(sha256):
            return None  # deleted meanwhile
        return FileProblem("content_missing", file["_id"], sha256, f"{where} is not there")

    def _forget(self, which: _Which) -> int:
        count = 0
        while done := self._forget_once(which):
            count += done
        return count

    def _forget_once(self, which: _Which) -> int:
        runner = self._parts.runner

        def run(transaction: Transaction) -> int:
            service = ServiceWriter(transaction, runner.store.rules)
            ids = which(service)
            for id in ids:
                service.delete(id)
            return len(ids)

        return runner.serve("_storage.trim_accesses", run)


def _older(reader: Reader, before_ms: float) -> list[Id[StorageAccess]]:
    oldest = reader.query(StorageAccesses).take(_TRIMMED_AT_ONCE)
    return [access["_id"] for access in oldest if access["_creationTime"] < before_ms]


def _oldest(reader: Reader, count: int) -> list[Id[StorageAccess]]:
    return [access["_id"] for access in reader.query(StorageAccesses).take(count)]


class AsyncStorage(AsyncFiles):
    """The same for asyncio. It is ``db.aio.storage``.

    Attributes:
        urls: Answers requests for signed URLs.
    """

    def __init__(self, service: FileService) -> None:
        super().__init__(service.parts, outside, "program")
        self.urls: FileServing = FileServing(service.parts, service.keys)
