"""The log as its readers see it: one entry per commit, with each document before and after."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from headwater.errors import UsageError
from headwater.schema.tables import Table, is_table
from headwater.storage import commit_log
from headwater.storage.codec import unpack
from headwater.storage.commit_log import Commit, Event, Origin, Version, decode_versions
from headwater.storage.format import Database, timestamp_key
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import Catalog, TableInfo
from headwater.tables.history import changed_fields
from headwater.tables.records import decode_body
from headwater.tables.replay import creation_time

ChangeKind: TypeAlias = Literal["insert", "update", "delete"]
TableFilter: TypeAlias = "Iterable[str | type[Table[Any]]] | None"

_KEPT_BYTES: Final = 8 * 1024 * 1024
"""Bodies of earlier commits that are kept: neighbours in the log often follow the same ones."""
_OVERHEAD: Final = 200
"""Bytes that a kept body takes besides its own."""


class Change:
    """What one commit did to one document. Compares by what it says; unpacks when asked.

    Attributes:
        table: Name of its table.
        id: The document.
    """

    __slots__ = ("_after", "_before", "_bodies", "_creation_time", "id", "table")

    def __init__(
        self, table: str, id: str, creation_time: float, before: bytes | None, after: bytes | None
    ) -> None:
        self.table: str = table
        self.id: str = id
        self._creation_time = creation_time
        self._bodies = (before, after)
        self._before: dict[str, Any] | None = None
        self._after: dict[str, Any] | None = None

    @property
    def before(self) -> dict[str, Any] | None:
        """The document as the commit found it, None if it was not there."""
        if self._before is None:
            self._before = self._document(self._bodies[0])
        return self._before

    @property
    def after(self) -> dict[str, Any] | None:
        """The document as the commit left it, None if it deleted it."""
        if self._after is None:
            self._after = self._document(self._bodies[1])
        return self._after

    @property
    def kind(self) -> ChangeKind:
        """Whether the document came, changed or went."""
        before, after = self._bodies
        if before is None:
            return "insert"
        return "delete" if after is None else "update"

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Fields that differ, by name: their old and their new value, MISSING for an absent one.

        A field differs if its stored bytes do. An insert and a delete differ in all fields.
        """
        before, after = self._bodies
        return changed_fields(_fields(before), _fields(after))

    @property
    def size(self) -> int:
        """Bytes of both documents as stored."""
        return sum([len(body) for body in self._bodies if body is not None])

    def _document(self, body: bytes | None) -> dict[str, Any] | None:
        if body is None:
            return None
        return decode_body(self.id.encode("ascii"), self._creation_time, body)

    def _facts(self) -> tuple[object, ...]:
        return (self.table, self.id, self._creation_time, self._bodies)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Change) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.id} in {self.table}>"


def _fields(body: bytes | None) -> dict[str, Any]:
    return {} if body is None else unpack(body)


class LogEntry(NamedTuple):
    """One commit.

    Attributes:
        ts: Its timestamp, nanoseconds since the epoch.
        origin: Where it came from.
        changes: What it did, in the order in which it did it; one per document.
    """

    ts: int
    origin: Origin
    changes: tuple[Change, ...]


class Wanted:
    """Which tables a reader of the log wants.

    Args:
        tables: Names and classes; None for all of the application's.

    Raises:
        UsageError: It is something else.
    """

    def __init__(self, tables: TableFilter = None) -> None:
        self._names: frozenset[str] | None = None if tables is None else _names_of(tables)

    def takes(self, table: TableInfo) -> bool:
        """Whether the changes of a table are wanted."""
        return not table.is_system if self._names is None else table.name in self._names


def _names_of(tables: Iterable[object]) -> frozenset[str]:
    if isinstance(tables, str) or is_table(tables):
        raise UsageError(f"tables: expected a list of tables, got {tables!r}; write tables=[...]")
    names: set[str] = set()
    for table in tables:
        if is_table(table):
            names.add(table.table_name)
        elif isinstance(table, str):
            names.add(table)
        else:
            raise UsageError(f"tables: expected tables or their names, got {table!r}")
    return frozenset(names)


