"""Filling new indexes and clearing dropped ones, in small steps between the commits of others.

From the commit that declares an index, every writer keeps its entries true; what is filled in
here are the entries of the documents that were there before, in id order. Each step is one
storage transaction on the committer's thread: a number of entries, and a note of how far that
came. So a kill at any point costs no more than the step in hand.

Nothing is noted about a dropped index. Its entries are found by looking: they are those under a
space that no index of the catalog has. A space is free for a new index only above all entries and
all indexes, so it never inherits any, wherever the process was killed.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from headwater.errors import LogTrimmedError, SchemaMismatchError
from headwater.storage.commit_log import Origin
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction, WriteTransaction
from headwater.tables.catalog import (
    Catalog,
    IndexInfo,
    TableInfo,
    index_info,
    load_catalog,
)
from headwater.tables.fill_notes import read_note, remove_note, spaces_noted, write_note
from headwater.tables.progress import Progress, Report
from headwater.tables.records import count_documents, decode_document
from headwater.transactions.changes_since import touched_keys
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.store import Store
from headwater.transactions.system_tables import delete_index, set_index_state
from headwater.transactions.transaction import Transaction
from headwater.transactions.unique_check import Duplicates, confirm, find_duplicates
from headwater_indexes.scan import physical_entry, space_bounds, space_of

T = TypeVar("T")

_FUNCTION: Final = "_fill_index"
"""The origin of the commits that are made here."""


def build_indexes(store: Store, *, progress: Report | None = None) -> None:
    """Clear what dropped indexes left behind and fill every index that is being filled.

    Goes on where an earlier process stopped; several processes may do it at once. Returns when all
    indexes are ready. Must not be called on the committer's thread.

    Raises:
        SchemaMismatchError: Documents share a key of a unique index. That index was dropped from
            the catalog again; the others were filled.
    """
    clear_dropped(store, progress=progress)
    refused: SchemaMismatchError | None = None
    for space, index in sorted(store.catalog.indexes_by_space.items()):
        if index.state == "building":
            try:
                build_index(store, space, progress=progress)
            except SchemaMismatchError as error:
                refused = refused or error
            clear_dropped(store)  # it was given up, or another process has dropped it meanwhile
    if refused is not None:
        raise refused


# Filling ----------------------------------------------------------------------------------------


def build_index(store: Store, space: int, *, progress: Report | None = None) -> None:
    """Fill the index in a space, if it is being filled, and make it ready.

    Raises:
        SchemaMismatchError: It is unique and documents share a key. It was dropped again.
    """
    with closing(store.snapshot()) as snapshot:
        index = snapshot.catalog.indexes_by_space.get(space)
        if index is None or index.state != "building":
            return
        table = snapshot.catalog.by_number[index.table_number]
        total = count_documents(snapshot.reader, table.bounds) if progress else 0
    step, done = f"filling index {table.name}.{index.name}", 0
    limit = store.limits.backfill_documents
    filled = limit
    while filled == limit:
        if progress is not None:
            progress(Progress(step, min(done, total), total))
        filled = _write(store, lambda writer: _fill_some(writer, table, index, limit))
        done += filled
    if progress is not None:
        progress(Progress(step, total, total))
    _make_ready(store, table, index)
    _write(store, lambda writer: remove_note(writer, space))


def _write(store: Store, function: Callable[[WriteTransaction], T]) -> T:
    """Run a storage transaction between two batches of commits."""
    results: list[T] = []
    store.committer.call(lambda: results.append(store.environment.run_write(function)))
    return results[-1]


def _fill_some(writer: WriteTransaction, table: TableInfo, index: IndexInfo, limit: int) -> int:
    """Add the entries of the next documents; returns how many, fewer than ``limit`` at the end."""
    if not _is_building(writer, index):
        return 0  # another process has finished or dropped it
    position = read_note(writer, index)
    low, high = table.bounds
    records = writer.scan(Database.DOCUMENTS, position + b"\x00" if position else low, high)
    chunk = list(islice(records, limit))
    if not chunk:
        return 0
    documents = (decode_document(key, value) for key, value in chunk)
    keys = (index.key_of(document, document["_id"]) for document in documents)
    entries = [physical_entry(index.space, key, table.id_length) for key in keys]
    writer.put_many(Database.INDEXES, entries)
    write_note(writer, index, chunk[-1][0])
    return len(chunk)


def _is_building(reader: ReadTransaction, index: IndexInfo) -> bool:
    key = index.id.encode("ascii")
    record = reader.get(Database.DOCUMENTS, key)
    return record is not None and index_info(decode_document(key, record)).state == "building"


# Becoming ready ---------------------------------------------------------------------------------


def _make_ready(store: Store, table: TableInfo, index: IndexInfo) -> None:
    """Set the state, unless it is unique and documents share a key; then drop it again."""
    found: Duplicates | None = None
    # It ends: documents may stop sharing a key between scan and decision, and none can begin to.
    while found is None:
        scanned, seen_ts = Duplicates(), 0
        if index.definition.unique:
            scanned, seen_ts = find_duplicates(store, table, index)
        run = partial(_decide, store=store, index=index, scanned=scanned, seen_ts=seen_ts)
        request = CommitRequest(Origin(function=_FUNCTION), run=run)
        store.committer.submit(request)
        with suppress(LogTrimmedError):  # what came after the scan is not known: it is made again
            found = request.wait()
    if found:
        raise _not_unique(table, index, found)


def _decide(
    transaction: Transaction, *, store: Store, index: IndexInfo, scanned: Duplicates, seen_ts: int
) -> Duplicates | None:
    """Make the index ready or drop it; None if what the scan found was gone before this ran.

    It runs on the head and in turn, so that no commit can come between the check and its own.
    """
    now = transaction.snapshot.catalog.indexes_by_space.get(index.space)
    if now is None or now.id != index.id or now.state != "building":
        return Duplicates()  # another process has finished or dropped it
    table = transaction.snapshot.catalog.by_number[index.table_number]
    if index.definition.unique:
        changed = touched_keys(store, transaction, index.space, seen_ts)
        fields = (now.fields_of(key, table.id_length) for key in changed)
        found = confirm(transaction, table, now, [*fields, *scanned.keys])
        if found:
            delete_index(transaction, now)
            return max(scanned, found, key=lambda duplicates: duplicates.total)
        if scanned:
            return None
    set_index_state(transaction, now, "ready")
    return Duplicates()


def _not_unique(table: TableInfo, index: IndexInfo, found: Duplicates) -> SchemaMismatchError:
    listed = "; ".join(f"{id_text} {reason}" for id_text, reason in found.first)
    more = (
        f" (the first {len(found.first)} of {found.total})"
        if found.total > len(found.first)
        else ""
    )
    return SchemaMismatchError(
        f"{table.name}.{index.name} cannot be unique, documents share a key{more}: {listed}. The "
        "index was given up. Patch or delete these documents, or declare it without unique=True, "
        "and open the database again",
        table=table.name,
        documents=found.first,
    )


# Dropped indexes --------------------------------------------------------------------------------


def clear_dropped(store: Store, *, progress: Report | None = None) -> int:
    """Remove the entries of indexes that are not in the catalog any more; returns how many."""
    removed = 0
    with closing(store.snapshot()) as snapshot:
        spaces = list(_dropped_spaces(snapshot.reader, snapshot.catalog))
        notes = _stale_notes(snapshot.reader, snapshot.catalog)
    limit = store.limits.backfill_documents
    for at, space in enumerate(spaces):
        cleared = limit
        while cleared == limit:
            if progress is not None:
                progress(Progress("clearing dropped indexes", at, len(spaces)))
            cleared = _write(store, partial(_clear_some, space=space, limit=limit))
            removed += cleared
    if notes:
        _write(store, _remove_stale_notes)
    return removed


def _dropped_spaces(reader: ReadTransaction, catalog: Catalog) -> Iterator[int]:
    """Spaces with entries and without an index. O(spaces * log entries)."""
    low = b""
    while (entry := next(reader.scan(Database.INDEXES, low, None, expected=1), None)) is not None:
        space = space_of(entry[0])
        if space not in catalog.indexes_by_space:
            yield space
        low = space_bounds(space)[1]


def _clear_some(writer: WriteTransaction, *, space: int, limit: int) -> int:
    if space in load_catalog(writer).indexes_by_space:
        return 0
    keys = [key for key, _ in islice(writer.scan(Database.INDEXES, *space_bounds(space)), limit)]
    return writer.delete_many(Database.INDEXES, keys)


def _stale_notes(reader: ReadTransaction, catalog: Catalog) -> list[int]:
    """Spaces of notes about indexes that are not being filled."""
    building = {i.space for i in catalog.indexes_by_space.values() if i.state == "building"}
    return [space for space in spaces_noted(reader) if space not in building]


def _remove_stale_notes(writer: WriteTransaction) -> None:
    for space in _stale_notes(writer, load_catalog(writer)):
        remove_note(writer, space)
