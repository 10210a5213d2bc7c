"""What a service writes through: the tables of services are open to it."""

from typing import Any

from headwater.schema.tables import Table
from headwater.tables.catalog import TableInfo
from headwater.transactions.reader import name_of, table_number_of
from headwater.transactions.writer import Writer


class ServiceWriter(Writer):
    """The tables as a service sees them: those of the application, and those of services."""

    __slots__ = ()

    def _table_for_writing(self, table: type[Table[Any]] | str) -> TableInfo:
        return self._transaction.table_for_writing(name_of(table))

    def _table_of(self, id: str) -> TableInfo:
        info = self._transaction.snapshot.catalog.by_number.get(table_number_of(id))
        return info if info is not None and info.is_service else super()._table_of(id)
