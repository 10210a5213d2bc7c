"""The stored files of one moment, for an export."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from headwater.errors import CorruptionError, DocumentNotFoundError
from headwater.exchange.file_entries import content_name, written
from headwater.exchange.json_values import Dialect, write_line
from headwater.exchange.state import StateAt
from headwater.functions.files import StoredFile
from headwater.storage.contents import CHUNK_BYTES, Contents
from headwater.storage.failures import translate
from headwater.tables.catalog import TableInfo
from headwater.tables.progress import Report, reported


class FileExport:
    """Stored files on their way out. In a block of `Contents.kept`, from before the moment.

    Args:
        state: The moment.
        table: Theirs, as of then.
        contents: Has their contents.
        progress: Told how far it is.

    Attributes:
        count: Files whose content was read to its end.
        byte_count: Bytes of these.
    """

    def __init__(
        self, state: StateAt, table: TableInfo, contents: Contents, progress: Report | None
    ) -> None:
        self.count: int = 0
        self.byte_count: int = 0
        self._state = state
        self._table = table
        self._contents = contents
        self._progress = progress

    def lines(self, dialect: Dialect) -> Iterator[str]:
        """What is said of each file."""
        for file in self._files():
            yield write_line(written(file, dialect), dialect)

    def entries(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Name and content of each file, to be read before the next is asked for.

        Raises:
            CorruptionError: A content is damaged, or is not there.
            DocumentNotFoundError: A content of the past is not kept any more.
        """
        total = self._state.count(self._table) if self._progress else 0
        for file in reported(self._files(), "exporting files", total, self._progress):
            yield content_name(file), self._pieces(file)
            self.count += 1
            self.byte_count += file["size"]

    def _files(self) -> Iterator[StoredFile]:
        return cast("Iterator[StoredFile]", self._state.documents(self._table))

    def _pieces(self, file: StoredFile) -> Iterator[bytes]:
        source = self._contents.open(file["sha256"])
        if source is None:
            raise self._missing(file)
        size, digest = 0, hashlib.sha256()
        with source:
            for piece in self._read(source):
                size += len(piece)
                digest.update(piece)
                yield piece
        if digest.hexdigest() != file["sha256"]:
            raise self._damaged(file, f"has {size:,} bytes with the hash {digest.hexdigest()}")

    def _read(self, source: BinaryIO) -> Iterator[bytes]:
        try:
            while piece := source.read(CHUNK_BYTES):
                yield piece
        except OSError as error:
            raise translate(error, self._contents.directory, "read a file") from error

    def _missing(self, file: StoredFile) -> Exception:
        if not self._state.is_past:
            return self._damaged(file, "is not there")
        return DocumentNotFoundError(
            f"file {file['_id']} was there at that moment, and its content is not kept any more. "
            "Nothing was exported; files=False exports the documents alone, and a database that is "
            "opened with keep_files_seconds=... keeps contents for a time",
            id=file["_id"],
        )

    def _damaged(self, file: StoredFile, what: str) -> CorruptionError:
        return CorruptionError(
            f"{self._contents.directory}: the content {file['sha256']} of file {file['_id']} "
            f"{what}. Nothing was exported; db.storage.verify() says what else is damaged, and "
            "files=False exports the documents alone"
        )
