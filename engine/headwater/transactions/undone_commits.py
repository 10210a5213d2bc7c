"""What the log has of commits that are to be undone, and of documents that are to go back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from headwater.errors import ArgumentError, DocumentNotFoundError, UsageError
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit, Event
from headwater.storage.format import Database, open_document, timestamp_of
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import CASCADES, Catalog
from headwater.tables.horizon import check_horizon
from headwater.tables.past_versions import Versions
from headwater.tables.replay import creation_time
from headwater.tables.snapshot import Snapshot


class Earlier(NamedTuple):
    """A version of a document that may come back."""

    creation_time: float
    body: bytes


Wanted: TypeAlias = Mapping[str, Earlier | None]
"""What documents go back to, by id; None for their absence."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What a commit did to documents, together with what a cascade that it began did afterwards.

    Attributes:
        before: The versions that were replaced.
        left: The versions that replaced them.
        left_at: The commits that these are of.
        cascades: The cascades that it began, and the commit in which each went on last.
    """

    before: dict[str, Earlier | None]
    left: dict[str, Earlier | None]
    left_at: dict[str, int]
    cascades: dict[str, int]


def undone(snapshot: Snapshot, ts: int) -> Undone:
    """What there is to undo of a commit. O(documents that it and its cascades changed).

    Raises:
        LogTrimmedError: It was trimmed, or may have been.
        UsageError: There is none, or it changed the catalog, or only what projections make.
    """
    reader, catalog = snapshot.reader, snapshot.catalog
    commit = _commit_at(reader, ts)
    cascades = {id: newest_ts(reader, id.encode("ascii")) for id in _begun(catalog, commit)}
    found = Undone({}, {}, {}, cascades)
    _add(found, reader, commit.ts, _events_of(catalog, commit))
    later = {at for id in cascades for at in later_commits(reader, id.encode("ascii"), ts)}
    for at in sorted(later):
        step = commit_log.read(reader, at)
        if step is not None:
            _add(found, reader, at, _of_application(catalog, step))
    return found


def commits_of(snapshot: Snapshot, job: str, after: int) -> list[int]:
    """The commits of a job that changed documents of the application, newest first.

    O(versions of the job's document, and documents that its commits changed).

    Args:
        snapshot: What is read.
        job: Id of the document that each of its commits changes too.
        after: Only later ones.
    """
    found: list[int] = []
    for ts in later_commits(snapshot.reader, job.encode("ascii"), after):
        commit = commit_log.read(snapshot.reader, ts)
        is_its = commit is not None and commit.origin.details.get("job") == job
        if commit is not None and is_its and _of_application(snapshot.catalog, commit):
            found.append(ts)
    return found


def _add(found: Undone, reader: ReadTransaction, ts: int, events: Sequence[Event]) -> None:
    """Take in one more commit, later than those before."""
    replaced = Versions(reader).events(
        [(event.id.encode("ascii"), event.previous_ts) for event in events]
    )
    for event, old in zip(events, replaced, strict=True):
        found.before.setdefault(event.id, _earlier(old))
        found.left[event.id] = _earlier(event)
        found.left_at[event.id] = ts


def _begun(catalog: Catalog, commit: Commit) -> list[str]:
    """The cascades that a commit has begun."""
    cascades = catalog.by_name.get(CASCADES)
    return [
        event.id
        for event in commit.events
        if cascades is not None and not event.previous_ts and catalog.table_of(event.id) is cascades
    ]


def check_ts(ts: int) -> None:
    """Refuse what is no timestamp.

    Raises:
        ArgumentError: It is none.
    """
    if type(ts) is not int or not 0 <= ts < 2**63:
        raise ArgumentError(
            f"ts={ts!r}: expected the timestamp of a commit, an int of nanoseconds since the "
            "epoch, as db.history(id) and db.log.read() give them"
        )


def _commit_at(reader: ReadTransaction, ts: int) -> Commit:
    """The commit at a timestamp."""
    check_ts(ts)
    # The commit at the horizon itself is there, and what it did may have been trimmed.
    check_horizon(reader, ts - 1)
    commit = commit_log.read(reader, ts)
    if commit is None:
        raise UsageError(
            f"there is no commit {ts}; db.history(id) and db.log.read() give the timestamps of "
            "commits"
        )
    return commit


def _events_of(catalog: Catalog, commit: Commit) -> list[Event]:
    """What a commit did to documents of the application.

    Raises:
        UsageError: It changed the catalog, or only what projections make.
    """
    for event in commit.events:
        table = catalog.table_of(event.id)
        if table is None or table.is_catalog:
            raise UsageError(
                f"commit {commit.ts} by {commit.origin.function!r} changed tables or indexes, and "
                "cannot be undone; open the database with the earlier declarations instead"
            )
    events = _of_application(catalog, commit)
    if commit.events and not events:
        raise UsageError(
            f"commit {commit.ts} wrote only what a projection makes from other tables; undo the "
            "commits that changed those"
        )
    return events


def _of_application(catalog: Catalog, commit: Commit) -> list[Event]:
    """The events of documents that the application writes itself.

    What projections write follows from the rest: they are fed with the undo as well.
    """
    tables = ((event, catalog.table_of(event.id)) for event in commit.events)
    return [
        event
        for event, table in tables
        if table is not None
        and not table.is_system
        and table.name not in catalog.projections.owners
    ]


def _earlier(event: Event | None) -> Earlier | None:
    if event is None or event.body is None:
        return None
    return Earlier(creation_time(event), event.body)


# Single documents -------------------------------------------------------------------------------


def as_of(reader: ReadTransaction, id: str, ts: int) -> Earlier | None:
    """A document as it was after all commits up to ``ts``. O(its versions since).

    Raises:
        DocumentNotFoundError: The log knows no version of it.
    """
    key, versions = id.encode("ascii"), Versions(reader)
    at = newest_ts(reader, key)
    if not at:
        raise DocumentNotFoundError(
            f"cannot restore {id!r}: the log knows no version of it; it was never committed, or "
            "it was deleted and the log has been trimmed since",
            id=id,
        )
    while at > ts:
        event = versions.event(key, at)
        at = 0 if event is None else event.previous_ts
    return _earlier(versions.event(key, at))


def newest_ts(reader: ReadTransaction, key: bytes) -> int:
    """Timestamp of the commit that changed a document last; 0 for none."""
    record = reader.get(Database.DOCUMENTS, key)
    if record is not None:
        return open_document(key, record)[0]
    tombstone = reader.get(Database.DELETED, key)
    return 0 if tombstone is None else timestamp_of(tombstone)


def later_commits(
    reader: ReadTransaction, key: bytes, ts: int, count: int | None = None
) -> list[int]:
    """The commits after ``ts`` that changed a document, newest first; at most ``count``."""
    versions, at = Versions(reader), newest_ts(reader, key)
    found: list[int] = []
    while at > ts and (count is None or len(found) < count):
        found.append(at)
        event = versions.event(key, at)
        at = 0 if event is None else event.previous_ts
    return found
