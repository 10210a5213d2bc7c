"""Stored files on their way in: first their contents, then the documents that name them.

A content is in place, flushed, before the commit that names it, and nobody removes it in between.
If that commit does not come, for whatever reason, nothing names it, and it is collected like any
other: by this process at once, or at the next opening.
"""

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, cast
from zipfile import BadZipFile

from headwater.exchange.checking import Checked, Row
from headwater.exchange.file_entries import FILES_TABLE
from headwater.exchange.reading import ContentFile
from headwater.functions.files import DeletedFiles, StorageAccesses, StoredFile
from headwater.schema.explain import TableNumbers
from headwater.schema.tables import Id
from headwater.services.file_storing import FileParts, files_in
from headwater.services.stored_files import FilesInMutation
from headwater.storage.contents import CHUNK_BYTES, IncomingContent
from headwater.tables.progress import Report, reported
from headwater.transactions.existing import Existing
from headwater.transactions.rules import TableRules
from headwater.transactions.transaction import Transaction

_UNREADABLE: Final = (OSError, BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)
"""What an archive raises that is damaged, encrypted or of another method."""


class FileImport:
    """The files of one import.

    Args:
        parts: The files of the database.
        contents: What is to come in, by the id of its file.
        progress: Told how far it is.

    Attributes:
        count: Files that were read through.
        byte_count: Bytes of these.
    """

    def __init__(
        self, parts: FileParts, contents: Mapping[str, ContentFile], progress: Report | None
    ) -> None:
        self.count: int = 0
        self.byte_count: int = 0
        self._parts = parts
        self._contents = contents
        self._progress = progress
        self._touched: set[str] = set()
        self._inside: tuple[Transaction, FilesInMutation] | None = None

    # -- before the lock ------------------------------------------------------------------------

    @contextmanager
    def in_place(self, table: Checked, *, is_dry: bool) -> Generator[None]:
        """Check every content and put it in place; a block in which documents may name them.

        Args:
            table: The documents.
            is_dry: Check them only.

        Raises:
            ImportRefusedError: A content is missing, damaged or of no file.
            StorageError: The disk is full, or the system failed.
        """
        self._check_ids(table)
        take = self._check if is_dry else self._store
        try:
            with self._parts.contents.gathering() as place:
                rows = table.rows()
                for row in reported(rows, "importing files", table.count, self._progress):
                    take(table, row, place)
                    self.count += 1
                    self.byte_count += row.fields["size"]
                yield
        finally:
            for sha256 in self._touched:
                self._parts.collector.add(sha256)  # perhaps nothing names it

    def _check_ids(self, table: Checked) -> None:
        nameless = self._contents.keys() - table.ids
        if nameless:
            raise table.file.refuse(
                f"no line has the id of {self._contents[min(nameless)].name}; files=False imports "
                "the documents alone"
            )

    def _store(self, table: Checked, row: Row, place: Callable[[IncomingContent], None]) -> None:
        with self._parts.contents.receive() as incoming:
            self._read(table, row, incoming)
            self._touched.add(incoming.sha256)
            place(incoming)

    def _check(self, table: Checked, row: Row, _place: object) -> None:
        self._read(table, row, _Hashing())

    def _read(self, table: Checked, row: Row, target: "IncomingContent | _Hashing") -> None:
        """Write a content to where it goes, and compare it with what its line says."""
        content = self._contents.get(row.id or "")
        if content is None:
            raise table.file.refuse(
                f"there is no content of file {row.id}; export it with its files "
                "(convex export --include-file-storage), or import the documents alone with "
                "files=False",
                row.line,
            )
        size, sha256 = row.fields["size"], row.fields["sha256"]
        limit = self._parts.runner.store.limits.file_bytes
        if size > limit:
            raise table.file.refuse(
                f"file {row.id} has {size:,} bytes, the limit file_bytes is {limit:,}; raise it: "
                "hw.open(..., limits=hw.Limits(file_bytes=...))",
                row.line,
            )
        for piece in _pieces(table, content):
            target.write(piece)
            if target.size > size:
                break
        if (target.size, target.sha256) != (size, sha256):
            raise table.file.refuse(
                f"file {row.id}: its content {content.name} is damaged: expected {size:,} bytes "
                f"with the SHA-256 {sha256}, got "
                + ("more" if target.size > size else f"{target.size:,} with {target.sha256}"),
                row.line,
            )

    # -- under the lock -------------------------------------------------------------------------

    def tables(self) -> list[str]:
        """The tables that are written to, in the order in which they have to be made."""
        noting = [] if self._parts.accesses is None else [StorageAccesses.table_name]
        keeping = [DeletedFiles.table_name] if self._parts.settings.keep_seconds else []
        return [FILES_TABLE, *noting, *keeping]

    def came(self, transaction: Transaction, row: Row, id: str, existing: Existing | None) -> None:
        """A document was written that names a content, perhaps over another one."""
        if existing is not None:
            self._touched.add(existing.fields["sha256"])
        self._in(transaction).note_stored(id, row.fields["size"])

    def delete(self, transaction: Transaction, id: str) -> None:
        """Delete a file that is not among the new ones, as anybody would."""
        files, file = self._in(transaction), cast("Id[StoredFile]", id)
        found = files.metadata(file)
        assert found is not None, f"{id!r} was there a moment ago"
        self._touched.add(found["sha256"])
        files.delete(file)

    def _in(self, transaction: Transaction) -> FilesInMutation:
        if self._inside is None or self._inside[0] is not transaction:
            files = files_in(self._parts, transaction, "program", self._rules_in(transaction))
            self._inside = transaction, files
        return self._inside[1]

    def _rules_in(self, transaction: Transaction) -> TableRules:
        """The rules for documents of services, with tables numbered as they are in the import."""
        catalog = transaction.snapshot.catalog

        def number_of(name: str) -> int | None:
            table = catalog.by_name.get(name)
            return None if table is None else table.number

        numbers = TableNumbers(number_of, catalog.name_of)
        return TableRules(numbers, nesting=self._parts.runner.store.limits.nesting)


class _Hashing:
    """Takes a content as `IncomingContent` does, and writes nothing."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)


def _pieces(table: Checked, content: ContentFile) -> Iterator[bytes]:
    try:
        with content.opens() as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
    except _UNREADABLE as error:
        raise table.file.refuse(f"{content.name} cannot be read: {error}") from error
