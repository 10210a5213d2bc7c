"""Tables and indexes made anew from the log alone.

What comes out is byte for byte what the commits had made: every key and value of ``documents``,
``deleted`` and ``indexes``, and the catalog's timestamp. Two things that commits do not make
differ on purpose. An index that is still being filled comes out complete, with every entry that
it will have once it is ready; how far its filling had come is forgotten. And entries that a
dropped index left behind are gone.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from headwater.errors import CorruptionError
from headwater.storage import commit_log
from headwater.storage.commit_log import Event, decode_commit
from headwater.storage.environment import Environment
from headwater.storage.format import TIMESTAMP, Database, seal_document, timestamp_key
from headwater.storage.transactions import ReadTransaction, WriteTransaction
from headwater.tables.catalog import (
    CATALOG_NUMBERS,
    Catalog,
    IndexInfo,
    TableInfo,
    load_catalog,
)
from headwater.tables.fill_notes import FILL_NOTES, FILL_NOTES_END
from headwater.tables.progress import Report, reported
from headwater.tables.projection import META_CATALOG
from headwater.tables.records import count_documents, decode_document
from headwater.tables.replay import creation_time
from headwater.tables.reports import RebuildReport
from headwater_indexes.ids import table_number_of
from headwater_indexes.scan import physical_entry

_CHUNK_DOCUMENTS: Final = 2000
_CACHE_EVENTS: Final = 100_000
"""Events of decoded commits that are kept: neighbours in id order come from few commits."""

_RUN_ENTRIES: Final = 500_000
"""Index entries sorted in memory at a time."""


def rebuild(environment: Environment, *, progress: Report | None = None) -> RebuildReport:
    """Make documents, deleted, indexes and the catalog's timestamp anew from the log.

    All of it happens in one storage transaction: after an error or a kill everything is as it was.
    Writers wait; open snapshots see what they saw. Memory: some hundred bytes per document that
    ever was.

    Raises:
        CorruptionError: A commit is damaged or missing. Nothing was changed.
    """
    return environment.run_write(lambda writer: _rebuild(writer, progress))


class _Newest(NamedTuple):
    """The newest event of every document, by id: the timestamp of its commit."""

    alive: dict[str, int]
    deleted: dict[str, int]
    catalog_ts: int
    commits: int


def _rebuild(writer: WriteTransaction, progress: Report | None) -> RebuildReport:
    newest = _gather(writer, progress)
    for database in (Database.DOCUMENTS, Database.DELETED, Database.INDEXES):
        writer.clear(database)
    _write_documents(writer, newest.alive, progress)
    deleted = sorted(newest.deleted.items())
    tombstones = [(id.encode("ascii"), TIMESTAMP.pack(ts)) for id, ts in deleted]
    writer.put_many(Database.DELETED, tombstones, append=True)
    _write_meta(writer, newest.catalog_ts)
    entries = write_indexes(writer, load_catalog(writer), progress)
    return RebuildReport(newest.commits, len(newest.alive), len(deleted), entries)


def _gather(reader: ReadTransaction, progress: Report | None) -> _Newest:
    alive: dict[str, int] = {}
    deleted: dict[str, int] = {}
    catalog_ts, head_ts = 0, 0
    total = reader.count(Database.LOG)
    for commit in reported(commit_log.after(reader, 0), "reading the log", total, progress):
        if commit.previous_ts != head_ts:
            raise _gap(commit.ts, commit.previous_ts, head_ts)
        head_ts = commit.ts
        for event in commit.events:
            is_alive = event.body is not None
            (alive if is_alive else deleted)[event.id] = commit.ts
            (deleted if is_alive else alive).pop(event.id, None)
            if table_number_of(event.id) in CATALOG_NUMBERS:
                catalog_ts = commit.ts
    return _Newest(alive, deleted, catalog_ts, total)


def _gap(ts: int, expected: int, found: int) -> CorruptionError:
    return CorruptionError(
        f"commit {ts} follows commit {expected}, and the log has {found or 'nothing'} before it: "
        "commits are missing, so it cannot say what the tables were. Nothing was changed; restore "
        "a backup"
    )


# Documents --------------------------------------------------------------------------------------


def _write_documents(
    writer: WriteTransaction, alive: dict[str, int], progress: Report | None
) -> None:
    commits = _Commits(writer)
    ids = reported(sorted(alive), "writing documents", len(alive), progress)
    while chunk := list(islice(ids, _CHUNK_DOCUMENTS)):
        events = commits.events_of([(id_text, alive[id_text]) for id_text in chunk])
        records = [_record(event, alive[event.id]) for event in events]
        writer.put_many(Database.DOCUMENTS, records, append=True)


def _record(event: Event, ts: int) -> tuple[bytes, bytes]:
    key = event.id.encode("ascii")
    assert event.body is not None, f"{event.id} is deleted by commit {ts}"
    return key, seal_document(key, ts, creation_time(event), event.body)


class _Commits:
    """Events of commits, the latest used of which are kept decoded."""

    def __init__(self, reader: ReadTransaction) -> None:
        self._reader = reader
        self._kept: OrderedDict[int, dict[str, Event]] = OrderedDict()
        self._count = 0

    def events_of(self, wanted: Sequence[tuple[str, int]]) -> list[Event]:
        """The events of documents in the commits with these timestamps."""
        commits = self._load({ts for _, ts in wanted})
        return [commits[ts][id_text] for id_text, ts in wanted]

    def _load(self, wanted: Iterable[int]) -> dict[int, dict[str, Event]]:
        loaded = {ts: self._kept[ts] for ts in wanted if ts in self._kept}
        for ts in loaded:
            self._kept.move_to_end(ts)
        missing = sorted(ts for ts in wanted if ts not in loaded)
        keys = [timestamp_key(ts) for ts in missing]
        values = self._reader.get_many(Database.LOG, keys) if keys else []
        for ts, key, value in zip(missing, keys, values, strict=True):
            assert value is not None, f"commit {ts} was in the log a moment ago"
            loaded[ts] = {event.id: event for event in decode_commit(key, value).events}
            self._keep(ts, loaded[ts])
        return loaded

    def _keep(self, ts: int, events: dict[str, Event]) -> None:
        self._kept[ts] = events
        self._count += len(events)
        while self._count > _CACHE_EVENTS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._count -= len(dropped)


def _write_meta(writer: WriteTransaction, catalog_ts: int) -> None:
    notes = [key for key, _ in writer.scan(Database.META, FILL_NOTES, FILL_NOTES_END)]
    writer.delete_many(Database.META, notes)
    if catalog_ts:
        writer.put(Database.META, META_CATALOG, TIMESTAMP.pack(catalog_ts))
    else:
        writer.delete(Database.META, META_CATALOG)


# Indexes ----------------------------------------------------------------------------------------


def write_indexes(writer: WriteTransaction, catalog: Catalog, progress: Report | None) -> int:
    """Write the entries of every index, of which there are none yet; returns how many."""
    written = 0
    for _, index in sorted(catalog.indexes_by_space.items()):
        table = catalog.by_number[index.table_number]
        step = f"writing index {table.name}.{index.name}"
        total = count_documents(writer, table.bounds) if progress else 0
        entries = reported(_entries(writer, table, index), step, total, progress)
        is_first = True
        while run := sorted(islice(entries, _RUN_ENTRIES)):
            # Spaces are written in order, so the first run of each lies behind all that is there.
            writer.put_many(Database.INDEXES, run, append=is_first)
            is_first = False
            written += len(run)
    return written


def _entries(
    reader: ReadTransaction, table: TableInfo, index: IndexInfo
) -> Iterator[tuple[bytes, bytes]]:
    """The physical entries of an index, in id order."""
    for key, value in reader.scan(Database.DOCUMENTS, *table.bounds):
        document = decode_document(key, value)
        logical_key = index.key_of(document, document["_id"])
        yield physical_entry(index.space, logical_key, table.id_length)
