"""Stored files for asyncio: the same steps on threads, so that none blocks the event loop."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar, cast

from headwater.functions.files import URL_SECONDS, AsyncContent, Chunk, Content, StoredFile
from headwater.schema.tables import Id
from headwater.services.file_storing import FileParts, Files, Storing, checked_piece, pieces_of
from headwater.services.open_files import AsyncOpenFile, OpenFile
from headwater.services.stored_files import By
from headwater.storage.contents import CHUNK_BYTES

T = TypeVar("T")


class AsyncFiles:
    """The stored files, for tasks; see `AsyncActionFiles`."""

    def __init__(
        self, parts: FileParts, entering: Callable[[], AbstractContextManager[None]], by: By
    ) -> None:
        self._parts = parts
        self._files = Files(parts, entering, by)
        self._entering = entering
        self._by: By = by

    async def store(
        self,
        content: AsyncContent,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Store a file and return its id; see `ActionFiles`, and so for the others."""
        begin = partial(Storing, self._parts, self._by, content_type, filename, sha256)
        with self._entering():
            storing = await in_thread(begin, Storing.close)
            return await store_pieces(storing, async_pieces_of(content), storing.commit)

    async def get(self, id: Id[StoredFile]) -> AsyncOpenFile | None:
        """Open a stored file, or None."""
        opened = await in_thread(partial(self._files.get, id), _close_opened)
        return None if opened is None else AsyncOpenFile(opened)

    async def metadata(self, id: Id[StoredFile]) -> StoredFile | None:
        """The document of a stored file, or None."""
        return await asyncio.to_thread(self._files.metadata, id)

    async def url(self, id: Id[StoredFile], *, expires_seconds: float = URL_SECONDS) -> str | None:
        """A signed URL, or None."""
        return await asyncio.to_thread(self._files.url, id, expires_seconds=expires_seconds)

    async def delete(self, id: Id[StoredFile]) -> None:
        """Delete a file."""
        await asyncio.to_thread(self._files.delete, id)

    async def restore(self, id: Id[StoredFile]) -> None:
        """Bring a deleted file back."""
        await asyncio.to_thread(self._files.restore, id)

    async def link(
        self,
        id: Id[StoredFile],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Another file with the content of a stored one."""
        return await asyncio.to_thread(
            self._files.link, id, content_type=content_type, filename=filename
        )

    async def generate_upload_url(
        self,
        *,
        expires_seconds: float = URL_SECONDS,
        max_bytes: int | None = None,
        content_types: Iterable[str] | None = None,
    ) -> str:
        """A signed URL for one upload."""
        return await asyncio.to_thread(
            self._files.generate_upload_url,
            expires_seconds=expires_seconds,
            max_bytes=max_bytes,
            content_types=content_types,
        )


async def in_thread(make: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Make something on a thread; undo that if the task is cancelled while it is made."""
    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        result: T = await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(partial(_undo, undo))
        raise
    return result


def _undo(undo: Callable[[Any], object], made: "asyncio.Future[Any]") -> None:
    if not made.cancelled() and made.exception() is None:
        undo(made.result())


def _close_opened(opened: OpenFile | None) -> None:
    if opened is not None:
        opened.close()


async def store_pieces(
    storing: Storing, pieces: AsyncIterator[Chunk], commit: Callable[[], T]
) -> T:
    """Write a content, and commit it.

    A task that is cancelled meanwhile leaves nothing, unless the commit was under way: then it is
    committed or not, as if its caller had stopped listening.

    Args:
        storing: Takes the content; closed at the end.
        pieces: The content.
        commit: Ends it.
    """
    step: asyncio.Future[Any] | None = None
    try:
        async for piece in pieces:
            step = asyncio.ensure_future(asyncio.to_thread(storing.write, piece))
            await asyncio.shield(step)
        step = asyncio.ensure_future(asyncio.to_thread(commit))
        result: T = await asyncio.shield(step)
        return result
    finally:
        if step is None or step.done():
            storing.close()
        else:  # its thread still works on it
            step.add_done_callback(partial(_close_after, storing))


def _close_after(storing: Storing, step: "asyncio.Future[Any]") -> None:
    if not step.cancelled():
        step.exception()  # nobody else asks for it
    storing.close()


async def async_pieces_of(content: AsyncContent) -> AsyncIterator[Chunk]:
    """A content in pieces, of which a file's are read on a thread.

    Raises:
        ArgumentError: It is none.
    """
    given: Any = content
    if isinstance(given, AsyncIterable):
        async for piece in cast("AsyncIterable[object]", given):
            yield checked_piece(piece)
        return
    read = getattr(given, "read", None)
    if inspect.iscoroutinefunction(read):  # as uploaded files of web frameworks have it
        while piece := await read(CHUNK_BYTES):
            yield checked_piece(piece)
        return
    pieces = pieces_of(cast("Content", content))
    if read is None:
        for piece in pieces:
            yield piece
        return
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
