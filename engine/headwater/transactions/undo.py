"""Commits undone and documents restored, by new commits that write earlier versions again.

What there is to go back to is looked up in the log first. It is written in turn, by the first
transaction of a batch: nothing can come between the look at what the documents are now and the
commit, and all that was committed before is in the log to be looked at.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Final

from headwater.errors import UndoConflictError
from headwater.storage.codec import unpack
from headwater.tables.catalog import TableInfo
from headwater.tables.horizon import check_horizon
from headwater.transactions.cascades import check_not_pending
from headwater.transactions.commit_request import CommitRequest, Run
from headwater.transactions.deletion import delete_documents
from headwater.transactions.existing import Existing
from headwater.transactions.origins import origin_of
from headwater.transactions.reader import table_number_of, table_of
from headwater.transactions.references import check_references
from headwater.transactions.revival import revive
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater.transactions.undone_commits import (
    Earlier,
    Undone,
    Wanted,
    as_of,
    check_ts,
    later_commits,
    newest_ts,
    undone,
)
from headwater.transactions.writer import Writer

_LATER_MAX: Final = 10
"""Later commits of one document that an error names."""

_SHOWN_MAX: Final = 3
"""Documents, and commits of each, that the message of an error names."""


class _ChangedSinceError(Exception):
    """Documents that have changed since. It stays in here: what is raised names the commits too."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(ids)
        self.ids = ids


class _WentOnError(Exception):
    """A cascade that the commit began has gone on since it was looked for. It stays in here."""


# What is asked for ------------------------------------------------------------------------------


def undo(
    store: Store,
    ts: int,
    *,
    override: bool,
    along: Callable[[Transaction], None] | None = None,
) -> int:
    """Let the documents of a commit go back to their versions before; see `Database.undo`.

    Args:
        store: The database.
        ts: Timestamp of the commit.
        override: Whether documents that have changed since are written over.
        along: What else is written in the same transaction.
    """
    while True:
        with closing(store.snapshot()) as snapshot:
            found = undone(snapshot, ts)
        try:
            return _in_turn(
                store, "_undo", {"undoes": ts}, partial(_undo, store, found, override, along)
            )
        except _WentOnError:
            continue  # it ends: each of its steps leaves less
        except _ChangedSinceError as error:
            since = {id: found.left_at[id] for id in error.ids}
            raise _conflict(store, f"commit {ts} cannot be undone", ts, since) from None


def _undo(
    store: Store,
    found: Undone,
    override: bool,  # noqa: FBT001 - bound above, in order
    along: Callable[[Transaction], None] | None,
    transaction: Transaction,
) -> bool:
    restoring = _Restoring(transaction, store.rules)
    left, wanted = found.left, found.before
    changed = [] if override else [id for id in left if restoring.differs(id, left, wanted)]
    has_stopped = restoring.stop(found.cascades)
    has_changed = restoring.write(wanted, changed, override=override) or has_stopped
    if along is not None:
        along(transaction)
    return has_changed


def restore(store: Store, id: str, ts: int, *, override: bool) -> int:
    """Let a document go back to what it was at a moment; see `Database.restore`."""
    check_ts(ts)
    table_number_of(id)
    with closing(store.snapshot()) as snapshot:
        check_horizon(snapshot.reader, ts)
        wanted = {id: as_of(snapshot.reader, id, ts)}

    def run(transaction: Transaction) -> bool:
        restoring = _Restoring(transaction, store.rules)
        is_changed = restoring.differs(id, wanted) and restoring.changed_twice_since(id, ts)
        changed = [id] if is_changed and not override else []
        return restoring.write(wanted, changed, override=override)

    try:
        return _in_turn(store, "_restore", {"restores": ts}, run)
    except _ChangedSinceError as error:
        since = dict.fromkeys(error.ids, ts)
        raise _conflict(store, f"{id} cannot be restored as of {ts}", ts, since) from None


