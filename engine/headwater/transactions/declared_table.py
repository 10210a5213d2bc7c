"""A table as it is declared, beside the one that is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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
    """

    name: str
    schema_json: Any
    indexes: Sequence[IndexDefinition] = ()
    check: Check | None = None
    number: int | None = None
