"""Stored files that are open for reading, a part of them or the whole."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from headwater.errors import CorruptionError
from headwater.functions.files import StoredFile
from headwater.storage.contents import CHUNK_BYTES
from headwater.storage.failures import translate


class OpenFile:
    """A part of a stored file; see `FileContent`.

    Attributes:
        file: Its document.
        start: Where in the content it begins.
        size: Bytes from there.
    """

    def __init__(
        self, file: StoredFile, source: BinaryIO, directory: Path, start: int, size: int
    ) -> None:
        self.file: StoredFile = file
        self.start: int = start
        self.size: int = size
        self._source = source
        self._directory = directory
        self._left = size
        if start:
            source.seek(start)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, all of the rest by default; none at the end."""
        wanted = self._left if size < 0 else min(size, self._left)
        pieces: list[bytes] = []
        while wanted:
            piece = self._piece(min(wanted, CHUNK_BYTES))
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _piece(self, wanted: int) -> bytes:
        try:
            piece = self._source.read(wanted)
        except OSError as error:
            raise translate(error, self._directory, "read a file") from error
        if not piece:
            raise CorruptionError(
                f"{self._directory}: the content of file {self.file['_id']} ends {self._left:,} "
                "bytes too early; db.storage.verify() says what else is damaged; restore a backup"
            )
        self._left -= len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(CHUNK_BYTES):
            yield piece

    def close(self) -> None:
        """Close it. Does nothing again."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncOpenFile:
    """The same for asyncio; see `AsyncFileContent`.

    Attributes:
        file: Its document.
        start: Where in the content it begins.
        size: Bytes from there.
    """

    def __init__(self, opened: OpenFile) -> None:
        self.file: StoredFile = opened.file
        self.start: int = opened.start
        self.size: int = opened.size
        self._opened = opened
        # A task that is cancelled leaves its thread reading: it has to end before the next one.
        self._lock = threading.Lock()

    async def read(self, size: int = -1) -> bytes:
        """The next bytes, all of the rest by default; none at the end."""
        return await asyncio.to_thread(self._read, size)

    def _read(self, size: int) -> bytes:
        with self._lock:
            return self._opened.read(size)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read(CHUNK_BYTES):
            yield piece

    def close(self) -> None:
        """Close it. Does nothing again."""
        if self._lock.acquire(blocking=False):
            try:
                self._opened.close()
            finally:
                self._lock.release()
        else:
            threading.Thread(target=self._close_later, daemon=True).start()

    def _close_later(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
