"""Stored files as functions see them: their documents, and what contexts can do with them."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, ClassVar, Final, Literal, Protocol, Self, TypeAlias

from headwater.schema.tables import Document, Id, Index, Table
from headwater.transactions.transaction import Transaction

Chunk: TypeAlias = bytes | bytearray | memoryview
Content: TypeAlias = Chunk | BinaryIO | Iterable[Chunk]
"""Bytes, an open binary file, or pieces in order."""

AsyncContent: TypeAlias = Content | AsyncIterable[Chunk]
"""The same, and pieces that have to be waited for."""

URL_SECONDS: Final = 3600.0
"""How long a URL is good for, unless it is said otherwise."""


class StoredFile(Document["StoredFile"]):
    """One stored file. Several may have the same content, which is kept once.

    ``sha256`` in hexadecimal digits, ``size`` in bytes. ``filename`` is what somebody called it:
    data like any other.
    """

    sha256: str
    size: int
    contentType: str | None  # noqa: N815 - documents are read by clients in other languages
    filename: str | None


class StoredFiles(Table[StoredFile], name="_storage", number=1030):
    """The stored files."""

    by_sha256: ClassVar[Index] = Index("sha256")


class StorageAccess(Document["StorageAccess"]):
    """One access to a stored file.

    ``at`` in milliseconds since the epoch; ``identity`` is the token identifier of who asked;
    ``bytes`` is how many were asked for.
    """

    file: Id[StoredFile]
    verb: Literal["store", "read", "delete", "restore"]
    by: Literal["function", "program", "url"]
    identity: str | None
    bytes: int
    at: float


class StorageAccesses(Table[StorageAccess], name="_storage_accesses", number=1031):
    """Who did what with stored files, in the order in which it was noted."""

    by_file: ClassVar[Index] = Index("file")


class UploadUrl(Document["UploadUrl"]):
    """A URL by which one file may be stored, once; gone when it was used.

    ``expiresAt`` in seconds since the epoch.
    """

    expiresAt: int  # noqa: N815 - documents are read by clients in other languages
    maxBytes: int | None  # noqa: N815 - documents are read by clients in other languages
    contentTypes: list[str] | None  # noqa: N815 - documents are read by clients in other languages


class UploadUrls(Table[UploadUrl], name="_upload_urls", number=1032):
    """The URLs by which files may be stored."""

    by_expires_at: ClassVar[Index] = Index("expiresAt")


class DeletedFile(Document["DeletedFile"]):
    """A file that was deleted and may still come back: what its document said.

    ``createdAt`` in milliseconds, ``keepUntil`` in seconds since the epoch. There are some
    only where databases are opened with ``keep_files_seconds``.
    """

    file: str
    sha256: str
    size: int
    contentType: str | None  # noqa: N815 - documents are read by clients in other languages
    filename: str | None
    createdAt: float  # noqa: N815 - documents are read by clients in other languages
    keepUntil: int  # noqa: N815 - documents are read by clients in other languages


class DeletedFiles(Table[DeletedFile], name="_deleted_files", number=1033):
    """The deleted files whose contents are kept for a time."""

    by_file: ClassVar[Index] = Index("file", unique=True)
    by_sha256: ClassVar[Index] = Index("sha256")
    by_keep_until: ClassVar[Index] = Index("keepUntil")


class FileReader(Protocol):
    """``ctx.storage`` of a query."""

    def metadata(self, id: Id[StoredFile]) -> StoredFile | None:
        """The document of a stored file, or None. O(log n).

        Raises:
            InvalidIdError: It is no id of a stored file.
        """
        ...

    def url(self, id: Id[StoredFile], *, expires_seconds: float = URL_SECONDS) -> str | None:
        """A signed URL by which anybody who has it can read the file; None if there is no file.

        Args:
            id: The file.
            expires_seconds: How long it is good for, from now, in whole seconds rounded up.

        Raises:
            InvalidIdError: It is no id of a stored file.
            LimitExceededError: More seconds than ``limits.url_seconds``.
        """
        ...


class FileWriter(FileReader, Protocol):
    """``ctx.storage`` of a mutation: what it does is part of the transaction."""

    def delete(self, id: Id[StoredFile]) -> None:
        """Delete a file. Its content goes once no other file has the same.

        Where the database is opened with ``keep_files_seconds``, it stays for so long, and the file
        can be restored.

        Raises:
            DocumentNotFoundError: There is no such file.
            InvalidIdError: It is no id of a stored file.
        """
        ...

    def restore(self, id: Id[StoredFile]) -> None:
        """Bring a deleted file back, under its id, as it was.

        Raises:
            DocumentNotFoundError: It is not kept any more, or never was; or it is not deleted.
            InvalidIdError: It is no id of a stored file.
        """
        ...

    def link(
        self,
        id: Id[StoredFile],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Another file with the content of a stored one; nothing is copied.

        Args:
            id: The stored one.
            content_type: Of the new one; that of the stored one by default.
            filename: Of the new one; that of the stored one by default.

        Raises:
            DocumentNotFoundError: There is no such file.
            InvalidIdError: It is no id of a stored file.
        """
        ...

    def generate_upload_url(
        self,
        *,
        expires_seconds: float = URL_SECONDS,
        max_bytes: int | None = None,
        content_types: Iterable[str] | None = None,
    ) -> str:
        """A signed URL by which anybody who has it can store one file, once.

        Args:
            expires_seconds: How long it is good for, from now, in whole seconds rounded up.
            max_bytes: How large the file may be; ``limits.file_bytes`` by default.
            content_types: Types that it may have, such as ``["image/png", "video/*"]``; any by
                default.

        Raises:
            LimitExceededError: More seconds than ``limits.url_seconds``, or more bytes than
                ``limits.file_bytes``.
        """
        ...


