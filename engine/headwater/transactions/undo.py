"""Commits undone and documents restored, by new commits that write earlier versions again.

What there is to go back to is looked up in the log first. It is written in turn, by the first
transaction of a batch: nothing can come between the look at what the documents are now and the
commit, and all that was committed before is in the log to be looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

from headwater.errors import ArgumentError, DocumentNotFoundError, UndoConflictError, UsageError
from headwater.storage import commit_log
from headwater.storage.codec import unpack
from headwater.storage.commit_log import Commit, Event
from headwater.storage.format import Database, open_document, timestamp_of
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import Catalog, TableInfo
from headwater.tables.horizon import check_horizon
from headwater.tables.past_versions import Versions
from headwater.tables.replay import creation_time
from headwater.transactions.commit_request import CommitRequest, Run
from headwater.transactions.existing import Existing
from headwater.transactions.origins import origin_of
from headwater.transactions.reader import table_number_of, table_of
from headwater.transactions.revival import revive
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

_LATER_MAX: Final = 10
"""Later commits of one document that an error names."""

_SHOWN_MAX: Final = 3
"""Documents, and commits of each, that the message of an error names."""


class Earlier(NamedTuple):
    """A version of a document that may come back."""

    creation_time: float
    body: bytes


_Wanted: TypeAlias = Mapping[str, Earlier | None]
"""What documents go back to, by id; None for their absence."""


class _ChangedSinceError(Exception):
    """Documents that have changed since. It stays in here: what is raised names the commits too."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(ids)
        self.ids = ids


# What is asked for ------------------------------------------------------------------------------


def undo(store: Store, ts: int, *, override: bool) -> int:
    """Let the documents of a commit go back to their versions before; see `Database.undo`."""
    with closing(store.snapshot()) as snapshot:
        events = _events_of(snapshot.catalog, _commit_at(snapshot.reader, ts))
        wanted = _before(snapshot.reader, events)
    left = {event.id: _earlier(event) for event in events}

    def run(transaction: Transaction) -> bool:
        restoring = _Restoring(transaction, store.rules)
        changed = [] if override else [id for id in left if restoring.differs(id, left, wanted)]
        return restoring.write(wanted, changed)

    try:
        return _in_turn(store, "_undo", {"undoes": ts}, run)
    except _ChangedSinceError as error:
        raise _conflict(store, f"commit {ts} cannot be undone", ts, error.ids) from None


def restore(store: Store, id: str, ts: int, *, override: bool) -> int:
    """Let a document go back to what it was at a moment; see `Database.restore`."""
    _check_ts(ts)
    table_number_of(id)
    with closing(store.snapshot()) as snapshot:
        check_horizon(snapshot.reader, ts)
        wanted = {id: _as_of(snapshot.reader, id, ts)}

    def run(transaction: Transaction) -> bool:
        restoring = _Restoring(transaction, store.rules)
        is_changed = restoring.differs(id, wanted) and restoring.changed_twice_since(id, ts)
        return restoring.write(wanted, [id] if is_changed and not override else [])

    try:
        return _in_turn(store, "_restore", {"restores": ts}, run)
    except _ChangedSinceError as error:
        raise _conflict(store, f"{id} cannot be restored as of {ts}", ts, error.ids) from None


def _in_turn(store: Store, function: str, details: Mapping[str, Any], run: Run) -> int:
    """Run in turn; returns the timestamp of the commit, 0 if nothing had to change."""
    request = CommitRequest(replace(origin_of(function), details=details), run=run)
    request.is_first = True
    has_changed: bool = store.committer.run(request)
    return request.ts if has_changed else 0


# What the log has -------------------------------------------------------------------------------


def _check_ts(ts: int) -> None:
    if type(ts) is not int or not 0 <= ts < 2**63:
        raise ArgumentError(
            f"ts={ts!r}: expected the timestamp of a commit, an int of nanoseconds since the "
            "epoch, as db.history(id) and db.log.read() give them"
        )


def _commit_at(reader: ReadTransaction, ts: int) -> Commit:
    """The commit at a timestamp.

    Raises:
        LogTrimmedError: It was trimmed, or may have been.
        UsageError: There is none.
    """
    _check_ts(ts)
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
    events: list[Event] = []
    for event in commit.events:
        table = catalog.table_of(event.id)
        if table is None or table.is_catalog:
            raise UsageError(
                f"commit {commit.ts} by {commit.origin.function!r} changed tables or indexes, and "
                "cannot be undone; open the database with the earlier declarations instead"
            )
        # What projections write follows from the rest: they are fed with the undo as well.
        if not table.is_system and table.name not in catalog.projections.owners:
            events.append(event)
    if commit.events and not events:
        raise UsageError(
            f"commit {commit.ts} wrote only what a projection makes from other tables; undo the "
            "commits that changed those"
        )
    return events


