"""Tables and indexes made anew from the log alone.

What comes out is byte for byte what the commits had made: every key and value of ``documents``,
``deleted`` and ``indexes``, and the catalog's timestamp. Two things that commits do not make
differ on purpose. An index that is still being filled comes out complete, with every entry that
it will have once it is ready; how far its filling had come is forgotten. And entries that a
dropped index left behind are gone.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Final, NamedTuple

from headwater.errors import CorruptionError
from headwater.storage.commit_log import Version, decode_versions
from headwater.storage.environment import Environment
from headwater.storage.format import (
    TIMESTAMP,
    Database,
    seal_document,
    timestamp_key,
    timestamp_of,
)
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
from headwater.tables.projection import META_CATALOG, physical_entries
from headwater.tables.records import count_documents, decode_document
from headwater.tables.reports import RebuildReport
from headwater_indexes.ids import noted_creation_time, table_number_of

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
    log = _Commits(writer)
    newest = _gather(writer, log, progress)
    for database in (Database.DOCUMENTS, Database.DELETED, Database.INDEXES):
        writer.clear(database)
    _write_documents(writer, log, newest.alive, progress)
    deleted = sorted(newest.deleted.items())
    tombstones = [(id.encode("ascii"), TIMESTAMP.pack(ts)) for id, ts in deleted]
    writer.put_many(Database.DELETED, tombstones, append=True)
    _write_meta(writer, newest.catalog_ts)
    entries = write_indexes(writer, load_catalog(writer), progress)
    return RebuildReport(newest.commits, len(newest.alive), len(deleted), entries)


def _gather(reader: ReadTransaction, log: "_Commits", progress: Report | None) -> _Newest:
    alive: dict[str, int] = {}
    deleted: dict[str, int] = {}
    head_ts = 0
    total = reader.count(Database.LOG)
    entries = reader.scan(Database.LOG, b"", None)
    for key, value in reported(entries, "reading the log", total, progress):
        ts = timestamp_of(key)
        previous_ts, versions = decode_versions(key, value)
        if previous_ts != head_ts:
            raise _gap(ts, previous_ts, head_ts)
        head_ts = ts
        log.keep(ts, versions)
        if deleted:  # some of them may have come back
            for id_text in versions:
                deleted.pop(id_text, None)
        alive |= dict.fromkeys(versions, ts)
        for id_text in [id_text for id_text, (_, body) in versions.items() if body is None]:
            deleted[id_text] = alive.pop(id_text)
    # The last change of the catalog made the newest version of what it changed.
    catalog_ts = max(_last_change(alive), _last_change(deleted))
    return _Newest(alive, deleted, catalog_ts, total)


def _last_change(newest: dict[str, int]) -> int:
    """Timestamp of the last change of a document of the catalog; 0 if there is none."""
    return max(
        (ts for id_text, ts in newest.items() if table_number_of(id_text) in CATALOG_NUMBERS),
        default=0,
    )


def _gap(ts: int, expected: int, found: int) -> CorruptionError:
    return CorruptionError(
        f"commit {ts} follows commit {expected}, and the log has {found or 'nothing'} before it: "
        "commits are missing, so it cannot say what the tables were. Nothing was changed; restore "
        "a backup"
    )


# Documents --------------------------------------------------------------------------------------


def _write_documents(
    writer: WriteTransaction, log: "_Commits", alive: dict[str, int], progress: Report | None
) -> None:
    ids = reported(sorted(alive), "writing documents", len(alive), progress)
    while chunk := list(islice(ids, _CHUNK_DOCUMENTS)):
        stamps = [alive[id_text] for id_text in chunk]
        records = list(map(_record, chunk, stamps, log.versions_of(chunk, stamps)))
        writer.put_many(Database.DOCUMENTS, records, append=True)


def _record(id_text: str, ts: int, version: Version) -> tuple[bytes, bytes]:
    key = id_text.encode("ascii")
    created, body = version
    assert body is not None, f"{id_text} is deleted by commit {ts}"
    if created is None:
        created = noted_creation_time(key)
    return key, seal_document(key, ts, created, body)


class _Commits:
    """What commits made of documents; the latest used are kept decoded."""

    def __init__(self, reader: ReadTransaction) -> None:
        self._reader = reader
        self._kept: OrderedDict[int, dict[str, Version]] = OrderedDict()
        self._count = 0

    def keep(self, ts: int, versions: dict[str, Version]) -> None:
        """Keep for a while what a commit made of documents."""
        self._kept[ts] = versions
        self._count += len(versions)
        while self._count > _CACHE_EVENTS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._count -= len(dropped)

    def versions_of(self, ids: Iterable[str], stamps: Sequence[int]) -> list[Version]:
        """The versions of documents that the commits with these timestamps made."""
        commits = self._load(set(stamps))
        return [commits[ts][id_text] for id_text, ts in zip(ids, stamps, strict=True)]

    def _load(self, wanted: Iterable[int]) -> dict[int, dict[str, Version]]:
        loaded = {ts: self._kept[ts] for ts in wanted if ts in self._kept}
        for ts in loaded:
            self._kept.move_to_end(ts)
        missing = sorted(ts for ts in wanted if ts not in loaded)
        keys = [timestamp_key(ts) for ts in missing]
        values = self._reader.get_many(Database.LOG, keys) if keys else []
        for ts, key, value in zip(missing, keys, values, strict=True):
            assert value is not None, f"commit {ts} was in the log a moment ago"
            _, loaded[ts] = decode_versions(key, value)
            self.keep(ts, loaded[ts])
        return loaded


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
    known = sorted(catalog.indexes_by_space.values(), key=lambda index: index.space)
    # So many together have one run of entries, even if all documents were of their table.
    together = max(1, _RUN_ENTRIES // max(1, writer.count(Database.DOCUMENTS)))
    written = 0
    for number, neighbours in groupby(known, key=lambda index: index.table_number):
        while indexes := list(islice(neighbours, together)):
            written += _write_some(writer, catalog.by_number[number], indexes, progress)
    return written


def _write_some(
    writer: WriteTransaction,
    table: TableInfo,
    indexes: Sequence[IndexInfo],
    progress: Report | None,
) -> int:
    """Write the entries of some indexes of a table; returns how many."""
    written = 0
    step = f"writing index {table.name}.{', '.join(index.name for index in indexes)}"
    total = count_documents(writer, table.bounds) if progress else 0
    scanned = writer.scan(Database.DOCUMENTS, *table.bounds, expected=_CHUNK_DOCUMENTS)
    documents = reported(scanned, step, total, progress)
    while run := _run(documents, table, indexes):
        # Spaces are written in order, so the first run of each lies behind all that is there.
        writer.put_many(Database.INDEXES, run, append=not written)
        written += len(run)
    return written


def _run(
    documents: Iterator[tuple[bytes, bytes]], table: TableInfo, indexes: Sequence[IndexInfo]
) -> list[tuple[bytes, bytes]]:
    """The entries of the next documents, as many as are sorted in memory at a time."""
    keys: list[list[bytes]] = [[] for _ in indexes]
    targets = [(index.key_of, found.append) for index, found in zip(indexes, keys, strict=True)]
    for key, value in islice(documents, max(1, _RUN_ENTRIES // len(indexes))):
        document = decode_document(key, value)
        id_text = document["_id"]
        for key_of, add in targets:
            add(key_of(document, id_text))
    run: list[tuple[bytes, bytes]] = []
    for index, found in zip(indexes, keys, strict=True):
        found.sort()  # but for those that have to be cut, the order in which they are stored
        run += physical_entries(index.space, found, table.id_length)
    return run
