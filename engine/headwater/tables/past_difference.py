"""What two states differ in: the net effect of the commits between them."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from headwater.storage.commit_log import Event, decode_commit
from headwater.storage.format import Database, timestamp_key
from headwater.tables.catalog import USER_TABLES_FROM
from headwater.tables.history import change_of
from headwater.tables.horizon import check_horizon
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
    low, high = min(first, second), max(first, second)
    check_horizon(snapshot.reader, low)
    touched = _touched(snapshot, low, min(high, snapshot.ts))
    names = {number: snapshot.catalog.name_of(number) for number in set(map(_table_of, touched))}
    ordered = sorted(touched, key=lambda key: (names[_table_of(key)], key))
    changes = _changes(snapshot, ordered, touched, names)
    if first > second:
        changes = (change_of(c.table, c.id, c.after, c.before) for c in changes)
    return list(changes)


def _table_of(key: bytes) -> int:
    return table_number_of(key.decode("ascii"))


def _touched(snapshot: Snapshot, low: int, high: int) -> dict[bytes, tuple[int, int]]:
    """The documents that commits in between touched: their versions before and after."""
    touched: dict[bytes, tuple[int, int]] = {}
    after, until = timestamp_key(low) + b"\x00", timestamp_key(high) + b"\x00"
    for key, value in snapshot.reader.scan(Database.LOG, after, until):
        commit = decode_commit(key, value)
        for event in commit.events:
            if table_number_of(event.id) >= USER_TABLES_FROM:
                id_key = event.id.encode("ascii")
                before = touched[id_key][0] if id_key in touched else event.previous_ts
                touched[id_key] = (before, commit.ts)
    return touched


def _changes(
    snapshot: Snapshot,
    ordered: list[bytes],
    touched: dict[bytes, tuple[int, int]],
    names: dict[int, str],
) -> Iterator[DocumentChange]:
    versions, keys = Versions(snapshot.reader), iter(ordered)
    while chunk := list(islice(keys, _CHUNK)):
        before = versions.events([(key, touched[key][0]) for key in chunk])
        after = versions.events([(key, touched[key][1]) for key in chunk])
        for key, old, new in zip(chunk, before, after, strict=True):
            id_text = key.decode("ascii")
            pair = _document(key, old), _document(key, new)
            change = change_of(names[table_number_of(id_text)], id_text, *pair)
            if change.changed or (pair[0] is None) != (pair[1] is None):
                yield change


def _document(key: bytes, event: Event | None) -> dict[str, Any] | None:
    if event is None or event.body is None:
        return None
    return decode_body(key, creation_time(event), event.body)
