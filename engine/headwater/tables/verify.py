"""Whether everything on disk is what the log says.

The log is read once, for its checksums and chains and for what it makes of every document; then
tombstones, documents and the catalog are compared with that, and the indexes with the documents.
What is wrong is named and passed over, and what follows from damage that is named already is not
named again. This finds wrong records; `verify_pages` finds wrong pages.
"""

from collections.abc import Iterator
from contextlib import suppress

from headwater.errors import CorruptionError, HeadwaterError, StorageError
from headwater.storage.format import (
    CHECKSUM,
    FORMAT_VERSION,
    FORMAT_WITHOUT_JOURNAL,
    META_FORMAT,
    META_JOURNAL,
    TIMESTAMP,
    TIMESTAMP_MAX,
    Database,
    open_document,
    timestamp_key,
    unseal,
)
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import CASCADES, Catalog, load_catalog
from headwater.tables.dangling import dangling_in
from headwater.tables.horizon import horizon
from headwater.tables.ordered import in_order
from headwater.tables.problems import Problem
from headwater.tables.progress import Report, reported
from headwater.tables.projection import META_CATALOG
from headwater.tables.records import count_documents
from headwater.tables.replay import Expected, Replay
from headwater.tables.snapshot import Snapshot
from headwater.tables.verify_indexes import verify_index
from headwater_indexes.errors import IndexesError, MalformedIdError
from headwater_indexes.ids import table_number_of

__all__ = ["Problem", "verify"]

_REBUILD = "db.rebuild() makes it anew from the log"


def verify(
    snapshot: Snapshot,
    *,
    format_version: int = FORMAT_WITHOUT_JOURNAL,
    progress: Report | None = None,
) -> list[Problem]:
    """Check everything that a snapshot sees; an empty list means that nothing is wrong.

    O(log + documents + index entries) time, some hundred bytes of memory per document that ever
    was. Entries of a space that no index has are left over from a dropped index and no problem;
    an index that is being filled may lack what its filling has not reached.

    Args:
        snapshot: Of a file whose pages are in order.
        format_version: What the manifest says. The file may be of a newer format, as the manifest
            is the last to be changed, and never of an older one.
        progress: Told about the steps.
    """
    found = list(_problems(snapshot, format_version, progress))
    # What is not sound cannot be judged; and what a cascade has begun, it ends.
    return found or list(_guarded(_references(snapshot)))


def _problems(snapshot: Snapshot, format_version: int, report: Report | None) -> Iterator[Problem]:
    reader = in_order(snapshot.reader)
    catalog = snapshot.catalog
    unreadable = _why_unreadable(reader)
    if unreadable is None:
        catalog = load_catalog(reader)
    else:
        yield Problem("catalog_damaged", "", "", 0, unreadable)
    replay = Replay(catalog)
    yield from _guarded(replay.read_log(reader, report))
    yield from _guarded(_tombstones(reader, replay, report))
    yield from _guarded(_documents(reader, replay, report))
    yield from _guarded(_catalog_ts(reader, replay))
    yield from _guarded(_format(reader, format_version))
    yield from _guarded(_name(reader))
    yield from _guarded(_horizon(reader, replay))
    for index in catalog.indexes_by_space.values():
        table = catalog.by_number[index.table_number]
        yield from _guarded(verify_index(reader, table, index, report))


def _guarded(problems: Iterator[Problem]) -> Iterator[Problem]:
    """One step; where storage itself cannot go on, the step ends and the next one begins."""
    try:
        yield from problems
    except CorruptionError as error:
        yield Problem("storage_damaged", "", "", 0, str(error))


# References -------------------------------------------------------------------------------------


def _references(snapshot: Snapshot) -> Iterator[Problem]:
    cascades = snapshot.catalog.by_name.get(CASCADES)
    if cascades is not None and count_documents(snapshot.reader, cascades.bounds):
        return
    for table in snapshot.catalog:
        for one in dangling_in(snapshot, table):
            message = f"{one.id}: field {one.field!r} refers to {one.target}, which is not there"
            yield Problem("reference_dangling", one.table, one.id, 0, message)


# The catalog ------------------------------------------------------------------------------------


def _why_unreadable(reader: ReadTransaction) -> str | None:
    try:
        load_catalog(reader)
    except (HeadwaterError, IndexesError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, StorageError) and not isinstance(error, CorruptionError):
            raise  # the disk failed, and that says nothing of what is on it
        return f"the list of tables and indexes cannot be read: {error}; {_REBUILD}"
    return None


def _catalog_ts(reader: ReadTransaction, replay: Replay) -> Iterator[Problem]:
    stored = reader.get(Database.META, META_CATALOG)
    found = _timestamp(stored or bytes(8))
    if found != replay.catalog_ts and found not in replay.lost:
        yield Problem(
            "catalog_differs",
            "",
            "",
            replay.catalog_ts,
            f"the noted timestamp of the catalog is {stored!r}, the log changed it last in commit "
            f"{replay.catalog_ts or 'none'}; {_REBUILD}",
        )


def _name(reader: ReadTransaction) -> Iterator[Problem]:
    """What tells whether a journal belongs to the data file."""
    stored = reader.get(Database.META, META_JOURNAL)
    first = str(FORMAT_WITHOUT_JOURNAL).encode("ascii")
    has_one = stored is not None or reader.get(Database.META, META_FORMAT) != first
    if has_one and unseal(META_JOURNAL, stored or b"") is None:
        message = f"the noted name of the data file is {stored!r}, which is not what was written"
        yield Problem("journal_damaged", "", "", 0, message)


