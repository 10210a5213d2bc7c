"""Stored files outside of transactions: contents in and out, and the commits that name them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from io import SEEK_END
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar, cast

from headwater.errors import (
    ArgumentError,
    CorruptionError,
    DocumentNotFoundError,
    LimitExceededError,
    UploadRefusedError,
)
from headwater.functions.files import URL_SECONDS, Chunk, Content, StoredFile, StoredFiles
from headwater.functions.identity import current_identity
from headwater.functions.runner import Runner
from headwater.schema.tables import Id
from headwater.services.access_log import AccessLog
from headwater.services.file_collecting import Collector
from headwater.services.open_files import OpenFile
from headwater.services.stored_files import (
    By,
    FileSettings,
    FilesInMutation,
    FilesInQuery,
    NewFile,
    check_id,
    checked_filename,
    checked_type,
)
from headwater.storage.contents import CHUNK_BYTES, Contents, IncomingContent
from headwater.transactions.explicit import get_document
from headwater.transactions.reader import Reader
from headwater.transactions.rules import TableRules
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

T = TypeVar("T")

_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_HASH_LENGTH: Final = 64


class FileParts(NamedTuple):
    """What everybody who works on the files of one database shares.

    Attributes:
        runner: Runs transactions.
        contents: The bytes.
        settings: How URLs are made, and what is kept.
        accesses: The access log; None if it is off.
        collector: Removes what nothing names.
    """

    runner: Runner
    contents: Contents
    settings: FileSettings
    accesses: AccessLog | None
    collector: Collector


class Files:
    """The stored files, for the program and for plain actions; see `ActionFiles`.

    Args:
        parts: What it works on.
        entering: What each call goes through.
        by: On whose behalf.
    """

    def __init__(
        self, parts: FileParts, entering: Callable[[], AbstractContextManager[None]], by: By
    ) -> None:
        self._parts = parts
        self._entering = entering
        self._by: By = by

    def store(
        self,
        content: Content,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Store a file and return its id; see `ActionFiles`, and so for the others."""
        with self._entering():
            storing = Storing(self._parts, self._by, content_type, filename, sha256)
            with storing:
                for piece in pieces_of(content):
                    storing.write(piece)
                return storing.commit()

    def get(self, id: Id[StoredFile]) -> OpenFile | None:
        """Open a stored file, or None."""
        with self._entering():
            return opened(self._parts, id, self._by)

    def metadata(self, id: Id[StoredFile]) -> StoredFile | None:
        """The document of a stored file, or None."""
        with self._entering():
            return metadata(self._parts, id)

    def url(self, id: Id[StoredFile], *, expires_seconds: float = URL_SECONDS) -> str | None:
        """A signed URL, or None."""
        with self._entering(), closing(self._parts.runner.store.snapshot()) as snapshot:
            transaction = self._parts.runner.store.begin(snapshot, is_read_only=True)
            files = FilesInQuery(transaction, Reader(transaction), self._parts.settings)
            return files.url(id, expires_seconds=expires_seconds)

    def delete(self, id: Id[StoredFile]) -> None:
        """Delete a file."""
        self._transact("_storage.delete", lambda files: files.delete(id))

    def restore(self, id: Id[StoredFile]) -> None:
        """Bring a deleted file back."""
        self._transact("_storage.restore", lambda files: files.restore(id))

    def link(
        self,
        id: Id[StoredFile],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Another file with the content of a stored one."""
        return self._transact(
            "_storage.link",
            lambda files: files.link(id, content_type=content_type, filename=filename),
        )

    def generate_upload_url(
        self,
        *,
        expires_seconds: float = URL_SECONDS,
        max_bytes: int | None = None,
        content_types: Iterable[str] | None = None,
    ) -> str:
        """A signed URL for one upload."""
        types = list(content_types) if isinstance(content_types, Iterable) else content_types
        wanted = [content_types] if isinstance(content_types, str) else types
        return self._transact(
            "_storage.generate_upload_url",
            lambda files: files.generate_upload_url(
                expires_seconds=expires_seconds, max_bytes=max_bytes, content_types=wanted
            ),
        )

    def _transact(self, name: str, run: Callable[[FilesInMutation], T]) -> T:
        with self._entering():
            return transact(self._parts, self._by, name, run)


def transact(parts: FileParts, by: By, name: str, run: Callable[[FilesInMutation], T]) -> T:
    """Run a transaction on the documents of files."""

    def in_transaction(transaction: Transaction) -> T:
        transaction.identity = current_identity()
        return run(files_in(parts, transaction, by))

    return parts.runner.serve(name, in_transaction)


def files_in(
    parts: FileParts, transaction: Transaction, by: By, rules: TableRules | None = None
) -> FilesInMutation:
    """The documents of files inside a transaction.

    Args:
        parts: What to work on.
        transaction: The transaction.
        by: On whose behalf.
        rules: What documents have to be, if it is not what they have to be now.
    """
    writer = ServiceWriter(transaction, rules or parts.runner.store.rules)
    is_logged = parts.accesses is not None
    return FilesInMutation(transaction, writer, parts.settings, is_logged=is_logged, by=by)


class Storing:
    """One file on its way in, from its first byte to its commit. A ``with`` block.

    Args:
        parts: What it works on.
        by: On whose behalf.
        content_type: Of the file.
        filename: Of the file.
        sha256: What it must have, if that is known.
        max_bytes: How large it may be, if that is less than the limit.
    """

    def __init__(
        self,
        parts: FileParts,
        by: By,
        content_type: str | None,
        filename: str | None,
        sha256: str | None,
        max_bytes: int | None = None,
    ) -> None:
        self._parts = parts
        self._by: By = by
        self._type = checked_type(content_type)
        self._filename = checked_filename(filename)
        self._sha256 = _checked_hash(sha256)
        self._max_bytes = max_bytes
        self._limit = parts.runner.store.limits.file_bytes
        self._incoming: IncomingContent = parts.contents.receive()

    def write(self, piece: Chunk) -> None:
        """Take the next piece.

        Raises:
            LimitExceededError: It is larger than ``limits.file_bytes``.
            UploadRefusedError: It is larger than its URL allows.
            StorageError: The disk is full, or the system failed.
        """
        size = self._incoming.size + memoryview(piece).nbytes
        if self._max_bytes is not None and size > self._max_bytes:
            raise UploadRefusedError(
                f"the file has more than the {self._max_bytes:,} bytes that its upload URL allows",
                reason="size",
            )
        if size > self._limit:
            raise LimitExceededError(
                f"the file has more than {self._limit:,} bytes, the limit file_bytes; raise it: "
                "hw.open(..., limits=hw.Limits(file_bytes=...))",
                limit="file_bytes",
                value=size,
                maximum=self._limit,
            )
        self._incoming.write(piece)

    def commit(self, also: Callable[[FilesInMutation], None] | None = None) -> Id[StoredFile]:
        """Put the content in place and name it; both are durable on return.

        Args:
            also: What is to be done in the same transaction, before.

        Raises:
            UploadRefusedError: The content has another hash.
            StorageError: The disk is full, or the system failed.
        """
        found = self._incoming.sha256
        if self._sha256 not in {None, found}:
            raise UploadRefusedError(
                f"the content has the SHA-256 {found}, expected {self._sha256}; it was changed on "
                "its way, or is another one",
                reason="sha256",
            )
        new = NewFile(found, self._incoming.size, self._type, self._filename)

        def insert(files: FilesInMutation) -> Id[StoredFile]:
            if also is not None:
                also(files)
            return files.insert(new)

        try:
            with self._incoming.placed():
                return transact(self._parts, self._by, "_storage.store", insert)
        except BaseException:
            self._parts.collector.add(found)  # perhaps nothing names it
            raise

    def close(self) -> None:
        """End it; what was not committed is gone. Does nothing again."""
        self._incoming.close()

    def __enter__(self) -> "Storing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def metadata(parts: FileParts, id: Id[StoredFile]) -> StoredFile | None:
    """The newest document of a stored file, or None.

    Raises:
        InvalidIdError: It is no id of a stored file.
    """
    check_id(id, StoredFiles, parts.settings.tables)
    return cast("StoredFile | None", get_document(parts.runner.store, id))


def opened(
    parts: FileParts,
    id: Id[StoredFile],
    by: By,
    part: Callable[[StoredFile], tuple[int, int]] | None = None,
) -> OpenFile | None:
    """Open a stored file, or a part of it; None if there is none.

    Args:
        parts: What to work on.
        id: The file.
        by: On whose behalf.
        part: Says from where and how many bytes; all by default.

    Raises:
        InvalidIdError: It is no id of a stored file.
        CorruptionError: Its content is not there, or has another size.
        StorageError: The system failed.
    """
    found = metadata(parts, id)
    if found is None:
        return None
    asked = (0, found["size"]) if part is None else part(found)
    source = parts.contents.open(found["sha256"])
    if source is None:
        if metadata(parts, id) is None:
            return None  # deleted and collected in between
        raise _damaged(parts, found, "is not there")
    return _reading(parts, found, source, asked, by)


def opened_at(parts: FileParts, id: Id[StoredFile], at: int) -> OpenFile | None:
    """Open a file as it was at a moment; see `Storage.get`."""
    check_id(id, StoredFiles, parts.settings.tables)
    found = cast("StoredFile | None", get_document(parts.runner.store, id, at))
    if found is None:
        return None
    source = parts.contents.open(found["sha256"])
    if source is None:
        raise DocumentNotFoundError(
            f"file {id} was there at that moment, and its content is not kept any more; open the "
            "database with keep_files_seconds=... to keep deleted files for a time",
            id=id,
        )
    return _reading(parts, found, source, (0, found["size"]), "program")


def _reading(
    parts: FileParts, file: StoredFile, source: BinaryIO, part: tuple[int, int], by: By
) -> OpenFile:
    try:
        there = source.seek(0, SEEK_END)
        if there != file["size"]:
            raise _damaged(parts, file, f"has {there:,} bytes, expected {file['size']:,}")
        source.seek(0)
        start, size = part
        if parts.accesses is not None:
            parts.accesses.note_read(file["_id"], size, by)
        return OpenFile(file, source, parts.contents.directory, start, size)
    except BaseException:
        source.close()
        raise


def _damaged(parts: FileParts, file: StoredFile, what: str) -> CorruptionError:
    return CorruptionError(
        f"{parts.contents.directory}: the content {file['sha256']} of file {file['_id']} {what}; "
        "db.storage.verify() says what else is damaged; restore it from a backup, or store the "
        "same content again, which mends it"
    )


def pieces_of(content: Content) -> Iterator[Chunk]:
    """A content in pieces.

    Raises:
        ArgumentError: It is none.
    """
    given: Any = content
    if isinstance(given, bytes | bytearray | memoryview):
        yield given
    elif hasattr(given, "read"):
        while piece := given.read(CHUNK_BYTES):
            yield checked_piece(piece)
    elif isinstance(given, Iterable) and not isinstance(given, str):
        for piece in cast("Iterable[object]", given):
            yield checked_piece(piece)
    else:
        raise _no_content(given)


def checked_piece(piece: object) -> Chunk:
    """A piece of a content.

    Raises:
        ArgumentError: It is none.
    """
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise _no_content(piece)
    return cast("Chunk", piece)


def _no_content(given: object) -> ArgumentError:
    what = "text, which has to be encoded first" if isinstance(given, str) else repr(given)[:80]
    return ArgumentError(
        f"content: expected bytes, a file that is open in binary mode, or pieces of bytes, got "
        f"{what}"
    )


def _checked_hash(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    given = cast("object", sha256)
    is_hash = isinstance(given, str) and len(given) == _HASH_LENGTH
    if not is_hash or not _HEXADECIMAL.issuperset(sha256):
        raise ArgumentError(
            f"sha256={str(sha256)[:80]!r}: expected {_HASH_LENGTH} hexadecimal digits, as "
            "hashlib.sha256(...).hexdigest() gives them"
        )
    return sha256.lower()
