"""Writes to the catalog's own tables, inside a transaction."""

import re
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import DeclarationError, IndexBuildingError, UsageError
from headwater.schema.references import ReferenceDefinition, to_stored
from headwater.storage.codec import pack
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import (
    INDEXES_NUMBER,
    POSITIONS_NUMBER,
    PROJECTIONS_NUMBER,
    SYSTEM_NAMES,
    TABLES_NUMBER,
    USER_TABLES_FROM,
    Catalog,
    IndexInfo,
    IndexState,
    TableInfo,
    table_info,
)
from headwater.tables.projection_info import ProjectionInfo, ProjectionPhase
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.existing import Existing
from headwater.transactions.overlay import Write
from headwater.transactions.read_set import RangeRead
from headwater.transactions.transaction import Transaction
from headwater_indexes.definition import CREATION_ORDER, CREATION_TIME, IndexDefinition
from headwater_indexes.ids import TABLE_NUMBER_MAX
from headwater_indexes.scan import space_of

if TYPE_CHECKING:
    from headwater.transactions.declared_table import DeclaredTable

_ROWS_AT_ONCE: Final = 256
_TABLE_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_SERVICE_NAME: Final = re.compile(r"_[a-z][a-z_]{0,62}")


def insert_table(
    transaction: Transaction,
    name: str,
    *,
    schema: Any,
    number: int | None = None,
    references: Sequence[ReferenceDefinition] = (),
) -> TableInfo:
    """Create a table; depends on the list of tables.

    Args:
        transaction: Takes the table.
        name: Of the table.
        schema: The JSON of its document type, None for any document.
        number: The table number that its ids begin with; None for the next one. Below those of the
            application's tables it is that of a service's, whose name begins with an underscore.
        references: What its documents refer to.

    Raises:
        DeclarationError: The name cannot be that of a table, or the number is taken.
    """
    is_service = name.startswith("_") and number in range(1, USER_TABLES_FROM)
    if (_SERVICE_NAME if is_service else _TABLE_NAME).fullmatch(name) is None:
        raise DeclarationError(
            f"{name!r} cannot be the name of a table: expected a letter, then letters, digits and "
            "underscores, 64 at most"
        )
    catalog = transaction.snapshot.catalog
    _depend_on_catalog(transaction)
    taken = {info.number: info.name for info in transaction.tables.values()} | SYSTEM_NAMES
    if number is None:
        number = max(catalog.next_table_number(), *(other + 1 for other in taken))
    if number in taken or not (is_service or USER_TABLES_FROM <= number <= TABLE_NUMBER_MAX):
        raise DeclarationError(
            f"table {name!r} cannot have the number {number}, which is that of "
            f"{taken.get(number, 'no table')!r}: expected a free one from {USER_TABLES_FROM} to "
            f"{TABLE_NUMBER_MAX}"
        )
    fields = {"name": name, "number": number, "schema": schema, **_stored(references)}
    id_text = _insert(transaction, catalog.by_number[TABLES_NUMBER], fields)
    info = table_info({**fields, "_id": id_text}, [])
    transaction.tables = {**transaction.tables, name: info}
    return info


def insert_declared(transaction: Transaction, declared: "DeclaredTable") -> TableInfo:
    """Create a table that has no documents yet, with all of its indexes."""
    info = insert_table(
        transaction,
        declared.name,
        schema=declared.schema_json,
        number=declared.number,
        references=declared.references,
    )
    space = next_space(transaction.snapshot.reader, transaction.snapshot.catalog)
    for position, definition in enumerate(declared.indexes):
        insert_index(transaction, info, definition, space=space + position, state="ready")
    return info


def insert_index(
    transaction: Transaction,
    table: TableInfo,
    definition: IndexDefinition,
    *,
    space: int,
    state: IndexState,
) -> dict[str, Any]:
    """Declare an index; its entries are made by writers from then on, and by a backfill.

    Returns:
        The document that says so.
    """
    _depend_on_catalog(transaction)
    fields = {
        "table": table.number,
        "name": definition.name,
        "fields": list(definition.fields),
        "unique": definition.unique,
        "space": space,
        "state": state,
    }
    info = transaction.snapshot.catalog.by_number[INDEXES_NUMBER]
    return {**fields, "_id": _insert(transaction, info, fields)}


