"""Projections as the catalog knows them: which tables are made from which changes.

A projection is a document of the system table ``_projections``, so that every process on the
directory knows of it, also one without the code that makes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Feed: TypeAlias = Literal["commit", "later"]
"""Whether a projection is fed in the transactions of others, or from the log."""

ProjectionPhase: TypeAlias = Literal["building", "ready", "stale"]


@dataclass(frozen=True, slots=True)
class ProjectionInfo:
    """One projection.

    Attributes:
        id: Of its document in ``_projections``.
        name: What it is called.
        version: Of the code that makes it.
        into: Names of the tables that it writes, and nobody else.
        of: Names of the tables whose changes it is fed with; None for all that no projection
            writes.
        feed: When it is fed.
        state: "building" while it is made from the log, "ready", or "stale" once a process that
            does not know it has made changes that it was not fed with.
        position_id: Of the document that says how far it is.
    """

    id: str
    name: str
    version: int
    into: tuple[str, ...]
    of: tuple[str, ...] | None
    feed: Feed
    state: ProjectionPhase
    position_id: str


def projection_info(document: Mapping[str, Any]) -> ProjectionInfo:
    """A projection from its document in ``_projections``."""
    of = document["of"]
    return ProjectionInfo(
        document["_id"],
        document["name"],
        document["version"],
        tuple(document["into"]),
        None if of is None else tuple(of),
        document["feed"],
        document["state"],
        document["position"],
    )


class Projections:
    """All projections at one timestamp. Immutable; false if there are none.

    Attributes:
        by_name: Each of them; one that is fed with what another one writes comes after it.
        owners: Whose table it is, by the name of the table.
    """

    __slots__ = ("by_name", "owners")

    def __init__(self, infos: Iterable[ProjectionInfo] = ()) -> None:
        ordered = in_feeding_order(infos)
        self.by_name: Mapping[str, ProjectionInfo] = {info.name: info for info in ordered}
        self.owners: Mapping[str, ProjectionInfo] = {
            table: info for info in ordered for table in info.into
        }

    def __bool__(self) -> bool:
        return bool(self.by_name)

    def takes(self, info: ProjectionInfo, table: str) -> bool:
        """Whether a projection is fed with the changes of a user's table."""
        if info.of is None:
            return table not in self.owners
        return table in info.of

    def around(self, table: str) -> list[ProjectionInfo]:
        """Those that write a table or are fed with its changes."""
        return [
            info for info in self.by_name.values() if table in info.into or self.takes(info, table)
        ]


def in_feeding_order(infos: Iterable[ProjectionInfo]) -> list[ProjectionInfo]:
    """Projections, each after those that write what it is fed with.

    Those that feed each other, which no application can declare, come last.
    """
    waiting = sorted(infos, key=lambda info: info.name)
    ordered: list[ProjectionInfo] = []
    while waiting:
        made = {table for info in waiting for table in info.into}
        free = [info for info in waiting if made.isdisjoint(info.of or ())]
        ordered += free or waiting
        waiting = [info for info in waiting if info not in ordered]
    return ordered
