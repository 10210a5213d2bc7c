"""What has ended, is kept for a while, and then forgotten in batches."""

from typing import Any, Final

from headwater.schema.tables import Table, TableIndex
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter

KEPT_MS: Final = 7 * 24 * 3600 * 1000.0
"""How long what has ended is kept."""

_REMOVED_AT_ONCE: Final = 256


class Ended:
    """The documents of a table that have ended, by the field that says when.

    Args:
        table: The table.
        index: Of that field alone; what has not ended does not have it.
    """

    def __init__(self, table: type[Table[Any]], index: TableIndex[Any]) -> None:
        self._table = table
        self._index = index

    def forgotten_ms(self, reader: Reader) -> float | None:
        """When the oldest is to be forgotten; None if there is none."""
        query = reader.query(self._table.table_name).with_index(self._index.name, gte=0)
        oldest = query.first()
        return None if oldest is None else oldest[self._index.fields[0]] + KEPT_MS

    def forget(self, writer: ServiceWriter, now_ms: float) -> None:
        """Remove a batch of those whose time has come."""
        query = writer.query(self._table.table_name)
        for one in query.with_index(self._index.name, gte=0, lte=now_ms - KEPT_MS).take(
            _REMOVED_AT_ONCE
        ):
            writer.delete(one["_id"])
