"""How the tables of a catalog refer to each other."""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple, TypeAlias

from headwater.schema.references import OnDelete, ReferenceDefinition

References: TypeAlias = Mapping[str, Sequence[ReferenceDefinition]]
"""What each table refers to, by its name."""


class Referrer(NamedTuple):
    """A reference as the table sees it that is referred to.

    Attributes:
        table: Name of the table whose documents refer to its own.
        field: Their field with the id.
        on_delete: What happens to them.
    """

    table: str
    field: str
    on_delete: OnDelete


def referrers_of(references: References) -> dict[str, list[Referrer]]:
    """What refers to each table, by its name."""
    found: dict[str, list[Referrer]] = {}
    for table, definitions in references.items():
        for field, target, on_delete in definitions:
            found.setdefault(target, []).append(Referrer(table, field, on_delete))
    return found


class ReferenceGraph:
    """What can keep documents of a table from being deleted.

    Attributes:
        restricted: Tables with documents that a "restrict" may hold: one that refers to them, or to
            what would be deleted along with them.
        connected: Tables with documents that have to be looked through to find out: what is deleted
            along with them may be held, or hold something that is deleted as well.
    """

    def __init__(self, references: References) -> None:
        restricting = {
            (table, target)
            for table, definitions in references.items()
            for _, target, on_delete in definitions
            if on_delete == "restrict"
        }
        cascading = {
            (table, target)
            for table, definitions in references.items()
            for _, target, on_delete in definitions
            if on_delete == "cascade"
        }
        held, holding = {target for _, target in restricting}, {table for table, _ in restricting}
        self.restricted: frozenset[str] = _with_those_above(held, cascading)
        self.connected: frozenset[str] = _with_those_above(held | holding, cascading)


def _with_those_above(tables: Set[str], cascading: Set[tuple[str, str]]) -> frozenset[str]:
    """The tables, and those from which a cascade reaches them."""
    found = set(tables)
    while more := {target for table, target in cascading if table in found} - found:
        found |= more
    return frozenset(found)