def _before(reader: ReadTransaction, events: Sequence[Event]) -> _Wanted:
    """The versions that were replaced."""
    versions = [(event.id.encode("ascii"), event.previous_ts) for event in events]
    found = Versions(reader).events(versions)
    return {event.id: _earlier(old) for event, old in zip(events, found, strict=True)}


def _earlier(event: Event | None) -> Earlier | None:
    if event is None or event.body is None:
        return None
    return Earlier(creation_time(event), event.body)


def _as_of(reader: ReadTransaction, id: str, ts: int) -> Earlier | None:
    """A document as it was after all commits up to ``ts``. O(its versions since)."""
    key, versions = id.encode("ascii"), Versions(reader)
    at = _newest(reader, key)
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


def _newest(reader: ReadTransaction, key: bytes) -> int:
    """Timestamp of the commit that changed a document last; 0 for none."""
    record = reader.get(Database.DOCUMENTS, key)
    if record is not None:
        return open_document(key, record)[0]
    tombstone = reader.get(Database.DELETED, key)
    return 0 if tombstone is None else timestamp_of(tombstone)


# What is written --------------------------------------------------------------------------------


class _Restoring(Writer):
    """Writes earlier versions of documents."""

    __slots__ = ()

    def differs(self, id: str, *others: _Wanted) -> bool:
        """Whether a document is another one now than all of these say."""
        existing = self._transaction.existing(id.encode("ascii"))
        now = None if existing is None else Earlier(existing.creation_time, existing.body)
        return all(now != other[id] for other in others)

    def changed_twice_since(self, id: str, ts: int) -> bool:
        """Whether more than one commit after ``ts`` has changed a document."""
        return len(_later(self._transaction.snapshot.reader, id.encode("ascii"), ts, 2)) == 2

    def write(self, wanted: _Wanted, changed: list[str]) -> bool:
        """Let documents go back, all of them or none; returns whether one had to change.

        Raises:
            _ChangedSinceError: There are some that have changed since.
            DocumentInvalidError: One does not fit the type that its table has now.
            UniqueViolationError: A unique index holds one of their keys.
        """
        if changed:
            raise _ChangedSinceError(changed)
        written = [id for id, earlier in wanted.items() if self._put(id, earlier)]
        # Once all are there: documents may have exchanged their keys.
        for id in written:
            info, earlier = table_of(self._transaction, id), wanted[id]
            if earlier is not None and info.unique_indexes:
                self._check_unique(info, id, unpack(earlier.body))
        return bool(written)

    def _put(self, id: str, earlier: Earlier | None) -> bool:
        """Write one version; returns whether that is another one than there is."""
        info = table_of(self._transaction, id)
        existing = self._transaction.existing(id.encode("ascii"))
        if earlier is None:
            if existing is not None:
                self._transaction.remove(info, id, existing)
            return existing is not None
        if existing is not None and earlier == (existing.creation_time, existing.body):
            return False
        self._replace(info, id, existing, earlier)
        return True

    def _replace(
        self, info: TableInfo, id: str, existing: Existing | None, earlier: Earlier
    ) -> None:
        transaction, (created, body) = self._transaction, earlier
        fields = unpack(body)
        self._packed(info, fields, id)
        if existing is not None and existing.creation_time == created:
            transaction.update(info, id, existing, fields, body)
            return
        if existing is not None:  # brought in again since, with another creation time
            transaction.remove(info, id, existing)
        revive(transaction, info, id, created, fields, body)


# What stands in the way -------------------------------------------------------------------------


def _conflict(store: Store, what: str, ts: int, ids: Iterable[str]) -> UndoConflictError:
    with closing(store.snapshot()) as snapshot:
        reader = snapshot.reader
        later = {id: _later(reader, id.encode("ascii"), ts, _LATER_MAX) for id in ids}
    shown = "; ".join(
        f"{id} by {', '.join(map(str, later[id][:_SHOWN_MAX]))}" for id in list(later)[:_SHOWN_MAX]
    )
    more = f" (the first {_SHOWN_MAX} of {len(later)} documents)" if len(later) > _SHOWN_MAX else ""
    return UndoConflictError(
        f"{what}: later commits have changed what it would write over{more}: {shown}. Nothing was "
        "written. Undo those commits first, the newest one first, or pass override=True to write "
        "the earlier versions all the same",
        ts=ts,
        later=later,
    )


def _later(reader: ReadTransaction, key: bytes, ts: int, count: int) -> list[int]:
    """The newest commits after ``ts`` that changed a document, newest first."""
    versions, at = Versions(reader), _newest(reader, key)
    found: list[int] = []
    while at > ts and len(found) < count:
        found.append(at)
        event = versions.event(key, at)
        at = 0 if event is None else event.previous_ts
    return found
