"""Documents of one moment written to files: as lines of JSON, or as a snapshot of Convex's.

Lines of JSON, a directory::

    _tables.jsonl           {"name":"messages","id":10001}: the tables and their numbers in ids
    messages.jsonl          one document in a line, in the exact dialect
    _storage.jsonl          stored files, see `headwater.exchange.file_entries`

A snapshot of Convex's, a ZIP file::

    README.md
    _tables/documents.jsonl
    messages/documents.jsonl            one document in a line, in Convex's dialect
    messages/generated_schema.jsonl
    _storage/documents.jsonl            stored files

Source: the format of ``npx convex export`` (crates/exports in the repository of Convex's backend).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar
from zipfile import ZIP_DEFLATED, ZipFile

from headwater.errors import AlreadyThereError, HeadwaterError
from headwater.exchange.file_entries import FILES_TABLE
from headwater.exchange.file_export import FileExport
from headwater.exchange.json_values import Dialect, write_line
from headwater.exchange.reports import ExportReport
from headwater.exchange.state import StateAt
from headwater.storage.failures import translate
from headwater.storage.manifest import flush
from headwater.tables.catalog import TableInfo
from headwater.tables.progress import Report, reported

T = TypeVar("T")

Format: TypeAlias = Literal["jsonl", "convex"]

TABLES_LINES: Final = "_tables.jsonl"
LINES_SUFFIX: Final = ".jsonl"
TABLES_ENTRY: Final = "_tables/documents.jsonl"
DOCUMENTS_ENTRY: Final = "/documents.jsonl"
SCHEMA_ENTRY: Final = "/generated_schema.jsonl"

_UNIFORM: Final = '"uniform"\n'
_WELCOME: Final = (
    "# A snapshot of a Headwater database\n\n"
    "A folder for each table, a document in each line of its documents.jsonl, in the format of\n"
    "a Convex snapshot export. `_tables` has the numbers of the tables, which ids contain.\n"
)


def export_lines(
    state: StateAt,
    tables: list[TableInfo],
    files: FileExport | None,
    directory: Path,
    progress: Report | None,
) -> ExportReport:
    """Write a directory of lines of JSON; whole or not at all. Durable on return.

    Raises:
        AlreadyThereError: There is something at that path.
        CorruptionError: The content of a stored file is damaged.
        StorageError: The disk is full, or the system failed.
    """

    def fill(staging: Path) -> dict[str, int]:
        staging.mkdir()
        _write_text(staging / TABLES_LINES, _numbers(tables))
        counts: dict[str, int] = {}
        for table in tables:
            lines = _Counted(_lines(state, table, "exact", progress))
            _write_text(staging / f"{table.name}{LINES_SUFFIX}", lines)
            counts[table.name] = lines.count
        if files is not None:
            _write_files(staging, files)
        flush(staging)
        return counts

    return _report(state, directory, _made_beside(directory, fill), files)


def _write_files(staging: Path, files: FileExport) -> None:
    _write_text(staging / f"{FILES_TABLE}{LINES_SUFFIX}", files.lines("exact"))
    folder = staging / FILES_TABLE
    folder.mkdir()
    for name, pieces in files.entries():
        with (folder / name).open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    flush(folder)


def export_snapshot(
    state: StateAt,
    tables: list[TableInfo],
    files: FileExport | None,
    path: Path,
    progress: Report | None,
) -> ExportReport:
    """Write a ZIP file as Convex's snapshots are; whole or not at all. Durable on return.

    Raises:
        AlreadyThereError: There is something at that path.
        CorruptionError: The content of a stored file is damaged.
        StorageError: The disk is full, or the system failed.
    """

    def fill(staging: Path) -> dict[str, int]:
        counts: dict[str, int] = {}
        with ZipFile(staging, "x", ZIP_DEFLATED) as archive:
            archive.writestr("README.md", _WELCOME)
            _write_entry(archive, TABLES_ENTRY, _numbers(tables))
            for table in tables:
                lines = _Counted(_lines(state, table, "convex", progress))
                _write_entry(archive, table.name + DOCUMENTS_ENTRY, lines)
                archive.writestr(table.name + SCHEMA_ENTRY, _UNIFORM)
                counts[table.name] = lines.count
            if files is not None:
                _write_file_entries(archive, files)
        flush(staging)
        return counts

    return _report(state, path, _made_beside(path, fill), files)


def _write_file_entries(archive: ZipFile, files: FileExport) -> None:
    _write_entry(archive, FILES_TABLE + DOCUMENTS_ENTRY, files.lines("convex"))
    for name, pieces in files.entries():
        with archive.open(f"{FILES_TABLE}/{name}", "w", force_zip64=True) as entry:
            for piece in pieces:
                entry.write(piece)


def _report(
    state: StateAt, path: Path, documents: dict[str, int], files: FileExport | None
) -> ExportReport:
    count, byte_count = (0, 0) if files is None else (files.count, files.byte_count)
    return ExportReport(path, state.ts, documents, count, byte_count)


class _Counted:
    """Lines as they are, counted as they pass."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.count += 1
            yield line


def _numbers(tables: Iterable[TableInfo]) -> Iterator[str]:
    for table in sorted(tables, key=lambda table: table.number):
        yield write_line({"name": table.name, "id": table.number}, "exact")


def _lines(
    state: StateAt, table: TableInfo, dialect: Dialect, progress: Report | None
) -> Iterator[str]:
    total = state.count(table) if progress else 0
    documents = state.documents(table)
    for document in reported(documents, f"exporting {table.name}", total, progress):
        yield write_line(document, dialect)


def _write_text(path: Path, lines: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def _write_entry(archive: ZipFile, name: str, lines: Iterable[str]) -> None:
    with archive.open(name, "w", force_zip64=True) as entry:
        for line in lines:
            entry.write(f"{line}\n".encode())


def _made_beside(path: Path, fill: Callable[[Path], T]) -> T:
    """Let ``fill`` make a file or a directory under another name, then give it its own."""
    import shutil

    if os.path.lexists(path):
        raise AlreadyThereError(
            f"{path}: expected nothing there, found a {'directory' if path.is_dir() else 'file'}; "
            "choose another path, or move it away"
        )
    staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        result = fill(staging)
        staging.rename(path)
        flush(path.parent)
    except OSError as error:
        if isinstance(error, HeadwaterError):
            raise
        raise translate(error, path, "export") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with suppress(OSError):
            staging.unlink()
    return result
