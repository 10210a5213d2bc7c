"""Documents to files, and files to documents."""

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ArgumentError
from headwater.exchange.reports import ExportReport, ImportReport
from headwater.functions.purity import refuse_inside
from headwater.schema.compile import compile_checker
from headwater.schema.explain import TableNumbers
from headwater.schema.json_form import from_json
from headwater.schema.tables import Table
from headwater.schema.validators import Validator
from headwater.storage.contents import Contents
from headwater.tables.catalog import Catalog, TableInfo
from headwater.tables.moments import moment_of
from headwater.tables.progress import Report
from headwater.transactions.reader import name_of
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.exchange.checking import TableType
    from headwater.exchange.importing import Mode
    from headwater.exchange.writing import Format


class ExchangeVerbs(Opened):
    """Export and import."""

    def export_to(
        self,
        path: str | Path,
        *,
        format: "Format | None" = None,  # noqa: A002 - it is the word for it
        tables: Collection[str | type[Table[Any]]] | None = None,
        at: int | datetime | None = None,
        files: bool | None = None,
        progress: Report | None = None,
    ) -> ExportReport:
        """Write all documents of one moment to files, while others go on writing here.

        Whole or not at all; durable on return. O(documents + bytes of stored files), in bounded
        memory.

        Args:
            path: Where nothing is yet.
            format: "jsonl": a directory with lines of JSON for each table, which keep every type;
                "convex": a ZIP file as Convex's snapshots are. By default "convex" for a path that
                ends in ``.zip``.
            tables: Names or classes; all by default.
            at: The moment: a timestamp or an aware datetime; by default now.
            files: Whether stored files are exported, with their contents; by default if no
                ``tables`` are given, so that what is exported has all that its ids name.
            progress: Told how far it is.

        Raises:
            AlreadyThereError: There is something at ``path``.
            ArgumentError: A table does not exist, or the format is unknown.
            CorruptionError: The content of a stored file is damaged, or is not there.
            DocumentNotFoundError: At that moment there was a stored file whose content is not kept
                any more.
            LogTrimmedError: That moment is no longer in the log.
            StorageError: The disk is full, or the system failed.
        """
        from headwater.exchange.file_entries import FILES_TABLE
        from headwater.exchange.file_export import FileExport
        from headwater.exchange.state import StateAt
        from headwater.exchange.writing import export_lines, export_snapshot

        refuse_inside()
        target = Path(path).expanduser().absolute()
        chosen = format or ("convex" if target.suffix == ".zip" else "jsonl")
        writers = {"jsonl": export_lines, "convex": export_snapshot}
        if chosen not in writers:
            raise ArgumentError(f"format={format!r}: expected one of {', '.join(writers)}")
        write = writers[chosen]
        moment = None if at is None else moment_of(at)
        state = StateAt(self._store, moment)
        has_files = tables is None if files is None else files
        if not has_files or not state.has_documents(FILES_TABLE):
            return write(state, _chosen(state.catalog, tables), None, target, progress)
        contents = Contents(self.path, is_durable=True)
        with contents.kept():
            state = StateAt(self._store, moment)  # whose contents are kept from here on
            stored = FileExport(state, state.catalog.by_name[FILES_TABLE], contents, progress)
            return write(state, _chosen(state.catalog, tables), stored, target, progress)

    def import_from(
        self,
        path: str | Path,
        *,
        table: str | type[Table[Any]] | None = None,
        mode: "Mode" = "empty",
        files: bool = True,
        dry_run: bool = False,
        progress: Report | None = None,
    ) -> ImportReport:
        """Read documents from files into tables: all of them, or nothing. Durable on return.

        Stored files come with them, their contents first: each is compared with its hash, and is on
        the disk before a document names it.

        Ids and creation times are kept; a document without them gets new ones. Everything is
        checked against the declared types first, while others write; then others wait. Tables that
        do not exist are made. Memory: some hundred bytes per document with an id.

        Args:
            path: What `export_to` has written, a snapshot of Convex's, or a file of JSON lines.
            table: The table for a single file; by default the file is named for it.
            mode: "empty": the tables must not have documents; "append": these are added; "replace":
                afterwards the tables have these documents and no others.
            files: Whether stored files are imported, where there are some.
            dry_run: Do all of it, and drop it at the end: the report says what an import would do,
                and what it would refuse is refused.
            progress: Told how far it is.

        Raises:
            ImportRefusedError: Something does not fit: names file, line and reason.
            StorageError: The disk is full, or the system failed.
        """
        from headwater.exchange.file_entries import FILES_TABLE
        from headwater.exchange.file_import import FileImport
        from headwater.exchange.importing import MODES, Import
        from headwater.exchange.reading import open_source

        refuse_inside()
        if mode not in MODES:
            raise ArgumentError(f"mode={mode!r}: expected one of {', '.join(MODES)}")
        origin = Path(path).expanduser().absolute()
        name = None if table is None else name_of(table)
        # JSON takes more bytes than what is stored: six for a control character, at most.
        line_bytes = 8 * self._store.limits.document_bytes
        with open_source(origin, name, line_bytes, files=files) as source:
            stored = None
            if FILES_TABLE in source.tables:
                stored = FileImport(self._services.files.parts, source.contents, progress)
            importing = Import(
                self._store, source, mode, self._type_of, stored, progress, is_dry=dry_run
            )
            return importing.run(origin)

    def _type_of(self, name: str, numbers: TableNumbers) -> "TableType":
        """What documents of a table have to be, with ids that are numbered as given."""
        from headwater.exchange.checking import TableType

        validator: Validator | None = self.application.documents.get(name)
        service = self._store.service_table(name)
        stored = self._store.catalog.by_name.get(name)
        if service is not None:
            validator = from_json(service.schema_json)
        elif validator is None and stored is not None and stored.schema is not None:
            validator = from_json(stored.schema)
        if validator is None:
            return TableType(None, _accept)
        check = compile_checker(validator, numbers, nesting=self._store.limits.nesting)
        return TableType(validator, check)


def _accept(_fields: Mapping[str, Any]) -> None:
    """A table without a type takes every document."""


def _chosen(catalog: Catalog, tables: Collection[str | type[Table[Any]]] | None) -> list[TableInfo]:
    """The tables by name, in order."""
    if tables is None:
        return catalog.user_tables()
    names = sorted({name_of(table) for table in tables})
    known = {table.name: table for table in catalog.user_tables()}
    missing = [name for name in names if name not in known]
    if missing:
        raise ArgumentError(
            f"tables={missing!r}: there is no such table at that moment; there are "
            f"{', '.join(known) or 'none'}"
        )
    return [known[name] for name in names]
