"""A table as it is declared, beside the one that is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headwater.schema.references import ReferenceDefinition, indexes_for
from headwater.schema.tables import Table
from headwater_indexes.definition import IndexDefinition

Check: TypeAlias = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """A table as the application's modules, or a service, declare it.

    Attributes:
        name: Its name.
        schema_json: The JSON form of its document type, None for any document.
        indexes: All of its indexes.
        check: Raises ValidationError for fields that do not fit the type; None accepts all.
        number: The table number of a service's table; None for the next free one.
        references: What its documents refer to; each has an index that begins with its field.
    """

    name: str
    schema_json: Any
    indexes: Sequence[IndexDefinition] = ()
    check: Check | None = None
    number: int | None = None
    references: Sequence[ReferenceDefinition] = ()


def declared(
    table: type[Table[Any]],
    schema_json: Any,
    references: Sequence[ReferenceDefinition],
    check: Check,
) -> DeclaredTable:
    """What a table's class declares.

    Args:
        table: The class.
        schema_json: The JSON form of its document type.
        references: What they refer to.
        check: Raises for fields that do not fit the type.
    """
    definitions = [index.definition for index in table.indexes.values()]
    return DeclaredTable(
        table.table_name,
        schema_json,
        [*definitions, *indexes_for(references, definitions)],
        check,
        table.table_number,
        references,
    )
