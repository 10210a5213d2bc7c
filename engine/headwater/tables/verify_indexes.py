"""Whether an index holds exactly the entries of its table's documents."""

from collections.abc import Iterator
from itertools import islice

from headwater.errors import CorruptionError
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.fill_notes import read_note
from headwater.tables.problems import Problem, ProblemKind
from headwater.tables.progress import Report, reported
from headwater.tables.records import count_documents, decode_document
from headwater_indexes.scan import physical_entry, space_bounds

_CHUNK = 512

_ADVICE = "db.rebuild() makes the index anew"


def verify_index(
    reader: ReadTransaction, table: TableInfo, index: IndexInfo, report: Report | None
) -> Iterator[Problem]:
    """Compare an index with the documents, in both directions. O(entries), no memory to speak of.

    Entries that no document has are looked for only if there are more entries than there should.
    """
    found = 0
    for problem in _missing(reader, table, index, report):
        if problem is None:
            found += 1
        else:
            yield problem
    if sum(1 for _ in reader.scan(Database.INDEXES, *space_bounds(index.space))) != found:
        yield from _extra(reader, table, index)


def _missing(
    reader: ReadTransaction, table: TableInfo, index: IndexInfo, report: Report | None
) -> Iterator[Problem | None]:
    """For each document the problem of its entry, or None if there is the right one."""
    filled_to = read_note(reader, index) if index.state == "building" else None
    step = f"checking index {table.name}.{index.name}"
    total = count_documents(reader, table.bounds) if report else 0
    documents = reported(reader.scan(Database.DOCUMENTS, *table.bounds), step, total, report)
    while chunk := list(islice(documents, _CHUNK)):
        keys = [(key, entry) for key, value in chunk if (entry := _entry(table, index, key, value))]
        stored = reader.get_many(Database.INDEXES, [entry[0] for _, entry in keys])
        for (key, entry), value in zip(keys, stored, strict=True):
            if value is None:
                if filled_to is None or key <= filled_to:
                    message = f"has no entry in {table.name}.{index.name}"
                    yield _problem("entry_missing", table, key, message)
            else:
                yield None
                if value != entry[1]:
                    message = f"has a damaged entry in {table.name}.{index.name}"
                    yield _problem("entry_differs", table, key, message)


def _extra(reader: ReadTransaction, table: TableInfo, index: IndexInfo) -> Iterator[Problem]:
    entries = reader.scan(Database.INDEXES, *space_bounds(index.space))
    while chunk := [key for key, _ in islice(entries, _CHUNK)]:
        ids = [key[-table.id_length :] for key in chunk]
        records = reader.get_many(Database.DOCUMENTS, ids)
        for key, id_key, record in zip(chunk, ids, records, strict=True):
            if record is None:
                message = f"does not exist, and has an entry in {table.name}.{index.name}"
                yield _problem("entry_extra", table, id_key, message)
                continue
            entry = _entry(table, index, id_key, record)
            if entry is not None and entry[0] != key:
                message = f"has an entry in {table.name}.{index.name} with values not its own"
                yield _problem("entry_extra", table, id_key, message)


def _entry(
    table: TableInfo, index: IndexInfo, key: bytes, record: bytes
) -> tuple[bytes, bytes] | None:
    """The physical entry of a document; None for a damaged one, which is named elsewhere."""
    try:
        document = decode_document(key, record)
    except CorruptionError:
        return None
    logical = index.key_of(document, document["_id"])
    return physical_entry(index.space, logical, table.id_length)


def _problem(kind: ProblemKind, table: TableInfo, key: bytes, message: str) -> Problem:
    id_text = key.decode("ascii", "backslashreplace")
    return Problem(kind, table.name, id_text, 0, f"{id_text} {message}; {_ADVICE}")
