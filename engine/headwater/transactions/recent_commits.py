"""The keys of the latest commits, kept in memory, and conflicts with them."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from headwater.errors import ConflictError, LogTrimmedError
from headwater.limits import Limits
from headwater.storage import commit_log
from headwater.storage.codec import unpack
from headwater.storage.commit_log import Commit, Event, Version
from headwater.tables.catalog import Catalog, TableInfo
from headwater.tables.horizon import check_horizon, horizon
from headwater.tables.log_entries import EarlierVersions
from headwater.tables.snapshot import DOCUMENTS_SPACE, Snapshot
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.read_set import ReadSet
from headwater_indexes.definition import CREATION_TIME
from headwater_indexes.ids import creation_time_of
from headwater_indexes.keys import decode


class RecentCommits:
    """A window of commits without gaps, ending with the newest that is known.

    Commits of this process are added by the committer; those of other processes are read from
    the log when a snapshot shows that there are some.
    """

    def __init__(self, head_ts: int, limits: Limits) -> None:
        self._commits: deque[CommitKeys] = deque()
        self._commits_max = limits.recent_commits
        self._documents = 0
        self._documents_max = limits.recent_documents
        self._floor = head_ts
        self._head = head_ts
        self._earlier = EarlierVersions()
        self._lock = threading.Lock()

    @property
    def head(self) -> int:
        """Timestamp of the newest commit in the window, or where the window begins."""
        return self._head

    def add(self, commits: Iterable[CommitKeys]) -> None:
        """Append commits of this process; those that are known already are passed over."""
        with self._lock:
            for commit in commits:
                if commit.ts > self._head:
                    self._append(commit)

    def catch_up(self, snapshot: Snapshot) -> bool:
        """Read what other processes have committed up to the snapshot from the log.

        Returns:
            Whether one of those commits changed the catalog.
        """
        if self._head >= snapshot.ts:
            return False
        with self._lock:
            is_cut = self._begin_at_horizon(snapshot)
            missing, earlier = self._missing(snapshot), self._earlier
            foreign = [keys_of(snapshot, commit, earlier) for commit in missing]
            for commit in foreign:
                self._append(commit)
        return is_cut or any(commit.changes_catalog for commit in foreign)

    def _begin_at_horizon(self, snapshot: Snapshot) -> bool:
        """Begin anew if the log was trimmed beyond the window: what lies between is not known."""
        oldest = horizon(snapshot.reader)
        if self._head >= oldest:
            return False
        self._commits.clear()
        self._documents = 0
        self._floor = self._head = oldest
        return True

    def _missing(self, snapshot: Snapshot) -> Iterator[Commit]:
        return commit_log.after(snapshot.reader, self._head)

    def _append(self, commit: CommitKeys) -> None:
        commits = self._commits
        commits.append(commit)
        self._head = commit.ts
        self._documents += len(commit.documents)
        while len(commits) > self._commits_max or (
            self._documents > self._documents_max and len(commits) > 1
        ):
            oldest = commits.popleft()
            self._documents -= len(oldest.documents)
            self._floor = oldest.ts

    def since(self, snapshot: Snapshot, ts: int) -> list[CommitKeys]:
        """Commits after ``ts`` up to the snapshot, oldest first.

        O(their number) while they are in the window, else they are read from the log.

        Raises:
            LogTrimmedError: Some of them have been trimmed away; what they changed is not known.
        """
        self.catch_up(snapshot)
        found = self.between(ts, snapshot.ts)
        if found is not None:
            return found
        check_horizon(snapshot.reader, ts)
        missing, earlier = commit_log.after(snapshot.reader, ts), EarlierVersions()
        return [keys_of(snapshot, commit, earlier) for commit in missing]

    def between(self, after_ts: int, up_to_ts: int) -> list[CommitKeys] | None:
        """Commits of the window after the one and up to the other; None if it begins too late."""
        with self._lock:
            if after_ts < self._floor:
                return None
            found: list[CommitKeys] = []
            for commit in reversed(self._commits):
                if commit.ts <= after_ts:
                    break
                if commit.ts <= up_to_ts:
                    found.append(commit)
        found.reverse()
        return found


def keys_of(
    snapshot: Snapshot, commit: Commit, earlier: EarlierVersions | None = None
) -> CommitKeys:
    """The keys that a logged commit touched, from its documents and the versions before them.

    Args:
        snapshot: A state in which it is.
        commit: What the log says of it.
        earlier: What was read before of the commits that made those versions.
    """
    earlier = earlier or EarlierVersions()
    documents: set[bytes] = set()
    index_keys: dict[int, list[bytes]] = {}
    changes_catalog = False
    indexed: list[tuple[TableInfo, Event]] = []
    for event in commit.events:
        documents.add(event.id.encode("ascii"))
        table = snapshot.catalog.table_of(event.id)
        if table is not None:
            changes_catalog = changes_catalog or table.is_catalog
            if table.indexes:
                indexed.append((table, event))
    before = earlier.versions_before(snapshot.reader, [event for _, event in indexed])
    for table, event in indexed:
        for version in (event[2:], before[event.id]):
            if version is not None:
                _add_keys(index_keys, table, event.id, version)
    return CommitKeys(
        commit.ts,
        commit.previous_ts,
        commit.origin.function,
        documents,
        index_keys,
        changes_catalog=changes_catalog,
    )


def _add_keys(
    index_keys: dict[int, list[bytes]], table: TableInfo, id: str, version: Version
) -> None:
    created, body = version
    if body is None:
        return
    fields = unpack(body)
    if table.foreign_ids:
        fields[CREATION_TIME] = creation_time_of(id) if created is None else created
    for index in table.indexes:
        index_keys.setdefault(index.space, []).append(index.key_of(fields, id))


def find_conflict(
    reads: ReadSet, commits: Iterable[CommitKeys], catalog: Catalog, who: str
) -> ConflictError | None:
    """The first commit that changed something that was read, as an error, or None."""
    for commit in commits:
        touched = reads.touched_by(commit)
        if touched is not None:
            return _conflict(commit, *touched, catalog, who)
    return None


def trimmed_conflict(error: LogTrimmedError, who: str) -> ConflictError:
    """The error of a transaction that is older than what the log still tells."""
    return ConflictError(
        f"{who} lost: the log was trimmed to commit {error.horizon} since it began, and whether "
        "others have changed what it had read is not known any more. Nothing was written. Run it "
        "again on a new snapshot: db.transact(...) and mutations do that by themselves",
        ts=error.horizon,
        function="",
        table="",
        index="",
        key=(),
    )


def _conflict(
    commit: CommitKeys, space: int, key: bytes, catalog: Catalog, who: str
) -> ConflictError:
    table, index, values = _place(space, key, catalog)
    winner = f"{commit.function!r}" if commit.function else "another transaction"
    shown = ", ".join(repr(value) for value in values)
    return ConflictError(
        f"{who} lost: commit {commit.ts} by {winner} changed {table}.{index} at ({shown}), which "
        "it had read. Nothing was written. Run it again on a new snapshot: db.transact(...) and "
        "mutations do that by themselves",
        ts=commit.ts,
        function=commit.function,
        table=table,
        index=index,
        key=values,
    )


def _place(space: int, key: bytes, catalog: Catalog) -> tuple[str, str, list[object]]:
    """Table, index and values of a key."""
    if space == DOCUMENTS_SPACE:
        id_text = key.decode("ascii")
        table = catalog.table_of(id_text)
        return (table.name if table else "?", "by_id", [id_text])
    index = catalog.indexes_by_space.get(space)
    if index is None:
        return ("?", f"index {space}", [])
    table = catalog.by_number[index.table_number]
    return (table.name, index.name, list(decode(index.fields_of(key, table.id_length))))
