"""The versions of one document, found by following its previous timestamps through the log."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from headwater.errors import InvalidIdError
from headwater.storage import commit_log
from headwater.storage.codec import pack, unpack
from headwater.storage.commit_log import NO_ORIGIN, Event, Origin
from headwater.storage.format import TIMESTAMP, Database, open_document
from headwater.tables.records import decode_body
from headwater.tables.reports import DocumentChange, Revision
from headwater.tables.snapshot import Snapshot
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_time_of
from headwater_indexes.values import MISSING


class _Version(NamedTuple):
    ts: int
    origin: Origin
    creation_time: float
    body: bytes | None
    previous_ts: int
    is_known: bool
    """Whether its commit is in the log, and with it the timestamp of the version before."""


def history(snapshot: Snapshot, id: str) -> list[Revision]:
    """Every version of a document that the log has, newest first. O(number of versions).

    A commit that is not in the log ends it: the last revision then has ``is_cut`` set. A document
    that never existed has no history.

    Raises:
        InvalidIdError: The string is no id.
        CorruptionError: One of the commits is damaged.
    """
    versions = list(_versions(snapshot, id))
    return [_revision(id, *pair) for pair in zip_longest(versions, versions[1:])]


def _versions(snapshot: Snapshot, id: str) -> Iterator[_Version]:
    """Versions from the newest to the oldest that is in the log."""
    try:
        created = creation_time_of(id)
    except MalformedIdError as error:
        raise InvalidIdError(f"{error}; expected the _id of a document") from None
    newest = _newest(snapshot, id.encode("ascii"), created)
    if newest is None:
        return
    ts = newest.ts
    while ts:
        commit = commit_log.read(snapshot.reader, ts)
        event = None if commit is None else event_of(commit.events, id)
        if commit is None or event is None:
            if ts == newest.ts:
                yield newest
            return
        time = created if event.creation_time is None else event.creation_time
        yield _Version(ts, commit.origin, time, event.body, event.previous_ts, is_known=True)
        ts = event.previous_ts


def _newest(snapshot: Snapshot, key: bytes, created: float) -> _Version | None:
    """The newest version as the tables have it."""
    record = snapshot.record(key)
    if record is not None:
        ts, creation_time, body = open_document(key, record)
        return _Version(ts, NO_ORIGIN, creation_time, body, 0, is_known=False)
    tombstone = snapshot.reader.get(Database.DELETED, key)
    if tombstone is None:
        return None
    return _Version(TIMESTAMP.unpack(tombstone)[0], NO_ORIGIN, created, None, 0, is_known=False)


def event_of(events: Iterable[Event], id: str) -> Event | None:
    """What a commit did to one document."""
    return next((event for event in events if event.id == id), None)


def _revision(id: str, version: _Version, before: _Version | None) -> Revision:
    key = id.encode("ascii")
    is_cut = before is None and (version.previous_ts > 0 or not version.is_known)
    document = None
    if version.body is not None:
        document = decode_body(key, version.creation_time, version.body)
    old = None if before is None else before.body
    changed = {} if is_cut else changed_fields(_fields(old), _fields(version.body))
    return Revision(version.ts, version.origin, document, changed, is_cut)


def _fields(body: bytes | None) -> dict[str, Any]:
    return {} if body is None else unpack(body)


def change_of(
    table: str, id: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> DocumentChange:
    """How a document differs between two states."""
    changed = changed_fields(_user_fields(before), _user_fields(after))
    return DocumentChange(table, id, before, after, changed)


def _user_fields(document: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (document or {}).items() if name[0] != "_"}


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Fields whose stored bytes differ, with their old and new values."""
    names = [*old, *(name for name in new if name not in old)]
    pairs = {name: (old.get(name, MISSING), new.get(name, MISSING)) for name in names}
    return {name: pair for name, pair in pairs.items() if not _is_same(*pair)}


def _is_same(old: Any, new: Any) -> bool:
    if old is MISSING or new is MISSING:
        return False
    return pack(old) == pack(new)
