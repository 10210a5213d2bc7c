"""What is to be imported, read through once and checked before anything is written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, NamedTuple

from headwater.exchange.file_entries import FILES_TABLE
from headwater.exchange.fitting import fit
from headwater.exchange.reading import Line, TableFile
from headwater.schema.explain import ValidationError
from headwater.schema.validators import Validator
from headwater.storage.codec import pack
from headwater.tables.catalog import USER_TABLES_FROM
from headwater_indexes.errors import MalformedIdError, NotStorableError
from headwater_indexes.ids import creation_time_of, decode_id
from headwater_indexes.values import check_document

_LATEST_MS: Final = 2.0**48 - 1
"""Where the milliseconds inside an id end, some 8 900 years after the epoch."""


class TableType(NamedTuple):
    """What the documents of one table have to be.

    Attributes:
        validator: Their type; None for any document.
        check: Refuses fields that do not fit with a ValidationError or a NotStorableError.
    """

    validator: Validator | None
    check: Callable[[Mapping[str, Any]], None]


class Row(NamedTuple):
    """One document on its way in.

    Attributes:
        line: Where it stands.
        id: Its id, None to give it a new one.
        creation_time: Milliseconds since the epoch, None for that of the import.
        fields: The user's fields, of the types that the table declares.
        body: The same, packed.
    """

    line: int
    id: str | None
    creation_time: float | None
    fields: dict[str, Any]
    body: bytes


def number_in(id: str, file: TableFile, line: int) -> int:
    """The number of the table that an id belongs to.

    Raises:
        ImportRefusedError: It is no id, or one of a system table.
    """
    try:
        number, _ = decode_id(id)
    except MalformedIdError as error:
        raise file.refuse(f"_id: {error}", line) from None
    if number < USER_TABLES_FROM and file.table != FILES_TABLE:
        raise file.refuse(f"{id} is an id of a system table", line)
    return number


@dataclass(slots=True)
class Checked:
    """What one table's file has in it.

    Attributes:
        file: The file.
        type: What its documents have to be.
        document_bytes: How large each may be.
        nesting: How deep each may be.
        number: The number that the table has in its documents' ids.
        ids: All ids.
        count: Number of documents.
        has_foreign_ids: Whether a creation time differs from the one inside its id.
    """

    file: TableFile
    type: TableType
    document_bytes: int
    nesting: int
    number: int
    ids: set[str] = field(default_factory=set[str])
    count: int = 0
    has_foreign_ids: bool = False

    def read_through(self) -> Iterator[None]:
        """Check every document, a step for each.

        Raises:
            ImportRefusedError: Names file, line and reason.
        """
        for row in self.rows():
            self.count += 1
            if row.id is not None:
                self._take_id(row, row.id)
            yield

    def rows(self) -> Iterator[Row]:
        """The documents in order.

        Raises:
            ImportRefusedError: Names file, line and reason.
        """
        for line in self.file.lines():
            yield self._row(line)

    def _take_id(self, row: Row, id: str) -> None:
        number = number_in(id, self.file, row.line)
        if number != self.number:
            raise self.file.refuse(
                f"{id} is an id of the table with number {number}, expected {self.number}: all "
                "documents of a table have the same",
                row.line,
            )
        if id in self.ids:
            raise self.file.refuse(f"another line has {id} already", row.line)
        self.ids.add(id)
        if row.creation_time is not None and row.creation_time != creation_time_of(id):
            self.has_foreign_ids = True

    def _row(self, line: Line) -> Row:
        document = dict(line.document)
        id, creation_time = document.pop("_id", None), document.pop("_creationTime", None)
        if id is not None and type(id) is not str:
            raise self.file.refuse(f"_id: expected a string, got {id!r}", line.number)
        if creation_time is not None:
            creation_time = self._time(creation_time, line.number)
        fields = document if self.type.validator is None else fit(self.type.validator, document)
        try:
            check_document(fields, nesting=self.nesting)
            self.type.check(fields)
            body = pack(fields)
        except (ValidationError, NotStorableError) as error:
            raise self.file.refuse(str(error), line.number) from None
        if len(body) > self.document_bytes:
            raise self.file.refuse(
                f"the document takes {len(body):,} bytes, the limit document_bytes is "
                f"{self.document_bytes:,}; raise it: hw.open(..., limits=hw.Limits(...))",
                line.number,
            )
        return Row(line.number, id, creation_time, fields, body)

    def _time(self, value: Any, line: int) -> float:
        is_number = type(value) in {int, float}
        if not is_number or not isfinite(value) or not 0 <= value <= _LATEST_MS:
            raise self.file.refuse(
                f"_creationTime: expected milliseconds since the epoch, got {value!r}", line
            )
        return float(value)