class FileContent(Protocol):
    """A stored file that is open for reading. It stays readable when the file is deleted.

    Attributes:
        file: Its document.
        start: Where in the content it begins.
        size: Bytes from there.
    """

    file: StoredFile
    start: int
    size: int

    def read(self, size: int = -1) -> bytes:
        """The next bytes, all of the rest by default; none at the end.

        Raises:
            CorruptionError: There are fewer than there were.
            StorageError: The system failed.
        """
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The rest in pieces of some hundred KiB."""
        ...

    def close(self) -> None:
        """Close it. Does nothing again."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class AsyncFileContent(Protocol):
    """A stored file that is open for reading, for asyncio.

    Attributes:
        file: Its document.
        start: Where in the content it begins.
        size: Bytes from there.
    """

    file: StoredFile
    start: int
    size: int

    async def read(self, size: int = -1) -> bytes:
        """The next bytes, all of the rest by default; none at the end. Raises as `FileContent`."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The rest in pieces of some hundred KiB."""
        ...

    def close(self) -> None:
        """Close it. Does nothing again."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ActionFiles(FileWriter, Protocol):
    """``ctx.storage`` of an action that is a plain ``def``: each call is a transaction."""

    def store(
        self,
        content: Content,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Store a file and return its id. Content and document are durable on return.

        Bounded memory, whatever the size; a piece that an iterable gives is held whole.

        Args:
            content: Bytes, an open binary file, or pieces in order.
            content_type: Such as ``"image/png"``.
            sha256: The hash that the content must have, in hexadecimal digits.
            filename: What somebody calls it. It is data, and names nothing on the disk.

        Raises:
            UploadRefusedError: The content has another hash.
            LimitExceededError: It is larger than ``limits.file_bytes``.
            ArgumentError: It is no content, or the type or the hash is malformed.
            StorageError: The disk is full, or the system failed. Nothing was stored.
        """
        ...

    def get(self, id: Id[StoredFile]) -> FileContent | None:
        """Open a stored file, or None: ``with ctx.storage.get(id) as file: file.read()``.

        Raises:
            InvalidIdError: It is no id of a stored file.
            CorruptionError: Its content is not there, or has another size.
            StorageError: The system failed.
        """
        ...


class AsyncActionFiles(Protocol):
    """``ctx.storage`` of an action that is an ``async def``. None of it blocks the event loop."""

    async def store(
        self,
        content: AsyncContent,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Store a file and return its id. See `ActionFiles`, and so for the others."""
        ...

    async def get(self, id: Id[StoredFile]) -> AsyncFileContent | None:
        """Open a stored file, or None: ``async with await ctx.storage.get(id) as file: ...``."""
        ...

    async def metadata(self, id: Id[StoredFile]) -> StoredFile | None:
        """The document of a stored file, or None."""
        ...

    async def url(self, id: Id[StoredFile], *, expires_seconds: float = URL_SECONDS) -> str | None:
        """A signed URL by which anybody who has it can read the file; None if there is none."""
        ...

    async def delete(self, id: Id[StoredFile]) -> None:
        """Delete a file."""
        ...

    async def restore(self, id: Id[StoredFile]) -> None:
        """Bring a deleted file back, under its id, as it was."""
        ...

    async def link(
        self,
        id: Id[StoredFile],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Another file with the content of a stored one."""
        ...

    async def generate_upload_url(
        self,
        *,
        expires_seconds: float = URL_SECONDS,
        max_bytes: int | None = None,
        content_types: Iterable[str] | None = None,
    ) -> str:
        """A signed URL by which anybody who has it can store one file, once."""
        ...


class Entering(Protocol):
    """What each call of an action goes through: it may have to stop, and acts as its caller."""

    def __call__(self) -> AbstractContextManager[None]:
        """A block for one call; raises if the action must not go on."""
        ...


class FileServices(Protocol):
    """The stored files of an open database, for contexts."""

    def in_query(self, transaction: Transaction) -> FileReader:
        """What a query can do."""
        ...

    def in_mutation(self, transaction: Transaction) -> FileWriter:
        """What a mutation can do."""
        ...

    def in_action(self, entering: Entering) -> ActionFiles:
        """What a plain action can do."""
        ...

    def in_async_action(self, entering: Entering) -> AsyncActionFiles:
        """What an ``async def`` action can do."""
        ...
