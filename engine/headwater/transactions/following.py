"""Projections brought forward by the log, in steps that each are one transaction.

A step reads some changes from where the projection is, applies them, and writes down how far that
came, all in one commit: so each change counts once, whoever takes the step, and a kill costs no
more than the step in hand.

What a trimmed log has at its horizon are the documents as they were then. A projection that is made
from the beginning is fed with them as inserts, whatever the log still knew of them before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import UsageError
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit, Event
from headwater.storage.format import Database, open_document, timestamp_of
from headwater.storage.transactions import ReadTransaction
from headwater.tables.horizon import horizon
from headwater.tables.log_entries import Change, EarlierVersions, change_of
from headwater.tables.projection_info import ProjectionInfo, ProjectionPhase
from headwater.tables.reports import ProjectionStatus
from headwater.tables.snapshot import Snapshot
from headwater.transactions.feeding import Feeder
from headwater.transactions.system_tables import position_of, set_position, set_projection_state
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

if TYPE_CHECKING:
    from headwater.tables.past_versions import Versions

_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
_FAR: Final = 1000
"""Commits that are none of a projection's and are passed without writing down how far it is."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a projection is.

    Attributes:
        ts: Every commit up to here has been applied.
        within: The last document of the commit after ``ts`` whose change has been applied, too.
        base: The horizon of the log when the projection was begun.
        is_clearing: Whether its tables still hold what they held before it was begun.
    """

    ts: int = 0
    within: str = ""
    base: int = 0
    is_clearing: bool = True

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Position":
        """A position from its document."""
        return cls(fields["ts"], fields["within"], fields["base"], fields["clearing"])

    def fields(self) -> dict[str, Any]:
        """The document that says so."""
        return {
            "ts": self.ts,
            "within": self.within,
            "base": self.base,
            "clearing": self.is_clearing,
        }

    def is_lost(self, horizon_ts: int) -> bool:
        """Whether commits that were not applied have been trimmed away."""
        return not self.is_clearing and self.ts < horizon_ts != self.base


BEGINNING: Final = Position()


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step has done.

    Attributes:
        position: As it is written down.
        ts: How far the log was read; later than the position where nothing was wanted.
        is_at_head: Whether that is all of the transaction's snapshot.
    """

    position: Position
    ts: int
    is_at_head: bool


