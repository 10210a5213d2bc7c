"""Tables and indexes made anew from the log alone.

What comes out is byte for byte what the commits had made: every key and value of ``documents``,
``deleted`` and ``indexes``, and the catalog's timestamp. Two things that commits do not make
differ on purpose. An index that is still being filled comes out complete, with every entry that
it will have once it is ready; how far its filling had come is forgotten. And entries that a
dropped index left behind are gone.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, Final, NamedTuple

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
from headwater.tables.catalog import CATALOG_TABLES, Catalog, catalog_of
from headwater.tables.fill_notes import FILL_NOTES, FILL_NOTES_END
from headwater.tables.index_entries import IndexKeys, write_indexes
from headwater.tables.progress import Report, reported
from headwater.tables.projection import META_CATALOG
from headwater.tables.records import decode_body
from headwater.tables.reports import RebuildReport
from headwater_indexes.ids import noted_creation_time, table_bounds, table_number_of

_CHUNK_DOCUMENTS: Final = 2000
_CACHE_EVENTS: Final = 100_000
"""Events of decoded commits that are kept: neighbours in id order come from few commits."""

_GATHERED_ENTRIES: Final = 1_000_000
"""Index entries that are kept in memory on the way: those of further tables are made from what
was written, which takes longer."""


def rebuild(environment: Environment, *, progress: Report | None = None) -> RebuildReport:
    """Make documents, deleted, indexes and the catalog's timestamp anew from the log.

    All of it happens in one storage transaction: after an error or a kill everything is as it was.
    Writers wait; open snapshots see what they saw. Memory: some hundred bytes per document that
    ever was, and as much for each of the first million index entries.

    Raises:
        CorruptionError: A commit is damaged or missing. Nothing was changed.
    """
    return environment.run_write(lambda writer: _rebuild(writer, progress))


class _Newest(NamedTuple):
    """The newest event of every document, by id: the timestamp of its commit."""

    alive: dict[str, int]
    deleted: dict[str, int]
    commits: int


def _rebuild(writer: WriteTransaction, progress: Report | None) -> RebuildReport:
    log = _Commits(writer)
    newest = _gather(writer, log, progress)
    for database in (Database.DOCUMENTS, Database.DELETED, Database.INDEXES):
        writer.clear(database)
    documents = _Documents(newest.alive, log)
    catalog = _catalog(documents)
    keys = _key_gatherers(catalog, documents)
    _write_documents(writer, documents, keys, progress)
    deleted = sorted(newest.deleted)
    tombstones = [(id.encode("ascii"), TIMESTAMP.pack(newest.deleted[id])) for id in deleted]
    writer.put_many(Database.DELETED, tombstones, append=True)
    # The last change of the catalog made the newest version of what it changed.
    last_changes = _last_change(documents.ids, newest.alive), _last_change(deleted, newest.deleted)
    _write_meta(writer, max(last_changes))
    entries = write_indexes(writer, catalog, progress, keys)
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
    return _Newest(alive, deleted, total)


def _gap(ts: int, expected: int, found: int) -> CorruptionError:
    return CorruptionError(
        f"commit {ts} follows commit {expected}, and the log has {found or 'nothing'} before it: "
        "commits are missing, so it cannot say what the tables were. Nothing was changed; restore "
        "a backup"
    )


def _last_change(ids: list[str], newest: dict[str, int]) -> int:
    """Timestamp of the last change of a document of the catalog; 0 if there is none."""
    of_catalog = chain.from_iterable(_of_table(ids, number) for number in CATALOG_TABLES)
    return max(map(newest.__getitem__, of_catalog), default=0)


def _of_table(ids: list[str], number: int) -> list[str]:
    """Those of a table, of ids in order."""
    low, high = (bound.decode("ascii") for bound in table_bounds(number))
    return ids[bisect_left(ids, low) : bisect_left(ids, high)]


# Documents --------------------------------------------------------------------------------------


class _Versions(NamedTuple):
    """The newest versions of some documents, side by side."""

    keys: list[bytes]
    stamps: list[int]
    creation_times: list[float]
    bodies: list[bytes]

    def records(self) -> list[tuple[bytes, bytes]]:
        """As they are stored."""
        return list(zip(self.keys, map(seal_document, *self), strict=True))

    def documents(self) -> Iterator[dict[str, Any]]:
        """As a caller sees them."""
        return map(decode_body, self.keys, self.creation_times, self.bodies)


class _Documents:
    """All documents that there are.

    Attributes:
        ids: In order.
    """

    def __init__(self, alive: dict[str, int], log: "_Commits") -> None:
        self.ids: list[str] = sorted(alive)
        self._stamps = alive
        self._log = log

    def load(self, ids: list[str]) -> _Versions:
        """Documents from the log."""
        keys = [id_text.encode("ascii") for id_text in ids]
        stamps = [self._stamps[id_text] for id_text in ids]
        versions = self._log.versions_of(ids, stamps)
        times = [
            noted_creation_time(key) if created is None else created
            for key, (created, _) in zip(keys, versions, strict=True)
        ]
        bodies = [body for _, body in versions if body is not None]
        assert len(bodies) == len(ids), "a document that is there is deleted in the log"
        return _Versions(keys, stamps, times, bodies)


def _catalog(documents: _Documents) -> Catalog:
    """The catalog that its documents in the log say, none of which is written yet."""
    tables = [_of_table(documents.ids, number) for number in CATALOG_TABLES]
    return catalog_of(*[tuple(documents.load(ids).records()) for ids in tables])


def _key_gatherers(catalog: Catalog, documents: _Documents) -> dict[int, IndexKeys]:
    """What gathers the index keys, by table, of those tables whose keys are kept in memory."""
    gatherers: dict[int, IndexKeys] = {}
    room = _GATHERED_ENTRIES
    for table in catalog:
        entries = len(_of_table(documents.ids, table.number)) * len(table.indexes)
        if 0 < entries <= room:
            room -= entries
            gatherers[table.number] = IndexKeys(table, table.indexes)
    return gatherers


def _write_documents(
    writer: WriteTransaction,
    documents: _Documents,
    keys: dict[int, IndexKeys],
    progress: Report | None,
) -> None:
    """Write all documents; the index keys of some tables are gathered on the way."""
    ids = reported(documents.ids, "writing documents", len(documents.ids), progress)
    while chunk := list(islice(ids, _CHUNK_DOCUMENTS)):
        versions = documents.load(chunk)
        writer.put_many(Database.DOCUMENTS, versions.records(), append=True)
        for number, some in _by_table(chunk, versions.documents()):
            if number in keys:
                keys[number].gather(some)


def _by_table(
    ids: list[str], documents: Iterator[dict[str, Any]]
) -> Iterator[tuple[int, Iterable[dict[str, Any]]]]:
    """Neighbours that are of the same table, with its number; each to be used up in turn."""
    number = table_number_of(ids[0])
    if number == table_number_of(ids[-1]):  # of all between them as well: they are in order
        return iter([(number, documents)])
    return groupby(documents, key=lambda document: table_number_of(document["_id"]))


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