def _format(reader: ReadTransaction, oldest: int) -> Iterator[Problem]:
    stored = reader.get(Database.META, META_FORMAT)
    possible = [str(version).encode("ascii") for version in range(oldest, FORMAT_VERSION + 1)]
    if stored not in possible:
        message = (
            f"the noted format is {stored!r}, the manifest says {oldest}, known are those up to "
            f"{FORMAT_VERSION}"
        )
        yield Problem("format_differs", "", "", 0, message)


def _horizon(reader: ReadTransaction, replay: Replay) -> Iterator[Problem]:
    """The commit to which the log was trimmed stays in it for ever."""
    ts = horizon(reader)
    is_there = ts <= TIMESTAMP_MAX and reader.get(Database.LOG, timestamp_key(ts)) is not None
    if ts and not is_there and ts not in replay.lost:
        message = (
            f"the log is noted to be trimmed to commit {ts}, which it does not have: moments that "
            "it still knows may be refused, or others given wrong; restore a backup"
        )
        yield Problem("horizon_differs", "", "", ts, message)


def _timestamp(stored: bytes) -> int | None:
    return int(TIMESTAMP.unpack(stored)[0]) if len(stored) == TIMESTAMP.size else None


# Tombstones -------------------------------------------------------------------------------------


def _tombstones(
    reader: ReadTransaction, replay: Replay, report: Report | None
) -> Iterator[Problem]:
    total = reader.count(Database.DELETED)
    entries = reader.scan(Database.DELETED, b"", None)
    missing = dict(replay.deleted)
    for key, value in reported(entries, "comparing tombstones", total, report):
        id_text = _text(key)
        expected = missing.pop(id_text, None)
        found = _timestamp(value)
        if found in replay.lost:
            replay.alive.pop(id_text, None)  # a commit that cannot be read has deleted it
        elif found != expected:
            yield _wrong_tombstone(replay.catalog, id_text, value, expected)
    for id_text, ts in missing.items():
        yield Problem(
            "tombstone_missing",
            _table(replay.catalog, id_text),
            id_text,
            ts,
            f"{id_text}: commit {ts} deleted it, and its tombstone is missing; {_REBUILD}",
        )


def _wrong_tombstone(catalog: Catalog, id_text: str, value: bytes, expected: int | None) -> Problem:
    found = _timestamp(value)
    table = _table(catalog, id_text)
    if found is None:
        message = f"{id_text}: its tombstone {value!r} is no timestamp; {_REBUILD}"
        return Problem("tombstone_damaged", table, id_text, expected or 0, message)
    if expected is None:
        message = f"{id_text}: a tombstone says that commit {found} deleted it, the log does not"
        return Problem("tombstone_extra", table, id_text, found, f"{message}; {_REBUILD}")
    message = f"{id_text}: deleted by commit {expected}, its tombstone says {found}; {_REBUILD}"
    return Problem("tombstone_differs", table, id_text, expected, message)


# Documents --------------------------------------------------------------------------------------


def _documents(reader: ReadTransaction, replay: Replay, report: Report | None) -> Iterator[Problem]:
    total = reader.count(Database.DOCUMENTS)
    entries = reader.scan(Database.DOCUMENTS, b"", None)
    missing = replay.alive
    unknown: set[int] = set()
    for key, value in reported(entries, "comparing documents", total, report):
        id_text = _text(key)
        expected = missing.pop(id_text, None)
        yield from _unknown_table(replay.catalog, id_text, unknown)
        yield from _compare(replay, id_text, value, expected)
    for id_text, expected in missing.items():
        yield Problem(
            "document_missing",
            _table(replay.catalog, id_text),
            id_text,
            expected.ts,
            f"{id_text}: commit {expected.ts} wrote it, and it is not in its table; {_REBUILD}",
        )


def _unknown_table(catalog: Catalog, id_text: str, unknown: set[int]) -> Iterator[Problem]:
    """Name the first document of each table that the catalog does not have."""
    with suppress(MalformedIdError):
        number = table_number_of(id_text)
        if number not in catalog.by_number and number not in unknown:
            unknown.add(number)
            message = f"{id_text} is of table {number}, which the catalog does not have; {_REBUILD}"
            yield Problem("table_missing", "", id_text, 0, message)


def _compare(
    replay: Replay, id_text: str, value: bytes, expected: Expected | None
) -> Iterator[Problem]:
    table = _table(replay.catalog, id_text)
    try:
        ts, created, _ = open_document(id_text.encode("ascii", "replace"), value)
    except CorruptionError as error:
        yield Problem(
            "document_damaged", table, id_text, expected.ts if expected else 0, str(error)
        )
        return
    if ts in replay.lost:
        return
    if expected is None:
        deleted = replay.deleted.get(id_text)
        why = f"commit {deleted} deleted it" if deleted else "the log does not know it"
        message = f"{id_text}: it is in its table, and {why}; {_REBUILD}"
        yield Problem("document_extra", table, id_text, ts, message)
    elif ts != expected.ts:
        message = f"{id_text}: its version is of commit {ts}, the newest of the log is of "
        yield Problem("document_differs", table, id_text, ts, f"{message}{expected.ts}; {_REBUILD}")
    elif created != expected.creation_time:
        message = f"{id_text}: its creation time is {created} ms, that of its id and of the log is "
        yield Problem(
            "creation_time_differs",
            table,
            id_text,
            ts,
            f"{message}{expected.creation_time} ms; {_REBUILD}",
        )
    elif CHECKSUM.unpack_from(value)[0] != expected.checksum:
        message = f"{id_text}: its fields are not those that commit {ts} wrote; {_REBUILD}"
        yield Problem("document_differs", table, id_text, ts, message)


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")


def _table(catalog: Catalog, id_text: str) -> str:
    """The name of a document's table, empty if there is none."""
    try:
        table = catalog.by_number.get(table_number_of(id_text))
    except MalformedIdError:
        return ""
    return "" if table is None else table.name
