"""Documents that come back, or come from elsewhere: under an id that they bring along.

A document that was deleted keeps its history: its next version names the deletion as the version
before it.
"""

from typing import Final

from headwater.errors import InvalidIdError, UsageError
from headwater.storage.format import Database, timestamp_of
from headwater.tables.catalog import TableInfo
from headwater.transactions.overlay import Revival, Write
from headwater.transactions.transaction import Fields, Transaction
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_time_of, decode_id

TIME_END: Final = 2.0**48
"""Milliseconds before and after the epoch where creation times end, exclusive."""


def adopt(
    transaction: Transaction,
    table: TableInfo,
    id: str,
    creation_time: float,
    fields: Fields,
    body: bytes,
) -> None:
    """Insert a document that brings its id and its creation time along. O(log n).

    Fields and body are checked neither against the table's type nor against unique indexes. If
    there was a document with that id, this one continues its history.

    Args:
        transaction: Takes the document.
        table: One with foreign ids; in any other one the creation time has to be that of the id.
        id: An id of that table.
        creation_time: Milliseconds since the epoch, between -2**48 and 2**48.
        fields: The user's fields.
        body: The same, packed.

    Raises:
        InvalidIdError: No id, or one of another table.
        UsageError: There is such a document; or the creation time is out of bounds, or not that of
            the id in a table that needs it to be.
    """
    _check_identity(table, id, creation_time)
    if transaction.existing(id.encode("ascii")) is not None:
        raise UsageError(
            f"{table.name}: there is a document {id} already; delete it first, or leave the new "
            "one out"
        )
    revive(transaction, table, id, creation_time, fields, body)


def revive(
    transaction: Transaction,
    table: TableInfo,
    id: str,
    creation_time: float,
    fields: Fields,
    body: bytes,
) -> None:
    """Lay a document over its absence, which `Transaction.existing` has seen. O(log n)."""
    write = _over_absence(transaction, table, id.encode("ascii"), creation_time, body)
    transaction.lay(write, fields)


def _over_absence(
    transaction: Transaction, table: TableInfo, key: bytes, creation_time: float, body: bytes
) -> Write:
    for layer in transaction.layers:
        write = layer.documents.get(key)
        if write is not None and write.ts:  # deleted by another commit of the batch
            return Revival(table, key, write.ts, creation_time, body)
        if write is not None:
            return type(write)(table, key, write.previous_ts, creation_time, body)
    tombstone = transaction.snapshot.reader.get(Database.DELETED, key)
    if tombstone is None:
        return Write(table, key, 0, creation_time, body)
    return Revival(table, key, timestamp_of(tombstone), creation_time, body)


def _check_identity(table: TableInfo, id: str, creation_time: float) -> None:
    """Refuse what a document of the table cannot have as its id and creation time.

    Raises:
        InvalidIdError: No id, or one of another table.
        UsageError: The creation time is out of bounds, or not that of the id in a table that needs
            it to be.
    """
    try:
        number, _ = decode_id(id)
    except MalformedIdError as error:
        raise InvalidIdError(f"{error}; expected the _id of a document of {table.name}") from None
    if number != table.number:
        raise InvalidIdError(
            f"{id!r} is an id of table number {number}, expected {table.number}, which is "
            f"{table.name}; create the table under the number that its ids have"
        )
    if not -TIME_END < creation_time < TIME_END:  # NaN is neither
        raise UsageError(
            f"{table.name}: document {id} has the creation time {creation_time!r}, expected "
            "milliseconds since the epoch between -2**48 and 2**48"
        )
    if not table.foreign_ids and creation_time_of(id) != creation_time:
        raise UsageError(
            f"{table.name}: document {id} has the creation time {creation_time!r}, and its id says "
            f"{creation_time_of(id)!r}; only a table with foreign ids takes such a document"
        )
