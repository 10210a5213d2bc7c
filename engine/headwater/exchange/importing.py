"""Files of documents into tables: all of them, or nothing.

Everything is read through and checked first, while others write. Then it is read again and written
in one storage transaction, as many commits in the log, so that neither readers nor a crash can see
a part of it. Unique indexes are checked at its end.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias

from headwater.errors import DeclarationError, ImportRefusedError
from headwater.exchange.checking import Checked, Row, TableType
from headwater.exchange.file_entries import FILES_TABLE
from headwater.exchange.file_import import FileImport
from headwater.exchange.numbering import Numbering, numbers_in, plan_numbers
from headwater.exchange.reading import Source
from headwater.exchange.reports import ImportReport
from headwater.schema.explain import TableNumbers
from headwater.storage.commit_log import head
from headwater.storage.transactions import WriteTransaction
from headwater.tables.catalog import CASCADES, Catalog, IndexInfo, TableInfo, load_catalog
from headwater.tables.dangling import dangling_in, dangling_to
from headwater.tables.progress import Report, reported
from headwater.tables.projection import apply
from headwater.tables.snapshot import Snapshot
from headwater.transactions.batch import Batch
from headwater.transactions.cascade_steps import finish_cascades
from headwater.transactions.minting import Minting
from headwater.transactions.origins import origin_of
from headwater.transactions.revival import adopt
from headwater.transactions.store import Store
from headwater.transactions.system_tables import (
    insert_declared,
    insert_table,
    set_foreign_ids,
    set_table_number,
)
from headwater.transactions.transaction import Transaction
from headwater_indexes.ids import creation_time_of
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.keys import decode
from headwater_indexes.values import MISSING

Mode: TypeAlias = Literal["empty", "append", "replace"]
MODES: Final = ("empty", "append", "replace")

_ROWS_PER_COMMIT: Final = 1000
_BYTES_PER_COMMIT: Final = 2**22
_FUNCTION: Final = "_import"


class _DroppedError(Exception):
    """Ends the storage transaction of a dry run."""


class Import:
    """One import, from its plan to its commits.

    Args:
        store: The database.
        source: What is imported.
        mode: "empty": the tables have to be; "append": the documents are new ones; "replace":
            afterwards the tables have these documents and no others.
        type_of: The type of a table, for ids that are numbered as given.
        files: Stored files; needed where the source has some.
        progress: Told how far it is.
        is_dry: Do all of it, and drop it at the end.
    """

    def __init__(  # noqa: PLR0913 - each is of its own
        self,
        store: Store,
        source: Source,
        mode: Mode,
        type_of: Callable[[str, TableNumbers], TableType],
        files: FileImport | None,
        progress: Report | None,
        *,
        is_dry: bool,
    ) -> None:
        self._store = store
        self._source = _without_made(source, store.catalog)
        self._mode: Mode = mode
        self._type_of = type_of
        self._files = files
        self._progress = progress
        self._is_dry = is_dry
        self._catalog: Catalog = store.catalog
        self._wanted: dict[str, int] = {}
        self._ts = 0

    def run(self, path: Path) -> ImportReport:
        """Import everything. Durable on return.

        Raises:
            ImportRefusedError: Something does not fit; nothing was imported.
        """
        numbering, checked = self._check()
        finish_cascades(self._store)

        def write(writer: WriteTransaction) -> None:
            before = head(writer)
            self._write(writer, numbering, checked)
            if self._is_dry:
                self._ts = before
                raise _DroppedError

        with self._files_in_place(checked), suppress(_DroppedError):
            self._store.committer.run_alone(lambda: self._store.environment.run_write(write))
        self._store.look_again()
        documents = {name: table.count for name, table in checked.items() if name != FILES_TABLE}
        report = ImportReport(path, self._ts, documents, self._source.skipped)
        if self._files is None:
            return report
        return report._replace(files=self._files.count, file_bytes=self._files.byte_count)

    def _files_in_place(self, checked: Mapping[str, Checked]) -> AbstractContextManager[None]:
        if self._files is None:
            return nullcontext()
        return self._files.in_place(checked[FILES_TABLE], is_dry=self._is_dry)

    # -- before the lock ------------------------------------------------------------------------

    def _check(self) -> tuple[Numbering, dict[str, Checked]]:
        self._wanted = numbers_in(self._source)
        snapshot = self._store.snapshot()
        try:
            self._catalog = snapshot.catalog
            numbering = self._plan(snapshot)
        finally:
            snapshot.close()
        names = {number: name for name, number in numbering.by_name.items()}
        numbers = TableNumbers(numbering.by_name.get, names.get)
        checked = {
            name: self._checked(name, numbering.by_name[name], numbers)
            for name in self._source.tables
        }
        for name, table in checked.items():
            for _ in reported(table.read_through(), f"checking {name}", 0, self._progress):
                pass
        return numbering, checked

    def _plan(self, snapshot: Snapshot) -> Numbering:
        catalog = snapshot.catalog
        for name in self._source.tables:
            table = catalog.by_name.get(name)
            if self._mode == "empty" and table is not None and not _is_empty(snapshot, table):
                raise self._source.tables[name].refuse(
                    f"table {name!r} has documents already; mode='append' adds these to them, "
                    "mode='replace' puts these in their place"
                )

        def becomes_empty(table: TableInfo) -> bool:
            is_replaced = self._mode == "replace" and table.name in self._source.tables
            return is_replaced or _is_empty(snapshot, table)

        return plan_numbers(catalog, self._source, self._wanted, becomes_empty)

    def _checked(self, name: str, number: int, numbers: TableNumbers) -> Checked:
        limits = self._store.limits
        return Checked(
            self._source.tables[name],
            self._type_of(name, numbers),
            limits.document_bytes,
            limits.nesting,
            number,
        )

    # -- under the lock -------------------------------------------------------------------------

    def _write(
        self, writer: WriteTransaction, numbering: Numbering, checked: Mapping[str, Checked]
    ) -> None:
        self._catalog = load_catalog(writer)
        self._recheck(writer, numbering)
        self._make_service_tables(writer, numbering)
        if self._mode == "replace":
            for name, table in checked.items():
                self._delete_others(writer, name, table)
        self._commit(writer, lambda transaction: self._move(transaction, numbering))
        self._catalog = load_catalog(writer)
        for table in checked.values():
            self._commit(writer, partial(self._arrange, numbering=numbering, table=table))
            self._catalog = load_catalog(writer)  # the spaces of new indexes are taken from it
        for name, table in checked.items():
            self._write_table(writer, self._catalog.by_name[name], table)
        for name in checked:
            self._check_unique(writer, self._catalog.by_name[name])
        self._check_references(writer)

    def _recheck(self, writer: WriteTransaction, numbering: Numbering) -> None:
        """Refuse if others have changed what the plan was made for."""
        cascades = self._catalog.by_name.get(CASCADES)
        if cascades is not None and not _is_empty(Snapshot(writer, self._catalog), cascades):
            raise ImportRefusedError(
                f"{self._source.name}: documents were deleted on which others hang, which are "
                "being deleted now. Nothing was imported; import again",
                file=self._source.name,
            )
        if self._plan(Snapshot(writer, self._catalog)) != numbering:
            raise ImportRefusedError(
                f"{self._source.name}: tables were made meanwhile. Nothing was imported; import "
                "again",
                file=self._source.name,
            )

    def _make_service_tables(self, writer: WriteTransaction, numbering: Numbering) -> None:
        for name in [] if self._files is None else self._files.tables():
            declared = self._store.service_table(name)
            if declared is not None and name not in self._catalog.by_name:
                made = replace(declared, number=numbering.by_name.get(name, declared.number))
                self._commit(writer, partial(insert_declared, declared=made))
                self._catalog = load_catalog(writer)  # with the spaces of its indexes

    def _move(self, transaction: Transaction, numbering: Numbering) -> None:
        """Give empty tables other numbers."""
        for name, number in numbering.moved.items():
            set_table_number(transaction, self._catalog.by_name[name], number)

    def _arrange(self, transaction: Transaction, numbering: Numbering, table: Checked) -> None:
        """Make what there has to be before the documents of a table can come."""
        info = transaction.tables.get(table.file.table)
        if info is None:
            info = self._insert_table(transaction, table, numbering)
        if table.has_foreign_ids:
            set_foreign_ids(transaction, info)

    def _insert_table(
        self, transaction: Transaction, table: Checked, numbering: Numbering
    ) -> TableInfo:
        name = table.file.table
        try:
            return insert_table(transaction, name, schema=None, number=numbering.by_name[name])
        except DeclarationError as error:
            raise table.file.refuse(str(error)) from None

    def _delete_others(self, writer: WriteTransaction, name: str, table: Checked) -> None:
        """Delete the documents that are not among the new ones."""
        info = self._catalog.by_name.get(name)
        if info is None:
            return
        keep = {id.encode("ascii") for id in table.ids}
        snapshot = Snapshot(writer, self._catalog)
        others = [
            key for key, _ in snapshot.records(*info.bounds, reverse=False) if key not in keep
        ]
        for at in range(0, len(others), _ROWS_PER_COMMIT):
            chunk = others[at : at + _ROWS_PER_COMMIT]
            self._commit(writer, partial(self._delete, table=info, keys=chunk))

    def _delete(self, transaction: Transaction, table: TableInfo, keys: Iterable[bytes]) -> None:
        for key in keys:
            if self._files is not None and table.name == FILES_TABLE:
                self._files.delete(transaction, key.decode("ascii"))
                continue
            existing = transaction.existing(key)
            assert existing is not None, f"{key!r} was there a moment ago"
            transaction.remove(table, key.decode("ascii"), existing)

    def _write_table(self, writer: WriteTransaction, info: TableInfo, table: Checked) -> None:
        step = f"importing {info.name}"
        for rows in _chunks(reported(table.rows(), step, table.count, self._progress)):
            self._commit(writer, partial(self._put, info=info, table=table, rows=rows))

    def _put(
        self, transaction: Transaction, info: TableInfo, table: Checked, rows: list[Row]
    ) -> None:
        for row in rows:
            id, creation_time = _identity(transaction, info, row)
            existing = transaction.existing(id.encode("ascii"))
            if existing is None:
                adopt(transaction, info, id, creation_time, row.fields, row.body)
            elif self._mode != "replace":
                raise table.file.refuse(
                    f"{info.name} has a document {id} already; mode='replace' puts these documents "
                    "in the place of those that are there",
                    row.line,
                )
            elif existing.body != row.body:
                transaction.update(info, id, existing, row.fields, row.body)
            else:
                continue
            if self._files is not None and info.name == FILES_TABLE:
                self._files.came(transaction, row, id, existing)

    def _commit(self, writer: WriteTransaction, build: Callable[[Transaction], object]) -> None:
        """One commit of the import, visible with all the others."""
        snapshot = Snapshot(writer, self._catalog)
        transaction = self._store.begin(snapshot, function=_FUNCTION, seconds_limit=None)
        build(transaction)
        self._store.feeding.pass_by(transaction)
        self._store.ended(transaction)
        batch = Batch(snapshot.ts)
        self._ts = batch.append(transaction.own, origin_of(_FUNCTION), self._store.clock.now_ns())
        if batch.commits:
            apply(writer, batch.commits, batch.changes())

    def _check_unique(self, writer: WriteTransaction, table: TableInfo) -> None:
        snapshot = Snapshot(writer, self._catalog)
        for at in table.unique_indexes:
            index = table.indexes[at]
            before, holder = b"", ""
            for key in snapshot.entries(index, b"", KEYS_END, reverse=False):
                fields = index.fields_of(key, table.id_length)
                id = key[-table.id_length :].decode("ascii")
                if fields == before and MISSING not in decode(fields):
                    raise self._not_unique(table, index, fields, (holder, id))
                before, holder = fields, id

    def _not_unique(
        self, table: TableInfo, index: IndexInfo, fields: bytes, ids: tuple[str, str]
    ) -> ImportRefusedError:
        pairs = zip(index.definition.fields, decode(fields), strict=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in pairs)
        return self._source.tables[table.name].refuse(
            f"{table.name}.{index.name} is unique, and {ids[0]} and {ids[1]} both have {shown}"
        )

    def _check_references(self, writer: WriteTransaction) -> None:
        """Refuse if a document names one that is not there, or is not there any more."""
        snapshot = Snapshot(writer, self._catalog)
        for name, file in self._source.tables.items():
            table = self._catalog.by_name[name]
            found = dangling_in(snapshot, table)
            if self._mode == "replace":
                found = chain(found, dangling_to(snapshot, self._catalog, table))
            for one in found:
                raise file.refuse(
                    f"document {one.id} of {one.table!r} refers by {one.field!r} to {one.target}, "
                    "which is not there; import both together, or that one first"
                )


def _without_made(source: Source, catalog: Catalog) -> Source:
    """A source without the tables that projections make here: they follow from the others."""
    made = sorted(source.tables.keys() & catalog.projections.owners.keys())
    if not made:
        return source
    tables = {name: file for name, file in source.tables.items() if name not in made}
    return replace(source, tables=tables, skipped=(*source.skipped, *made))


def _is_empty(snapshot: Snapshot, table: TableInfo) -> bool:
    return not any(True for _ in snapshot.records(*table.bounds, reverse=False))


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows for one commit each: some thousand, or some megabytes."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.body)
        if len(chunk) == _ROWS_PER_COMMIT or size > _BYTES_PER_COMMIT:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _identity(transaction: Transaction, table: TableInfo, row: Row) -> tuple[str, float]:
    """The id and the creation time of a new document: its own, or fresh ones."""
    if row.id is not None:
        time = creation_time_of(row.id) if row.creation_time is None else row.creation_time
        return row.id, time
    if row.creation_time is None:
        return transaction.new_id(table)
    # Lines may have the same time: each gets a seed of its own.
    seed = transaction.moment.seed << 64 | row.line
    return Minting(row.creation_time, seed).next(table.number)
