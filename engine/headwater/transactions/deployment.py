"""The stored tables brought in line with the declared ones.

First everything that takes long, on snapshots: what differs, and whether the stored documents fit
the new types. Then one commit with all changes of the catalog, made in turn on the head: there
only the documents that were written in between are checked again. So a deployment never loses to
writers, and no document that does not fit can slip in between.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

from headwater.errors import ConflictError
from headwater.schema.difference import accepts_all
from headwater.schema.json_form import from_json
from headwater.schema.references import ReferenceDefinition
from headwater.tables.catalog import (
    SYSTEM_NAMES,
    TABLES_NUMBER,
    Catalog,
    IndexInfo,
    IndexState,
    TableInfo,
)
from headwater.tables.progress import Report
from headwater.transactions.cascade_steps import finish_cascades
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.declared_table import DeclaredTable
from headwater.transactions.origins import origin_of
from headwater.transactions.store import Store
from headwater.transactions.stored_documents import StoredDocuments
from headwater.transactions.system_tables import (
    delete_index,
    insert_index,
    insert_table,
    next_space,
    set_schema,
)
from headwater.transactions.transaction import Transaction
from headwater_indexes.definition import IndexDefinition

_ATTEMPTS: Final = 100
"""How often the tables may change, by other processes, while their changes are prepared."""


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
        refers: What they refer to from now on; whether that is there has to be checked.
    """

    declared: DeclaredTable
    stored: TableInfo | None
    is_retyped: bool
    must_check: bool
    refers: tuple[ReferenceDefinition, ...]
    drop: tuple[IndexInfo, ...]
    add: tuple[IndexDefinition, ...]

    @property
    def is_referring_otherwise(self) -> bool:
        """Whether its documents refer to others in another way from now on."""
        before = () if self.stored is None else self.stored.references
        return before != tuple(self.declared.references)


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
        if any(change.is_referring_otherwise for change in changes):
            finish_cascades(store)  # what they count on are the references as they are
        checks = [
            StoredDocuments(
                change.stored, change.declared.check if change.must_check else None, change.refers
            )
            for change in changes
            if change.stored is not None
        ]
        for check in checks:
            check.look_through(store, progress)
        with suppress(_CatalogMovedError):
            return _commit(store, declared, changes, checks, since_ts)
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
            declared,
            None,
            is_retyped=False,
            must_check=False,
            refers=(),
            drop=(),
            add=tuple(declared.indexes),
        )
    is_retyped = stored.schema != declared.schema_json
    refers = _undeclared(declared.references, stored.references)
    is_retyped = is_retyped or stored.references != tuple(declared.references)
    kept = [index for index in stored.indexes if index.definition in declared.indexes]
    drop = tuple(index for index in stored.indexes if index.is_declared and index not in kept)
    known = [index.definition for index in kept]
    add = tuple(definition for definition in declared.indexes if definition not in known)
    if not (is_retyped or drop or add):
        return None
    must_check = is_retyped and not _accepts_all(declared.schema_json, stored.schema)
    return _Change(declared, stored, is_retyped, must_check, refers, drop, add)


def _undeclared(
    declared: Iterable[ReferenceDefinition], stored: Iterable[ReferenceDefinition]
) -> tuple[ReferenceDefinition, ...]:
    """References that were not looked after before; what they want on deletion does not matter."""
    known = {(reference.field, reference.table) for reference in stored}
    return tuple(one for one in declared if (one.field, one.table) not in known)


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


# The commit -------------------------------------------------------------------------------------


def _commit(
    store: Store,
    declared: Sequence[DeclaredTable],
    changes: list[_Change],
    checks: Sequence[StoredDocuments],
    since_ts: int,
) -> Deployment:
    def run(transaction: Transaction) -> Deployment:
        if _changes(transaction.snapshot.catalog, declared) != changes:
            raise _moved()
        if any(change.is_referring_otherwise for change in changes):
            from headwater.transactions.cascades import has_cascades

            if has_cascades(transaction):
                raise _moved()
        if not all(check.holds_since(store, transaction, since_ts) for check in checks):
            raise _moved()
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
                transaction,
                name,
                schema=declared.schema_json,
                number=declared.number,
                references=declared.references,
            )
            created.append(name)
        elif change.is_retyped:
            declared = change.declared
            set_schema(transaction, table, declared.schema_json, declared.references)
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
