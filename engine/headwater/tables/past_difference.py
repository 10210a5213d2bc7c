"""What two states differ in: the net effect of the commits between them."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from headwater.storage.commit_log import Event, decode_commit
from headwater.storage.format import Database, timestamp_key
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import USER_TABLES_FROM, Catalog
from headwater.tables.history import change_of
from headwater.tables.horizon import check_horizon
from headwater.tables.past import past_snapshot
from headwater.tables.past_versions import Versions
from headwater.tables.records import decode_body
from headwater.tables.replay import creation_time
from headwater.tables.reports import DocumentChange
from headwater.tables.snapshot import Snapshot
from headwater_indexes.ids import table_number_of

_CHUNK: Final = 512


def difference(snapshot: Snapshot, first: int, second: int) -> list[DocumentChange]:
    """Documents that differ between two moments, by table and id.

    What was changed and changed back is no difference, and neither is the order of fields. Tables
    of the catalog are left out. O(commits between the moments), whatever is in the tables.

    Args:
        snapshot: The newest state.
        first: Nanoseconds since the epoch: the state after all commits up to then.
        second: The other moment. If it is earlier, the differences lead back.

    Raises:
        LogTrimmedError: The log does not reach back to one of them.
    """
    reader, low, high = snapshot.reader, min(first, second), max(first, second)
    check_horizon(reader, low)
    before = past_snapshot(reader, snapshot.catalog, low).catalog
    after = past_snapshot(reader, snapshot.catalog, high).catalog
    changes = sorted(_changes(reader, _touched(reader, low, high), before, after), key=_place)
    if first < second:
        return changes
    return [change_of(c.table, c.id, c.after, c.before) for c in changes]


def _place(change: DocumentChange) -> tuple[str, str]:
    return change.table, change.id


def _touched(reader: ReadTransaction, low: int, high: int) -> dict[bytes, tuple[int, int]]:
    """The documents that commits in between touched: their versions before and after."""
    touched: dict[bytes, tuple[int, int]] = {}
    after, until = timestamp_key(low) + b"\x00", timestamp_key(high) + b"\x00"
    for key, value in reader.scan(Database.LOG, after, until):
        commit = decode_commit(key, value)
        for event in commit.events:
            if table_number_of(event.id) >= USER_TABLES_FROM:
                id_key = event.id.encode("ascii")
                before = touched[id_key][0] if id_key in touched else event.previous_ts
                touched[id_key] = (before, commit.ts)
    return touched


def _changes(
    reader: ReadTransaction,
    touched: dict[bytes, tuple[int, int]],
    before: Catalog,
    after: Catalog,
) -> Iterator[DocumentChange]:
    versions, keys = Versions(reader), iter(sorted(touched))
    while chunk := list(islice(keys, _CHUNK)):
        old_events = versions.events([(key, touched[key][0]) for key in chunk])
        new_events = versions.events([(key, touched[key][1]) for key in chunk])
        for key, *events in zip(chunk, old_events, new_events, strict=True):
            old, new = (_document(key, event) for event in events)
            id_text = key.decode("ascii")
            # A table may have been given another number since, and its own to another table.
            table = (before if new is None else after).name_of(table_number_of(id_text))
            change = change_of(table, id_text, old, new)
            if change.changed or (old is None) != (new is None):
                yield change


def _document(key: bytes, event: Event | None) -> dict[str, Any] | None:
    if event is None or event.body is None:
        return None
    return decode_body(key, creation_time(event), event.body)
