"""The past as one more snapshot: storage as it was after an earlier commit.

A `PastReader` reads like a storage transaction, and shows every sub-database with the commits
after a moment undone. So everything that reads a snapshot reads the past as well: queries, pages,
histories, copies. What it costs is in proportion to what was committed since, and to what is read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, TypeAlias

from headwater.storage.commit_log import head
from headwater.storage.format import DOCUMENT_HEADER, TIMESTAMP, Database, timestamp_key
from headwater.storage.transactions import (
    CHUNK_FIRST,
    CHUNK_GROWTH,
    CHUNK_LARGEST,
    ReadTransaction,
)
from headwater.tables.catalog import CATALOG_NUMBERS, Catalog, IndexInfo, TableInfo, load_catalog
from headwater.tables.fill_notes import FILL_NOTES
from headwater.tables.horizon import check_horizon
from headwater.tables.past_indexes import Changes, PastIndex, changes_of
from headwater.tables.past_versions import PastVersions
from headwater.tables.projection import META_CATALOG
from headwater.tables.snapshot import Snapshot
from headwater_indexes.ids import table_bounds
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.scan import space_bounds, space_of

Entry: TypeAlias = tuple[bytes, bytes]
Change: TypeAlias = tuple[bytes, bytes | None]

_SPACE_BYTES: Final = 4


def past_snapshot(reader: ReadTransaction, catalog: Catalog, ts: int) -> Snapshot:
    """The state after all commits up to ``ts``, over a storage transaction; closing it closes that.

    Its catalog has the tables of then, with the indexes of today's: all of them can be read, those
    too that are being filled. Indexes that have been dropped since are there unless the table has
    another one by that name. A table that was made later is not there.

    Args:
        reader: The newest state.
        catalog: The catalog in it.
        ts: Nanoseconds since the epoch. At the newest commit or beyond it is the newest state.

    Raises:
        LogTrimmedError: The log does not reach back so far.
    """
    newest = head(reader)
    if ts >= newest:
        return Snapshot(reader, catalog, newest)
    past = PastReader(reader, catalog, ts)
    return Snapshot(past, past.catalog)


class PastReader(ReadTransaction):
    """A storage transaction that ends with the commits up to a moment.

    Documents, tombstones, log and the timestamp of the catalog are byte for byte what they were,
    and so are the entries of indexes. An index that was being filled then is complete, and notes
    of fillings are not there. What has been trimmed from log and tombstones is gone.

    Reading one document costs its versions since. The first range of documents reads the log since
    then, and keeps the ids in it; the first range of an index reads both versions of its table's
    documents that were touched since. An index whose entries are not in the file is worked out from
    its whole table, once.

    Attributes:
        ts: The moment: commits after it are undone. Nanoseconds since the epoch.
        catalog: What can be read in it; see `past_snapshot`.
    """

    __slots__ = ("_changes", "_now", "_of_then", "_sources", "_versions", "catalog", "ts")

    def __init__(self, now: ReadTransaction, catalog: Catalog, ts: int) -> None:
        check_horizon(now, ts)
        self._now = now
        self.ts: int = ts
        self._versions = PastVersions(now, ts)
        self._changes: dict[tuple[str, int], Changes] = {}
        of_then = catalog if self._catalog_ts() == _newest_catalog_ts(now) else load_catalog(self)
        stored = {_place(i) for i in catalog.indexes_by_space.values() if i.state == "ready"}
        self.catalog: Catalog = _readable(of_then, catalog)
        self._of_then = _sources(of_then, stored)
        self._sources = _sources(self.catalog, stored)

    # -- the transaction underneath ---------------------------------------------------------------

    def started_at(self, seconds: float) -> None:
        """Say when it began, on the clock by which the owner judges its age."""
        self._now.started_at(seconds)

    def opened_by_thread(self) -> None:
        """Note that this thread opened it."""
        self._now.opened_by_thread()

    @property
    def is_open(self) -> bool:
        """Whether it can still be read from."""
        return self._now.is_open

    def close(self) -> None:
        """Give the storage transaction back. Does nothing the second time."""
        self._now.close()

    # -- reads ------------------------------------------------------------------------------------

    def get(self, database: Database, key: bytes) -> bytes | None:
        """The value of a key as of then."""
        return self.get_many(database, [key])[0]

    def get_many(self, database: Database, keys: list[bytes]) -> list[bytes | None]:
        """The values of several keys as of then, in their order."""
        if database is Database.DOCUMENTS:
            return self._versions.records(keys)
        if database is Database.DELETED:
            return [self._versions.tombstone(key) for key in keys]
        if database is Database.LOG:
            last = timestamp_key(self.ts)
            found = self._now.get_many(database, keys)
            return [None if key > last else value for key, value in zip(keys, found, strict=True)]
        if database is Database.INDEXES:
            return [self._entry(key) for key in keys]
        return [self._fact(key, self._now.get(database, key)) for key in keys]

    def take(
        self, database: Database, low: bytes, high: bytes | None, count: int, *, reverse: bool
    ) -> list[Entry]:
        """The first entries that `scan` gives, at most ``count``."""
        entries = self.scan(database, low, high, reverse=reverse, expected=count)
        return list(islice(entries, count))

    def scan(
        self,
        database: Database,
        low: bytes,
        high: bytes | None,
        *,
        reverse: bool = False,
        expected: int = CHUNK_FIRST,
    ) -> Iterator[Entry]:
        """Entries as of then with ``low <= key < high``, in key order or against it."""
        if database is Database.INDEXES:
            return self._scan_indexes(low, high, reverse=reverse, expected=expected)
        if database is Database.LOG:
            end = timestamp_key(self.ts) + b"\x00"
            high = end if high is None else min(high, end)
        entries = self._now.scan(database, low, high, reverse=reverse, expected=expected)
        if database is Database.LOG:
            return entries
        if database is Database.META:
            return self._facts(entries)
        touched = self._versions.touched(low, high)
        if not touched:
            return entries
        if reverse:
            touched.reverse()
        is_alive = database is Database.DOCUMENTS
        return _laid_over(entries, self._changed(touched, is_alive=is_alive), reverse=reverse)

    def first(self, database: Database) -> Entry | None:
        """The entry with the least key as of then."""
        return next(self.scan(database, b"", None, expected=1), None)

    def last(self, database: Database) -> Entry | None:
        """The entry with the greatest key as of then."""
        return next(self.scan(database, b"", None, reverse=True, expected=1), None)

    def last_key(self, database: Database) -> bytes | None:
        """The greatest key as of then."""
        entry = self.last(database)
        return None if entry is None else entry[0]

    def count(self, database: Database) -> int:
        """How many entries there were. O(their number)."""
        return sum(1 for _ in self.scan(database, b"", None, expected=CHUNK_LARGEST))

    # -- documents and tombstones -----------------------------------------------------------------

    def _changed(self, touched: list[bytes], *, is_alive: bool) -> Iterator[Change]:
        """Records or tombstones of then, looked up in growing chunks as they are consumed."""
        look_up = self._versions.changed_records if is_alive else self._versions.changed_tombstones
        keys, size = iter(touched), CHUNK_FIRST
        while chunk := list(islice(keys, size)):
            yield from look_up(chunk)
            size = min(size * CHUNK_GROWTH, CHUNK_LARGEST)

    # -- indexes ----------------------------------------------------------------------------------

    def _entry(self, key: bytes) -> bytes | None:
        index = self._sources.get(space_of(key))
        if index is None:
            return None
        entries = self._changes_of(index).entries
        if key in entries:
            return entries[key]
        return self._now.get(Database.INDEXES, key) if index.is_stored else None

    def _scan_indexes(
        self, low: bytes, high: bytes | None, *, reverse: bool, expected: int
    ) -> Iterator[Entry]:
        space = space_of(low) if len(low) >= _SPACE_BYTES else 0
        first, end = space_bounds(space)
        if space and high is not None and low >= first and high <= end:
            index = self._sources.get(space)
            wanted = [] if index is None else [index]
        else:
            # Indexes that were made later are read each by itself, and no part of the whole.
            wanted = sorted(self._of_then.values(), key=_space_of, reverse=reverse)
        for index in wanted:
            first, end = space_bounds(index.info.space)
            first, end = max(low, first), end if high is None else min(high, end)
            if first < end:
                yield from self._scan_index(index, first, end, reverse=reverse, expected=expected)

    def _scan_index(
        self, index: PastIndex, low: bytes, high: bytes, *, reverse: bool, expected: int
    ) -> Iterator[Entry]:
        changes = self._changes_of(index).scan(low, high, reverse=reverse)
        if not index.is_stored:
            return ((key, value) for key, value in changes if value is not None)
        entries = self._now.scan(Database.INDEXES, low, high, reverse=reverse, expected=expected)
        return _laid_over(entries, changes, reverse=reverse)

    def _changes_of(self, index: PastIndex) -> Changes:
        name = (index.info.id, index.info.space)
        changes = self._changes.get(name)
        if changes is None:
            documents = self.scan(Database.DOCUMENTS, *index.table.bounds, expected=CHUNK_LARGEST)
            changes = changes_of(index, self._now, self._versions, documents)
            self._changes[name] = changes
        return changes

    # -- facts ------------------------------------------------------------------------------------

    def _fact(self, key: bytes, value: bytes | None) -> bytes | None:
        if key == META_CATALOG:
            ts = self._catalog_ts()
            return TIMESTAMP.pack(ts) if ts else None
        return None if key.startswith(FILL_NOTES) else value

    def _facts(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for key, value in entries:
            fact = self._fact(key, value)
            if fact is not None:
                yield key, fact

    def _catalog_ts(self) -> int:
        """Timestamp of the last commit up to then that changed the catalog."""
        newest = _newest_catalog_ts(self._now)
        if newest <= self.ts:
            return newest
        found = [0]
        for bounds in map(table_bounds, CATALOG_NUMBERS):
            alive = self.scan(Database.DOCUMENTS, *bounds)
            found += [DOCUMENT_HEADER.unpack_from(record)[1] for _, record in alive]
            deleted = self.scan(Database.DELETED, *bounds)
            found += [TIMESTAMP.unpack(tombstone)[0] for _, tombstone in deleted]
        return max(found)


def _newest_catalog_ts(now: ReadTransaction) -> int:
    return int.from_bytes(now.get(Database.META, META_CATALOG) or b"", "big")


def _space_of(index: PastIndex) -> int:
    return index.info.space


# The catalog --------------------------------------------------------------------------------------


def _place(index: IndexInfo) -> tuple[str, int, int]:
    """Where its entries are, and of which documents; a table may have been given another number."""
    return index.id, index.space, index.table_number


def _sources(catalog: Catalog, stored: set[tuple[str, int, int]]) -> dict[int, PastIndex]:
    """Every index of a catalog, by space."""
    return {
        index.space: PastIndex(index, table, is_stored=_place(index) in stored)
        for table in catalog
        for index in table.indexes
    }


def _readable(of_then: Catalog, of_now: Catalog) -> Catalog:
    """The tables of then with the indexes of now and of then, all of them ready."""
    if of_then is of_now and all(i.state == "ready" for i in of_now.indexes_by_space.values()):
        return of_now
    free = max([0, *of_then.indexes_by_space, *of_now.indexes_by_space]) + 1
    newest = {table.id: table for table in of_now if table.id}  # the catalog's own have none
    tables: list[TableInfo] = []
    for table in of_then:
        indexes = dict(newest[table.id].by_name) if table.id in newest else {}
        for index in table.indexes:
            if index.name not in indexes:
                # The space of a dropped index may have been given to another one since.
                is_taken = index.space in of_now.indexes_by_space
                indexes[index.name] = replace(index, space=free) if is_taken else index
                free += is_taken
        tables.append(_with_indexes(table, indexes.values()))
    return Catalog(tables, of_then.projections)


def _with_indexes(table: TableInfo, indexes: Iterable[IndexInfo]) -> TableInfo:
    found = [replace(index, table_number=table.number, state="ready") for index in indexes]
    ordered = tuple(sorted(found, key=lambda index: index.space))
    # A table that has taken foreign ids since has the order of creation as an index of its own.
    order = next((index for index in ordered if not index.is_declared), None)
    return replace(
        table,
        foreign_ids=order is not None,
        order=order,
        order_bounds=table.bounds if order is None else (b"", KEYS_END),
        indexes=ordered,
        unique_indexes=tuple(at for at, index in enumerate(ordered) if index.definition.unique),
        by_name={index.name: index for index in ordered},
    )


# Entries over entries -----------------------------------------------------------------------------


def _laid_over(
    entries: Iterator[Entry], changes: Iterator[Change], *, reverse: bool
) -> Iterator[Entry]:
    """Entries with changes in their places; both in the same order. O(1) for each."""
    waiting: Entry | None = None
    for key, value in changes:
        while waiting is None or _comes_before(waiting[0], key, reverse=reverse):
            if waiting is not None:
                yield waiting
            waiting = next(entries, None)
            if waiting is None:
                break
        if value is not None:
            yield key, value
        if waiting is not None and waiting[0] == key:
            waiting = None
    if waiting is not None:
        yield waiting
    yield from entries


def _comes_before(a: bytes, b: bytes, *, reverse: bool) -> bool:
    return a > b if reverse else a < b
