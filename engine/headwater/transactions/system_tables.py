"""Writes to the catalog's own tables, inside a transaction."""

import re
from typing import Any, Final

from headwater.errors import DeclarationError
from headwater.storage.codec import pack
from headwater.tables.catalog import (
    INDEXES_NUMBER,
    POSITIONS_NUMBER,
    PROJECTIONS_NUMBER,
    TABLES_NUMBER,
    IndexInfo,
    IndexState,
    TableInfo,
    table_info,
)
from headwater.tables.projection_info import ProjectionInfo, ProjectionPhase
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.transaction import Existing, Transaction
from headwater_indexes.definition import IndexDefinition

_TABLE_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")


def insert_table(transaction: Transaction, name: str, *, schema: Any) -> TableInfo:
    """Create a table; depends on the list of tables.

    Raises:
        DeclarationError: The name cannot be that of a table.
    """
    if _TABLE_NAME.fullmatch(name) is None:
        raise DeclarationError(
            f"{name!r} cannot be the name of a table: expected a letter, then letters, digits and "
            "underscores, 64 at most"
        )
    catalog = transaction.snapshot.catalog
    _depend_on_catalog(transaction)
    number = max(
        catalog.next_table_number(), *(info.number + 1 for info in transaction.tables.values())
    )
    fields = {"name": name, "number": number, "schema": schema}
    id_text = _insert(transaction, catalog.by_number[TABLES_NUMBER], fields)
    info = table_info({**fields, "_id": id_text}, [])
    transaction.tables = {**transaction.tables, name: info}
    return info


def insert_index(
    transaction: Transaction,
    table: TableInfo,
    definition: IndexDefinition,
    *,
    space: int,
    state: IndexState,
) -> None:
    """Declare an index; its entries are made by writers from then on, and by a backfill."""
    _depend_on_catalog(transaction)
    fields = {
        "table": table.number,
        "name": definition.name,
        "fields": list(definition.fields),
        "unique": definition.unique,
        "space": space,
        "state": state,
    }
    _insert(transaction, transaction.snapshot.catalog.by_number[INDEXES_NUMBER], fields)


def set_index_state(transaction: Transaction, index: IndexInfo, state: IndexState) -> None:
    """Change the state of an index."""
    _patch(transaction, INDEXES_NUMBER, index.id, {"state": state})


def set_schema(transaction: Transaction, table: TableInfo, schema: Any) -> None:
    """Store another document type of a table."""
    _patch(transaction, TABLES_NUMBER, table.id, {"schema": schema})


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
    """Change the state of a projection."""
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
