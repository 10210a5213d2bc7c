"""How much there is of everything."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from headwater.storage.commit_log import head
from headwater.storage.format import Database, timestamp_of
from headwater.storage.transactions import CHUNK_LARGEST, ReadTransaction
from headwater.tables.catalog import Catalog, IndexState, TableInfo
from headwater.tables.horizon import horizon
from headwater.tables.progress import Report, reported
from headwater_indexes.ids import table_number_of
from headwater_indexes.scan import space_of


@dataclass(frozen=True, slots=True)
class IndexStatistics:
    """One index.

    Attributes:
        fields: What it is ordered by.
        unique: Whether a key can be there once only.
        state: "ready", or "building" while it is being filled.
        entries: How many entries it has; None if it was not measured.
        bytes: Of keys and values as stored, without the pages around them; None as well.
    """

    fields: tuple[str, ...]
    unique: bool
    state: IndexState
    entries: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """One table.

    Attributes:
        documents: How many documents it has; None if it was not measured.
        bytes: Of the documents as stored, without the pages around them; None as well.
        indexes: Its indexes, by name.
    """

    documents: int | None
    bytes: int | None
    indexes: dict[str, IndexStatistics]


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """The log.

    Attributes:
        commits: How many commits are in it.
        first_ts: Timestamp of the oldest of them, nanoseconds since the epoch; 0 for none.
        last_ts: Timestamp of the newest; 0 for none.
        horizon: The oldest moment whose state can be read; 0 if the log was never trimmed.
        bytes: Of the pages that it takes.
    """

    commits: int
    first_ts: int
    last_ts: int
    horizon: int
    bytes: int


class _Count:
    """Entries and their bytes."""

    __slots__ = ("bytes", "entries")

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0


def measure_log(reader: ReadTransaction, size: int) -> LogStatistics:
    """What can be said of the log without reading it. O(log n).

    Args:
        reader: A snapshot.
        size: Bytes of its pages.
    """
    first = reader.first(Database.LOG)
    return LogStatistics(
        commits=reader.count(Database.LOG),
        first_ts=0 if first is None else timestamp_of(first[0]),
        last_ts=head(reader),
        horizon=horizon(reader),
        bytes=size,
    )


def measure_tables(
    reader: ReadTransaction, catalog: Catalog, *, sizes: bool, progress: Report | None = None
) -> dict[str, TableStatistics]:
    """The tables of the application, by name. O(documents + index entries), or O(tables)."""
    tables: dict[int, _Count] = {}
    spaces: dict[int, _Count] = {}
    if sizes:
        _count_all(reader, tables, spaces, progress)
    return {
        table.name: _table(table, tables, spaces, sizes=sizes) for table in catalog.user_tables()
    }


def _count_all(
    reader: ReadTransaction,
    tables: dict[int, _Count],
    spaces: dict[int, _Count],
    progress: Report | None,
) -> None:
    """Count the documents of each table and the entries of each index."""
    total = reader.count(Database.DOCUMENTS) + reader.count(Database.INDEXES)
    counted = chain(
        _counted(_entries(reader, Database.DOCUMENTS), tables, is_document=True),
        _counted(_entries(reader, Database.INDEXES), spaces, is_document=False),
    )
    for _ in reported(counted, "measuring tables and indexes", total, progress):
        pass


def _entries(reader: ReadTransaction, database: Database) -> Iterator[tuple[bytes, bytes]]:
    return reader.scan(database, b"", None, expected=CHUNK_LARGEST)


def _counted(
    entries: Iterable[tuple[bytes, bytes]], counts: dict[int, _Count], *, is_document: bool
) -> Iterator[None]:
    """Count entries by the table or the space that their keys begin with."""
    for key, value in entries:
        number = table_number_of(key.decode("ascii")) if is_document else space_of(key)
        count = counts.get(number)
        if count is None:
            count = counts[number] = _Count()
        count.entries += 1
        count.bytes += len(key) + len(value)
        yield


def _table(
    table: TableInfo, tables: dict[int, _Count], spaces: dict[int, _Count], *, sizes: bool
) -> TableStatistics:
    indexes: dict[str, IndexStatistics] = {}
    for index in table.indexes:
        entries = spaces.get(index.space, _Count())
        indexes[index.name] = IndexStatistics(
            index.definition.fields,
            index.definition.unique,
            index.state,
            entries.entries if sizes else None,
            entries.bytes if sizes else None,
        )
    documents = tables.get(table.number, _Count())
    if not sizes:
        return TableStatistics(None, None, indexes)
    return TableStatistics(documents.entries, documents.bytes, indexes)