def next_space(reader: ReadTransaction, catalog: Catalog) -> int:
    """The space for a new index: above every index and every entry that is still there."""
    last = reader.last(Database.INDEXES)
    return max([0 if last is None else space_of(last[0]), *catalog.indexes_by_space]) + 1


def set_index_state(transaction: Transaction, index: IndexInfo, state: IndexState) -> None:
    """Change the state of an index."""
    _patch(transaction, INDEXES_NUMBER, index.id, {"state": state})


def set_schema(
    transaction: Transaction,
    table: TableInfo,
    schema: Any,
    references: Sequence[ReferenceDefinition],
) -> None:
    """Store another document type of a table, with what its documents refer to."""
    existing = _existing(transaction, table.id)
    kept = {name: value for name, value in existing.fields.items() if name != "references"}
    fields = kept | {"schema": schema, **_stored(references)}
    tables = transaction.snapshot.catalog.by_number[TABLES_NUMBER]
    transaction.update(tables, table.id, existing, fields, pack(fields))


def _stored(references: Sequence[ReferenceDefinition]) -> dict[str, Any]:
    """The field that says what a table refers to; most tables have none."""
    return {"references": to_stored(references)} if references else {}


def set_table_number(transaction: Transaction, table: TableInfo, number: int) -> None:
    """Give a table without documents another number; the caller sees that no two have the same."""
    _depend_on_catalog(transaction)
    transaction.reads.add_range(DOCUMENTS_SPACE, *table.bounds, 0)
    _patch(transaction, TABLES_NUMBER, table.id, {"number": number})
    for index in table.indexes:
        _patch(transaction, INDEXES_NUMBER, index.id, {"table": number})


def delete_index(transaction: Transaction, index: IndexInfo) -> None:
    """Drop an index from the catalog; its entries are cleared afterwards."""
    _depend_on_catalog(transaction)
    info = transaction.snapshot.catalog.by_number[INDEXES_NUMBER]
    transaction.remove(info, index.id, _existing(transaction, index.id))


def set_foreign_ids(transaction: Transaction, table: TableInfo) -> TableInfo:
    """Let a table take documents whose ids do not begin with their creation time.

    From then on every key of its indexes has the creation time before the id, and the order of
    creation is an index of its own. The indexes are made anew in this commit; `clear_dropped`
    removes the old entries. That writes every document again, so it is cheap for an empty table
    only. O(documents * indexes), all of it in memory.

    Args:
        transaction: Has not written to the table.
        table: As the transaction sees it.

    Returns:
        The table as it is from then on, also for the same transaction.

    Raises:
        IndexBuildingError: One of its indexes is still being filled.
        LimitExceededError: It has more documents than a transaction may write.
    """
    if table.foreign_ids:
        return table
    _depend_on_catalog(transaction)
    transaction.reads.add_range(DOCUMENTS_SPACE, *table.bounds, 0)
    existing = _existing(transaction, table.id)
    space = next_space(transaction.snapshot.reader, transaction.snapshot.catalog)
    indexes: list[dict[str, Any]] = []
    for definition in (*_definitions(table), CREATION_ORDER):
        at = space + len(indexes)
        indexes.append(insert_index(transaction, table, definition, space=at, state="ready"))
    for index in table.indexes:
        delete_index(transaction, index)
    fields = existing.fields | {"foreign_ids": True}
    tables = transaction.snapshot.catalog.by_number[TABLES_NUMBER]
    transaction.update(tables, table.id, existing, fields, pack(fields))
    new = table_info({**fields, "_id": table.id}, indexes)
    _rewrite(transaction, table, new)
    transaction.tables = {**transaction.tables, table.name: new}
    return new