def _in_turn(store: Store, function: str, details: Mapping[str, Any], run: Run) -> int:
    """Run in turn; returns the timestamp of the commit, 0 if nothing had to change."""
    request = CommitRequest(replace(origin_of(function), details=details), run=run)
    request.is_first = True
    has_changed: bool = store.committer.run(request)
    return request.ts if has_changed else 0


# What is written --------------------------------------------------------------------------------


class _Restoring(Writer):
    """Writes earlier versions of documents."""

    __slots__ = ()

    def differs(self, id: str, *others: Wanted) -> bool:
        """Whether a document is another one now than all of these say."""
        existing = self._transaction.existing(id.encode("ascii"))
        now = _state(existing)
        return all(now != other[id] for other in others)

    def changed_twice_since(self, id: str, ts: int) -> bool:
        """Whether more than one commit after ``ts`` has changed a document."""
        return len(later_commits(self._transaction.snapshot.reader, id.encode("ascii"), ts, 2)) == 2

    def stop(self, cascades: Mapping[str, int]) -> bool:
        """End cascades that are under way; returns whether one was.

        Args:
            cascades: Their documents, and the commit in which each was seen to go on last.

        Raises:
            _WentOnError: One has gone on since.
        """
        reader, is_stopped = self._transaction.snapshot.reader, False
        for id, ts in cascades.items():
            if newest_ts(reader, id.encode("ascii")) != ts:
                raise _WentOnError
            existing = self._transaction.existing(id.encode("ascii"))
            table = self._transaction.snapshot.catalog.table_of(id)
            if existing is not None and table is not None:
                self._transaction.remove(table, id, existing)
                is_stopped = True
        return is_stopped

    def write(self, wanted: Wanted, changed: list[str], *, override: bool) -> bool:
        """Let documents go back, all of them or none; returns whether one had to change.

        Args:
            wanted: What they go back to.
            changed: Those that have changed since, if that counts.
            override: Whether what refers to documents that go away does not hold them, and is
                treated as by a deletion.

        Raises:
            _ChangedSinceError: There are some that have changed since.
            DocumentInvalidError: One does not fit the type that its table has now.
            UniqueViolationError: A unique index holds one of their keys.
            DanglingReferenceError: One would refer to a document that is not there.
            ReferencedError: One goes away, and a document refers to it.
        """
        if changed:
            raise _ChangedSinceError(changed)
        before: dict[str, Mapping[str, Any]] = {}
        gone: dict[str, TableInfo] = {}
        for id, earlier in wanted.items():
            info = table_of(self._transaction, id)
            existing = self._transaction.existing(id.encode("ascii"))
            if earlier is None and existing is not None:
                gone[id] = info
            elif earlier is not None and earlier != _state(existing):
                self._replace(info, id, existing, earlier)
                before[id] = {} if existing is None else existing.fields
        revived = {id for id, fields in before.items() if not fields}
        if revived:
            check_not_pending(self._transaction, revived)
        delete_documents(self._transaction, gone, is_strict=not override)
        # Once all are there: documents may have exchanged their keys, and refer to each other.
        for id, fields in before.items():
            self._check(id, fields)
        return bool(before or gone)

    def _check(self, id: str, before: Mapping[str, Any]) -> None:
        """Check a document that was written against the others."""
        existing = self._transaction.existing(id.encode("ascii"))
        if existing is None:
            return  # deleted along with one that went away
        info = table_of(self._transaction, id)
        if info.unique_indexes:
            self._check_unique(info, id, existing.fields)
        if info.references:
            check_references(self._transaction, info, id, existing.fields, before)

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


def _state(existing: Existing | None) -> Earlier | None:
    return None if existing is None else Earlier(existing.creation_time, existing.body)


# What stands in the way -------------------------------------------------------------------------


def _conflict(store: Store, what: str, ts: int, since: Mapping[str, int]) -> UndoConflictError:
    with closing(store.snapshot()) as snapshot:
        reader = snapshot.reader
        later = {
            id: later_commits(reader, id.encode("ascii"), at, _LATER_MAX)
            for id, at in since.items()
        }
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
