"""The stored tables brought in line with the declared ones.

First everything that takes long, on snapshots: what differs, and whether the stored documents fit
the new types. Then one commit with all changes of the catalog, made in turn on the head: there
only the documents that were written in between are checked again. So a deployment never loses to
writers, and no document that does not fit can slip in between.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from headwater.errors import ConflictError, SchemaMismatchError
from headwater.schema.difference import accepts_all
from headwater.schema.explain import ValidationError
from headwater.schema.json_form import from_json
from headwater.tables.catalog import (
    SYSTEM_NAMES,
    TABLES_NUMBER,
    Catalog,
    IndexInfo,
    IndexState,
    TableInfo,
)
from headwater.tables.progress import Progress, Report
from headwater.tables.records import count_documents, decode_document
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.changes_since import touched_keys
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.declared_table import Check, DeclaredTable
from headwater.transactions.origins import origin_of
from headwater.transactions.store import Store
from headwater.transactions.system_tables import (
    delete_index,
    insert_index,
    insert_table,
    next_space,
    set_schema,
)
from headwater.transactions.transaction import Transaction
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.errors import NotStorableError

_ATTEMPTS: Final = 100
"""How often the tables may change, by other processes, while their changes are prepared."""

_SHOWN_MAX: Final = 5
"""Offending documents that an error names."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment changed.

    Attributes:
        ts: Timestamp of its commit, 0 if there was nothing to change.
        created: Names of new tables.
        retyped: Names of tables that have another document type now.
        added: New indexes, as "table.index"; one that changed is dropped and added.
        dropped: Dropped indexes, as "table.index"; `build_indexes` clears them.
        building: Those of the declared tables' indexes that `build_indexes` has to fill.
    """

    ts: int = 0
    created: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    building: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """What has to happen to one table; equal if the stored table is the same.

    Attributes:
        stored: The table as it is, None if it is new.
        must_check: Whether its documents have to be checked against the new type.
    """

    declared: DeclaredTable
    stored: TableInfo | None
    is_retyped: bool
    must_check: bool
    drop: tuple[IndexInfo, ...]
    add: tuple[IndexDefinition, ...]


class _CatalogMovedError(ConflictError):
    """The catalog is not the one that the changes were prepared for."""


def _moved() -> _CatalogMovedError:
    return _CatalogMovedError(
        "the deployment lost: other processes kept changing tables or indexes while it was "
        "prepared. Nothing was changed; open the database again",
        ts=0,
        function="",
        table=SYSTEM_NAMES[TABLES_NUMBER],
        index="",
        key=(),
    )


def deploy(
    store: Store, declared: Sequence[DeclaredTable], *, progress: Report | None = None
) -> Deployment:
    """Create, change and drop what differs from the declaration, in one commit.

    Tables that are not declared are left alone. New indexes of tables with documents are declared
    and not yet filled: `build_indexes` does that. Must not be called on the committer's thread.

    Raises:
        SchemaMismatchError: Stored documents do not fit a new type. Nothing was changed.
        DeclarationError: A name cannot be that of a table.
    """
    for _ in range(_ATTEMPTS):
        with closing(store.snapshot()) as snapshot:
            changes, since_ts = _changes(snapshot.catalog, declared), snapshot.ts
            if not changes:
                return Deployment(building=_building(snapshot.catalog, declared))
        for change in changes:
            if change.must_check:
                _check_stored(store, change, progress)
        with suppress(_CatalogMovedError):
            return _commit(store, declared, changes, since_ts)
    raise _moved()


def _building(catalog: Catalog, declared: Iterable[DeclaredTable]) -> tuple[str, ...]:
    return tuple(
        f"{table.name}.{index.name}"
        for table in declared
        for index in catalog.by_name[table.name].indexes
        if index.state == "building"
    )


# What differs -----------------------------------------------------------------------------------


def _changes(catalog: Catalog, declared: Iterable[DeclaredTable]) -> list[_Change]:
    compared = (_compare(catalog.by_name.get(table.name), table) for table in declared)
    return [change for change in compared if change is not None]


def _compare(stored: TableInfo | None, declared: DeclaredTable) -> _Change | None:
    if stored is None or (stored.is_system and not stored.is_service):  # whose name is refused
        return _Change(
            declared, None, is_retyped=False, must_check=False, drop=(), add=tuple(declared.indexes)
        )
    is_retyped = stored.schema != declared.schema_json
    kept = [index for index in stored.indexes if index.definition in declared.indexes]
    drop = tuple(index for index in stored.indexes if index.is_declared and index not in kept)
    known = [index.definition for index in kept]
    add = tuple(definition for definition in declared.indexes if definition not in known)
    if not (is_retyped or drop or add):
        return None
    must_check = is_retyped and not _accepts_all(declared.schema_json, stored.schema)
    return _Change(declared, stored, is_retyped, must_check, drop, add)


def _accepts_all(new: Any, old: Any) -> bool:
    """Whether documents of the old type need no check against the new one."""
    if new is None:
        return True
    if old is None:
        return False
    try:
        return accepts_all(from_json(new), from_json(old))
    except ValueError:
        return False  # stored by a version that knew other types


# Documents against a new type -------------------------------------------------------------------


@dataclass(slots=True)
class _Mismatches:
    """Documents of one table that do not fit its new type."""

    table: str
    check: Check
    first: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    total: int = 0

    def look_at(self, document: Mapping[str, Any]) -> None:
        fields = {name: value for name, value in document.items() if name[0] != "_"}
        try:
            self.check(fields)
        except (ValidationError, NotStorableError) as error:
            self.total += 1
            if self.total <= _SHOWN_MAX:
                self.first.append((document["_id"], str(error)))

    def refuse(self) -> None:
        if not self.total:
            return
        listed = "; ".join(f"{id_text}: {reason}" for id_text, reason in self.first)
        some = (
            f"{self.total} of its documents do" if self.total > 1 else "one of its documents does"
        )
        first = f" (the first {_SHOWN_MAX})" if self.total > _SHOWN_MAX else ""
        raise SchemaMismatchError(
            f"table {self.table!r}: {some} not fit the declared type{first}: {listed}. Nothing was "
            "changed. Change these documents with the old declaration first, or declare a type "
            "that accepts them (NotRequired, a union)",
            table=self.table,
            documents=self.first,
        )


def _check_stored(store: Store, change: _Change, report: Report | None) -> None:
    """Check all documents, on several snapshots so that none is held for long."""
    if change.stored is None or change.declared.check is None:
        return
    mismatches = _Mismatches(change.declared.name, change.declared.check)
    step = f"checking documents of {change.declared.name}"
    low, high = change.stored.bounds
    done, total, limit = 0, 0, store.limits.backfill_documents
    while True:
        with closing(store.snapshot()) as snapshot:
            if report is not None:
                total = total or count_documents(snapshot.reader, change.stored.bounds)
                report(Progress(step, min(done, total), total))
            chunk = list(islice(snapshot.records(low, high, reverse=False), limit))
        for key, record in chunk:
            mismatches.look_at(decode_document(key, record))
        done += len(chunk)
        if len(chunk) < limit:
            break
        low = chunk[-1][0] + b"\x00"
    if report is not None:
        report(Progress(step, total, total))
    mismatches.refuse()


def _check_changed(
    store: Store, transaction: Transaction, changes: Iterable[_Change], since_ts: int
) -> None:
    """Check the documents that were written after the others had been checked."""
    pending = {
        change.stored.number: _Mismatches(change.declared.name, change.declared.check)
        for change in changes
        if change.must_check and change.stored is not None and change.declared.check is not None
    }
    if not pending:
        return
    catalog = transaction.snapshot.catalog
    for key in sorted(set(touched_keys(store, transaction, DOCUMENTS_SPACE, since_ts))):
        table = catalog.table_of(key.decode("ascii"))
        mismatches = pending.get(table.number) if table is not None else None
        document = transaction.read(key) if mismatches is not None else None
        if mismatches is not None and document is not None:
            mismatches.look_at(document)
    for mismatches in pending.values():
        mismatches.refuse()


# The commit -------------------------------------------------------------------------------------


def _commit(
    store: Store, declared: Sequence[DeclaredTable], changes: list[_Change], since_ts: int
) -> Deployment:
    def run(transaction: Transaction) -> Deployment:
        if _changes(transaction.snapshot.catalog, declared) != changes:
            raise _moved()
        _check_changed(store, transaction, changes, since_ts)
        return _apply(transaction, changes)

    request = CommitRequest(origin_of("_deploy"), run=run)
    store.committer.submit(request)
    deployment: Deployment = request.wait()
    with closing(store.snapshot()) as snapshot:
        building = _building(snapshot.catalog, declared)
    return Deployment(
        request.ts,
        deployment.created,
        deployment.retyped,
        deployment.added,
        deployment.dropped,
        building,
    )


def _apply(transaction: Transaction, changes: Iterable[_Change]) -> Deployment:
    """All changes of the catalog, as writes of one transaction."""
    spaces = _spaces(transaction)
    created: list[str] = []
    retyped: list[str] = []
    added: list[str] = []
    dropped: list[str] = []
    for change in changes:
        name, table = change.declared.name, change.stored
        if table is None:
            declared = change.declared
            table = insert_table(
                transaction, name, schema=declared.schema_json, number=declared.number
            )
            created.append(name)
        elif change.is_retyped:
            set_schema(transaction, table, change.declared.schema_json)
            retyped.append(name)
        for index in change.drop:
            delete_index(transaction, index)
            dropped.append(f"{name}.{index.name}")
        state: IndexState = "building" if _has_documents(transaction, table) else "ready"
        for definition in change.add:
            insert_index(transaction, table, definition, space=next(spaces), state=state)
            added.append(f"{name}.{definition.name}")
    return Deployment(0, tuple(created), tuple(retyped), tuple(added), tuple(dropped))


def _spaces(transaction: Transaction) -> Iterator[int]:
    """Spaces for new indexes."""
    space = next_space(transaction.snapshot.reader, transaction.snapshot.catalog)
    while True:
        yield space
        space += 1


def _has_documents(transaction: Transaction, table: TableInfo) -> bool:
    """Whether the table has documents, or has had some in the transaction's batch."""
    if transaction.below is not None and table.number in transaction.below.by_table:
        return True
    return any(True for _ in transaction.snapshot.records(*table.bounds, reverse=False))
