"""Files of documents, of each format that can be imported, as lines with their places."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, NamedTuple, Protocol, Self
from zipfile import BadZipFile, ZipFile, is_zipfile

from headwater.errors import ImportRefusedError
from headwater.exchange.file_entries import FILES_TABLE, id_in, read
from headwater.exchange.json_values import NotReadableError, read_line
from headwater.exchange.writing import (
    DOCUMENTS_ENTRY,
    LINES_SUFFIX,
    SCHEMA_ENTRY,
    TABLES_ENTRY,
    TABLES_LINES,
)

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_COMPONENTS: Final = "_components/"
_FILE_LINES: Final = {FILES_TABLE + DOCUMENTS_ENTRY, FILES_TABLE + SCHEMA_ENTRY}


class Line(NamedTuple):
    """One document and where it stands.

    Attributes:
        number: Of the line, from 1.
        document: What it says, system fields included.
    """

    number: int
    document: dict[str, Any]


class Opens(Protocol):
    """How the lines of one table, or the content of one file, are opened."""

    def __call__(self) -> IO[bytes]:
        """A binary file, to be closed by the caller."""
        ...


class ContentFile(NamedTuple):
    """The content of one stored file.

    Attributes:
        name: Of the file or the entry, for messages.
        opens: Opens it.
    """

    name: str
    opens: Opens


@dataclass(frozen=True, slots=True)
class TableFile:
    """The documents of one table.

    Attributes:
        table: Name of the table.
        name: Of the file or the entry, for messages.
        opens: Opens it.
        line_bytes: How long a line may be.
    """

    table: str
    name: str
    opens: Opens
    line_bytes: int

    def refuse(self, problem: str, line: int = 0) -> ImportRefusedError:
        """The error for something in it."""
        where = f"{self.name}, line {line}" if line else self.name
        return ImportRefusedError(
            f"{where}: {problem}. Nothing was imported", file=self.name, line=line
        )

    def lines(self) -> Iterator[Line]:
        """The documents in order. Empty lines are passed over.

        Raises:
            ImportRefusedError: A line is too long, no UTF-8, or no document.
        """
        try:
            with self.opens() as file:
                yield from self._lines(file)
        except (OSError, BadZipFile) as error:
            raise self.refuse(f"it cannot be read: {error}") from error

    def _lines(self, file: IO[bytes]) -> Iterator[Line]:
        number = 0
        while raw := file.readline(self.line_bytes + 1):
            number += 1
            if len(raw) > self.line_bytes:
                raise self.refuse(
                    f"it is longer than {self.line_bytes:,} bytes, more than a document may have; "
                    "raise the limit document_bytes",
                    number,
                )
            if number == 1 and raw.startswith(_BYTE_ORDER_MARK):
                raise self.refuse("it begins with a byte order mark; save it as UTF-8 without one")
            if raw.isspace():
                continue
            try:
                document = read_line(raw.decode("utf-8"))
                yield Line(number, read(document) if self.table == FILES_TABLE else document)
            except UnicodeDecodeError as error:
                raise self.refuse(f"it is no UTF-8: {error}", number) from None
            except NotReadableError as error:
                raise self.refuse(str(error), number) from None


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that is to be imported.

    Attributes:
        name: What it was read from.
        tables: The documents of each table, by its name.
        numbers: The numbers that tables have in the ids of these documents, as far as it says so.
        skipped: Entries that are not imported, such as stored files.
        contents: Of the stored files, by their ids.
    """

    name: str
    tables: Mapping[str, TableFile]
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])
    skipped: tuple[str, ...] = ()
    contents: Mapping[str, ContentFile] = field(default_factory=dict[str, ContentFile])

    def with_files(
        self, listed: TableFile, contents: Iterable[ContentFile], *, wanted: bool
    ) -> Self:
        """The same with stored files.

        Args:
            listed: What is said of each.
            contents: Of each.
            wanted: Whether they are to be imported.

        Raises:
            ImportRefusedError: Two contents are of one file.
        """
        found = list(contents)
        if not found and next(listed.lines(), None) is None:
            return self
        if not wanted:
            return replace(self, skipped=(*self.skipped, FILES_TABLE))
        by_id: dict[str, ContentFile] = {}
        for content in found:
            id = id_in(PurePosixPath(content.name).name)
            if id in by_id:
                raise listed.refuse(f"{by_id[id].name} and {content.name} are of the same file")
            by_id[id] = content
        return replace(self, tables={**self.tables, FILES_TABLE: listed}, contents=by_id)