def _rewrite(transaction: Transaction, table: TableInfo, new: TableInfo) -> None:
    """Write every document again, with the keys that it has from now on."""
    own = transaction.own
    if table.number in own.by_table:
        raise UsageError(f"{table.name} was written to before in this transaction; do this first")
    read = RangeRead(DOCUMENTS_SPACE, *table.bounds, 0, reverse=False)
    for keys, _ in transaction.chunks(table, None, read, repeat(_ROWS_AT_ONCE)):
        for key in keys:
            existing = transaction.existing(key)
            assert existing is not None, f"{key!r} was there a moment ago"
            write = Write(new, key, existing.ts, existing.creation_time, existing.body)
            fields = {**existing.fields, CREATION_TIME: existing.creation_time}
            id_text = key.decode("ascii")
            own.insert(write, [index.key_of(fields, id_text) for index in new.indexes])
        transaction.usage.check_written(own.writes, own.bytes_written)


def _definitions(table: TableInfo) -> list[IndexDefinition]:
    for index in table.indexes:
        if index.state != "ready":
            raise IndexBuildingError(
                f"index {table.name}.{index.name} is still being filled; wait with "
                "db.wait_for_indexes() before documents with ids of their own are brought in"
            )
    return [index.definition for index in table.indexes]


def insert_projection(transaction: Transaction, fields: dict[str, Any], position: Any) -> None:
    """Declare a projection, which is building, and say from where.

    Args:
        transaction: Where it is written.
        fields: Those of `ProjectionInfo`, without the id.
        position: Fields that say how far it is.
    """
    _depend_on_catalog(transaction)
    by_number = transaction.snapshot.catalog.by_number
    id_text = _insert(transaction, by_number[POSITIONS_NUMBER], position)
    _insert(transaction, by_number[PROJECTIONS_NUMBER], {**fields, "position": id_text})


def delete_projection(transaction: Transaction, projection: ProjectionInfo) -> None:
    """Drop a projection from the catalog. What its tables hold stays."""
    _depend_on_catalog(transaction)
    by_number = transaction.snapshot.catalog.by_number
    for number, id_text in (
        (PROJECTIONS_NUMBER, projection.id),
        (POSITIONS_NUMBER, projection.position_id),
    ):
        transaction.remove(by_number[number], id_text, _existing(transaction, id_text))


def set_projection_state(
    transaction: Transaction, projection: ProjectionInfo, state: ProjectionPhase
) -> None:
    """Change the state of a projection; that it is in that state already is no write."""
    if _existing(transaction, projection.id).fields["state"] != state:
        _patch(transaction, PROJECTIONS_NUMBER, projection.id, {"state": state})


def position_of(transaction: Transaction, projection: ProjectionInfo) -> dict[str, Any]:
    """How far a projection is, as it was given; the transaction depends on it."""
    return _existing(transaction, projection.position_id).fields


def set_position(
    transaction: Transaction, projection: ProjectionInfo, position: dict[str, Any]
) -> None:
    """Say how far a projection is."""
    _patch(transaction, POSITIONS_NUMBER, projection.position_id, position)


def _insert(transaction: Transaction, table: TableInfo, fields: dict[str, Any]) -> str:
    id_text, creation_time = transaction.new_id(table)
    transaction.insert(table, id_text, creation_time, fields, pack(fields))
    return id_text


def _patch(
    transaction: Transaction, table_number: int, id_text: str, changes: dict[str, Any]
) -> None:
    existing = _existing(transaction, id_text)
    fields = existing.fields | changes
    table = transaction.snapshot.catalog.by_number[table_number]
    transaction.update(table, id_text, existing, fields, pack(fields))


def _existing(transaction: Transaction, id_text: str) -> Existing:
    existing = transaction.existing(id_text.encode("ascii"))
    assert existing is not None, f"{id_text} is in the catalog and not in its table"
    return existing


def _depend_on_catalog(transaction: Transaction) -> None:
    """Two changes of the catalog at a time are one after the other."""
    for number in (TABLES_NUMBER, INDEXES_NUMBER, PROJECTIONS_NUMBER):
        low, high = transaction.snapshot.catalog.by_number[number].bounds
        transaction.reads.add_range(DOCUMENTS_SPACE, low, high, 0)