_previous_ts: Final = attrgetter("previous_ts")


class EarlierVersions:
    """The versions that commits replaced, found by the previous timestamps of their events.

    Keeps some of the commits that it has read; what the log says of the past does not change.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Mapping[str, Version]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._size = 0

    def body_before(self, reader: ReadTransaction, event: Event) -> bytes | None:
        """The body that an event replaced; None if there was none, or the log has lost it."""
        version = self.version_before(reader, event)
        return None if version is None else version[1]

    def versions_before(
        self, reader: ReadTransaction, events: Iterable[Event]
    ) -> dict[str, Version | None]:
        """What the events of a commit replaced, by document; each earlier commit is read once."""
        ordered = sorted(events, key=_previous_ts)
        return {event.id: self.version_before(reader, event) for event in ordered}

    def version_before(self, reader: ReadTransaction, event: Event) -> Version | None:
        """What an event replaced; None if there was nothing, or the log has lost it.

        O(log n) once the commit was read that made it.
        """
        if event.previous_ts == 0:
            return None
        versions = self._kept.get(event.previous_ts)
        if versions is None:
            versions = self._load(reader, event.previous_ts)
        else:
            self._kept.move_to_end(event.previous_ts)
        return versions.get(event.id)

    def _load(self, reader: ReadTransaction, ts: int) -> Mapping[str, Version]:
        key = timestamp_key(ts)
        value = reader.get(Database.LOG, key)
        versions = {} if value is None else decode_versions(key, value)[1]
        self._kept[ts] = versions
        self._sizes[ts] = sum(
            [len(body or b"") for _, body in versions.values()], _OVERHEAD * len(versions)
        )
        self._size += self._sizes[ts]
        while len(self._kept) > 1 and self._size > _KEPT_BYTES:
            dropped, _ = self._kept.popitem(last=False)
            self._size -= self._sizes.pop(dropped)
        return versions


def changes_of(
    reader: ReadTransaction,
    catalog: Catalog,
    commit: Commit,
    wanted: Wanted,
    versions: EarlierVersions,
) -> Iterator[Change]:
    """The wanted changes of a commit, in its order."""
    found: list[tuple[str, Event]] = []
    for event in commit.events:
        table = catalog.table_of(event.id)
        if table is not None and wanted.takes(table):
            found.append((table.name, event))
    before = versions.versions_before(reader, [event for _, event in found])
    for name, event in found:
        version = before[event.id]
        yield change_of(name, event, None if version is None else version[1])


def change_of(table: str, event: Event, before: bytes | None) -> Change:
    """An event with the body that it replaced."""
    return Change(table, event.id, creation_time(event), before, event.body)


def entries_after(
    reader: ReadTransaction,
    catalog: Catalog,
    ts: int,
    wanted: Wanted,
    versions: EarlierVersions,
) -> Iterator[LogEntry | int]:
    """Commits later than ``ts``, oldest first.

    Yields the entry of each commit with a wanted change, and the timestamp of each other one.
    Reads as it is consumed.
    """
    return _entries(reader, catalog, commit_log.after(reader, ts), wanted, versions)


def entries_before(
    reader: ReadTransaction,
    catalog: Catalog,
    ts: int,
    wanted: Wanted,
    versions: EarlierVersions,
) -> Iterator[LogEntry | int]:
    """Commits earlier than ``ts``, newest first; as `entries_after` otherwise."""
    return _entries(reader, catalog, commit_log.before(reader, ts), wanted, versions)


def _entries(
    reader: ReadTransaction,
    catalog: Catalog,
    commits: Iterable[Commit],
    wanted: Wanted,
    versions: EarlierVersions,
) -> Iterator[LogEntry | int]:
    for commit in commits:
        changes = tuple(changes_of(reader, catalog, commit, wanted, versions))
        yield LogEntry(commit.ts, commit.origin, changes) if changes else commit.ts