@contextmanager
def open_source(
    path: Path, table: str | None, line_bytes: int, *, files: bool = True
) -> Generator[Source]:
    """Open what is at a path: a directory or file of lines of JSON, or a snapshot of Convex's.

    Args:
        path: Where.
        table: For a single file of lines: the table; by default the name of the file.
        line_bytes: How long a line may be.
        files: Whether stored files are to be imported.

    Raises:
        ImportRefusedError: It is nothing that can be imported.
    """
    if path.is_dir():
        yield _directory(path, line_bytes, files=files)
    elif not path.is_file():
        raise ImportRefusedError(
            f"{path}: there is no such file or directory; expected an export", file=str(path)
        )
    elif is_zipfile(path):
        with ZipFile(path) as archive:
            yield _archive(path, archive, line_bytes, files=files)
    elif path.suffix in {LINES_SUFFIX, ".ndjson"} or table is not None:
        name = table or path.stem
        file = TableFile(name, str(path), lambda: path.open("rb"), line_bytes)
        yield Source(str(path), {name: file})
    else:
        raise ImportRefusedError(
            f"{path}: expected a directory of .jsonl files, one .jsonl file or a snapshot of "
            "Convex's (.zip); give table=... if it has lines of JSON in spite of its name",
            file=str(path),
        )


def _directory(path: Path, line_bytes: int, *, files: bool) -> Source:
    found = {file.stem: file for file in sorted(path.glob(f"*{LINES_SUFFIX}"))}
    tables = {
        name: TableFile(name, str(file), _opens_file(file), line_bytes)
        for name, file in found.items()
        if file.name != TABLES_LINES
    }
    stored = tables.pop(FILES_TABLE, None)
    if not tables and stored is None:
        raise ImportRefusedError(
            f"{path}: expected files like messages{LINES_SUFFIX} in it, found none", file=str(path)
        )
    numbers = path / TABLES_LINES
    listed = TableFile("", str(numbers), _opens_file(numbers), line_bytes)
    source = Source(str(path), tables, _numbers(listed) if numbers.exists() else {})
    folder = path / FILES_TABLE
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    contents = (
        ContentFile(str(file), _opens_file(file))
        for file in there
        if not file.name.startswith(".")  # what file managers leave
    )
    return source.with_files(stored or _unlisted(str(folder)), contents, wanted=files)


def _opens_file(path: Path) -> Opens:
    return lambda: path.open("rb")


def _archive(path: Path, archive: ZipFile, line_bytes: int, *, files: bool) -> Source:
    names = archive.namelist()
    components = sorted({name.split("/")[1] for name in names if name.startswith(_COMPONENTS)})
    if components:
        raise ImportRefusedError(
            f"{path}: it has documents of the components {', '.join(components)}, which have no "
            "place here; export without them",
            file=str(path),
        )
    entries = {
        name.removesuffix(DOCUMENTS_ENTRY): name
        for name in names
        if name.endswith(DOCUMENTS_ENTRY) and name.count("/") == 1
    }
    tables = {
        table: TableFile(table, f"{path}:{entry}", _opens_entry(archive, entry), line_bytes)
        for table, entry in entries.items()
        if not table.startswith("_") or table == FILES_TABLE
    }
    stored = tables.pop(FILES_TABLE, None)
    if not tables and stored is None:
        raise ImportRefusedError(
            f"{path}: expected entries like messages{DOCUMENTS_ENTRY}, found none", file=str(path)
        )
    opens = _opens_entry(archive, TABLES_ENTRY)
    listed = TableFile("", f"{path}:{TABLES_ENTRY}", opens, line_bytes)
    numbers = _numbers(listed) if TABLES_ENTRY in names else {}
    known = {"_tables", FILES_TABLE}
    skipped = sorted({name.split("/")[0] for name in names if name.startswith("_")} - known)
    source = Source(str(path), tables, numbers, tuple(skipped))
    contents = (
        ContentFile(f"{path}:{name}", _opens_entry(archive, name))
        for name in names
        if name.startswith(f"{FILES_TABLE}/") and name not in _FILE_LINES and name[-1] != "/"
    )
    unlisted = _unlisted(f"{path}:{FILES_TABLE}")
    return source.with_files(stored or unlisted, contents, wanted=files)


def _unlisted(name: str) -> TableFile:
    """The lines of stored files where there are none, and contents perhaps."""
    return TableFile(FILES_TABLE, name, BytesIO, 0)


def _opens_entry(archive: ZipFile, name: str) -> Opens:
    return lambda: archive.open(name)


def _numbers(listed: TableFile) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for line in listed.lines():
        name, number = line.document.get("name"), line.document.get("id")
        if not isinstance(name, str) or not isinstance(number, int | float):
            raise listed.refuse('expected {"name": ..., "id": ...}', line.number)
        numbers[name] = int(number)
    if len(set(numbers.values())) < len(numbers):
        raise listed.refuse("two tables have the same number")
    return numbers
