"""What a service writes through: the tables of services are open to it."""

from typing import Any, cast

from headwater.schema.tables import Table
from headwater.tables.catalog import TableInfo
from headwater.transactions.reader import Reader, leading_number_of, name_of
from headwater.transactions.revival import revive
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer


class ServiceWriter(Writer):
    """The tables as a service sees them: those of the application, and those of services."""

    __slots__ = ()

    @classmethod
    def of(cls, writer: Writer) -> "ServiceWriter":
        """The same transaction as a service sees it.

        Raises:
            WriteInQueryError: It is that of a query, whatever a type checker says.
        """
        given = cast("Reader", writer)
        if not isinstance(given, Writer):
            raise given.refusal("write")
        return cls(writer._transaction, writer._rules)  # noqa: SLF001 - it is one itself

    @property
    def transaction(self) -> Transaction:
        """The transaction."""
        return self._transaction

    def revive(
        self, table: type[Table[Any]], id: str, creation_time: float, fields: dict[str, Any]
    ) -> None:
        """Bring a document back, under the id that it had. There must be none now. O(log n).

        Raises:
            DocumentInvalidError: It does not fit the type that the table has now.
        """
        info = self._table_for_writing(table)
        body = self._packed(info, fields, id)
        assert self._transaction.existing(id.encode("ascii")) is None, f"there is a document {id}"
        revive(self._transaction, info, id, creation_time, fields, body)

    def _table_for_writing(self, table: type[Table[Any]] | str) -> TableInfo:
        return self._transaction.table_for_writing(name_of(table))

    def _table_of(self, id: str) -> TableInfo:
        info = self._transaction.snapshot.catalog.by_number.get(leading_number_of(id))
        return info if info is not None and info.is_service else super()._table_of(id)