@dataclass(frozen=True, slots=True)
class Stride:
    """How far one step may go.

    Attributes:
        changes: To be applied at most.
        commits: To be read at most.
    """

    changes: int
    commits: int

    def shorter(self) -> "Stride":
        """A stride of a quarter, of one change at least."""
        return Stride(max(1, self.changes // 4), max(1, self.commits // 4))


class Follower:
    """Takes one projection forward. Not safe for several threads at once."""

    def __init__(self, info: ProjectionInfo, feeder: Feeder) -> None:
        self._info = info
        self._feeder = feeder
        self._versions = EarlierVersions()

    def advance(
        self,
        transaction: Transaction,
        writer: Writer,
        stride: Stride,
        *,
        passed: Advance | None = None,
        is_alone: bool = False,
    ) -> Advance:
        """Take one step, as writes of a transaction.

        A projection that is being made becomes ready with the step that ends at the head.

        Args:
            transaction: Sees all commits in the log of its snapshot, and no others.
            writer: Of this transaction.
            stride: How far to go.
            passed: The last step that was taken here; spares reading what it has passed over.
            is_alone: Whether nobody commits between the snapshot and this transaction. A
                projection that is fed in the transactions of others gets ready only then.
        """
        info, reader = self._info, transaction.snapshot.reader
        position = Position.of(position_of(transaction, info))
        is_lost = position.is_lost(horizon(reader))
        position = BEGINNING if is_lost else position
        state: ProjectionPhase = "building" if is_lost else info.state
        if position.is_clearing and self._clear(writer, stride.changes):
            set_position(transaction, info, position.fields())
            advance = Advance(position, 0, is_at_head=False)
        else:
            advance = self._feed(transaction, position, stride, passed)
        if advance.is_at_head and (is_alone or info.feed == "later"):
            state = "ready"
        if state != info.state:
            set_projection_state(transaction, info, state)
        return advance

    def _clear(self, writer: Writer, count: int) -> int:
        """Delete some of what the tables hold; returns how much."""
        found = [row for table in self._info.into for row in writer.query(table).take(count)]
        for row in found[:count]:
            writer.delete(row["_id"])
        return min(count, len(found))

    def _feed(
        self, transaction: Transaction, position: Position, stride: Stride, passed: Advance | None
    ) -> Advance:
        if position.is_clearing:
            base = horizon(transaction.snapshot.reader)
            position = Position(base=base, is_clearing=False)
        start = position.ts
        if passed is not None and passed.position == position and not position.within:
            start = max(start, passed.ts)
        chunk = _Chunk(position, start)
        is_at_head = chunk.read(transaction.snapshot, self._info, self._versions, stride)
        self._feeder.apply(transaction, chunk.changes)
        reached = Position(chunk.ts, chunk.within, position.base, is_clearing=False)
        stored = Position.of(position_of(transaction, self._info))
        if chunk.changes or chunk.passed > _FAR or stored.is_clearing:
            set_position(transaction, self._info, reached.fields())
            stored = reached
        return Advance(stored, reached.ts, is_at_head)


class _Chunk:
    """Some changes, in the order of the log, and how far they go."""

    def __init__(self, position: Position, start: int) -> None:
        self._base = position.base
        self.ts = start
        self.within = position.within
        self.changes: list[Change] = []
        self.passed = 0
        self._size = 0

    def read(
        self,
        snapshot: Snapshot,
        info: ProjectionInfo,
        versions: EarlierVersions,
        stride: Stride,
    ) -> bool:
        """Read on; whether that was all that there is."""
        from headwater.tables.past_versions import Versions  # few programs have projections

        commits = commit_log.after(snapshot.reader, self.ts)
        since = Versions(snapshot.reader)
        for commit in islice(commits, stride.commits):
            for change in self._wanted(snapshot, info, (versions, since), commit):
                if len(self.changes) >= stride.changes or self._size >= _BYTES_AT_ONCE:
                    return False
                self.changes.append(change)
                self._size += change.size
                self.within = change.id
            self.ts, self.within = commit.ts, ""
            self.passed += 1
        return self.ts >= snapshot.ts

    def _wanted(
        self,
        snapshot: Snapshot,
        info: ProjectionInfo,
        versions: "tuple[EarlierVersions, Versions]",
        commit: Commit,
    ) -> Iterator[Change]:
        """The changes of a commit that were not applied yet."""
        catalog, reader = snapshot.catalog, snapshot.reader
        earlier, since = versions
        for event in _after(commit.events, self.within):
            table = catalog.table_of(event.id)
            if table is None or table.is_system or not catalog.projections.takes(info, table.name):
                continue
            if commit.ts > self._base:
                yield change_of(table.name, event, earlier.body_before(reader, event))
            elif event.body is not None:
                key = event.id.encode("ascii")
                if since.ts_at(key, _newest_ts(reader, key), self._base) == commit.ts:
                    yield change_of(table.name, event, None)


def settle(transaction: Transaction, before: int) -> int:
    """Write down that nothing older than a moment is needed by any projection any more.

    Args:
        transaction: Sees all commits in the log of its snapshot, and no others.
        before: The log is about to be trimmed up to here, exclusive; nanoseconds since the epoch.

    Returns:
        The moment, or an earlier one: what comes after the snapshot is not known to be settled.

    Raises:
        UsageError: A projection was not fed yet with a change that is older.
    """
    snapshot = transaction.snapshot
    infos = [one for one in snapshot.catalog.projections.by_name.values() if _needs_log(one)]
    for info in infos:
        passed = 0
        for commit in commit_log.after(snapshot.reader, _applied_up_to(snapshot, info)):
            if commit.ts >= before:
                break
            if _is_fed(snapshot, info, commit):
                raise _needed(info, commit)
            passed = commit.ts
        if passed:
            position = Position.of(position_of(transaction, info))
            set_position(transaction, info, replace(position, ts=passed).fields())
    return min(before, snapshot.ts + 1) if infos else before


def _needs_log(info: ProjectionInfo) -> bool:
    """Whether it would be another one if it were made from a shorter log."""
    return info.state == "stale" or (info.state == "ready" and info.feed == "later")


def _needed(info: ProjectionInfo, commit: Commit) -> UsageError:
    return UsageError(
        f"the projection {info.name!r} was not fed yet with commit {commit.ts}, which would be "
        "forgotten: open the database with the module that declares it and call "
        "db.wait_for_projections() first; or drop it, with db.drop_projection()"
    )


def standings(snapshot: Snapshot) -> list[ProjectionStatus]:
    """How each projection stands, by name. O(commits since the position of each)."""
    infos = snapshot.catalog.projections.by_name
    return [_standing(snapshot, info) for _, info in sorted(infos.items())]


def _standing(snapshot: Snapshot, info: ProjectionInfo) -> ProjectionStatus:
    ts = _applied_up_to(snapshot, info)
    lag = sum([_is_fed(snapshot, info, one) for one in commit_log.after(snapshot.reader, ts)])
    ts = ts if lag else snapshot.ts
    return ProjectionStatus(info.name, info.version, info.state, info.feed, ts, lag, None)


def _applied_up_to(snapshot: Snapshot, info: ProjectionInfo) -> int:
    if info.feed == "commit" and info.state == "ready":
        return snapshot.ts
    if info.state == "stale":  # marked by the first commit that it was not fed with
        return _newest_ts(snapshot.reader, info.id.encode("ascii")) - 1
    (document,), _ = snapshot.documents([info.position_id.encode("ascii")])
    return 0 if document["clearing"] else int(document["ts"])


def _is_fed(snapshot: Snapshot, info: ProjectionInfo, commit: Commit) -> bool:
    catalog = snapshot.catalog
    tables = (catalog.table_of(event.id) for event in commit.events)
    return any(
        not table.is_system and catalog.projections.takes(info, table.name)
        for table in tables
        if table is not None
    )


def _after(events: Sequence[Event], id: str) -> Iterator[Event]:
    """The events behind that of a document; all of them for an empty id."""
    if not id:
        return iter(events)
    return islice(dropwhile(lambda event: event.id != id, events), 1, None)


def _newest_ts(reader: ReadTransaction, key: bytes) -> int:
    record = reader.get(Database.DOCUMENTS, key)
    if record is not None:
        return open_document(key, record)[0]
    tombstone = reader.get(Database.DELETED, key)
    return 0 if tombstone is None else timestamp_of(tombstone)
