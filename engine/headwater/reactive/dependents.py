"""Who depends on which keys, and up to which commit that has been looked at."""

from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from headwater.errors import LogTrimmedError
from headwater.tables.catalog import INDEXES_NUMBER
from headwater.tables.snapshot import DOCUMENTS_SPACE, Snapshot
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.recent_commits import RecentCommits
from headwater_indexes.ids import table_bounds
from headwater_indexes.interval_map import IntervalMap
from headwater_indexes.intervals import Interval

S = TypeVar("S", bound=Hashable)

_INDEXES: Final = table_bounds(INDEXES_NUMBER)


class Dependents(Generic[S]):
    """An interval map that is moved along the log. The caller holds a lock around each call.

    Attributes:
        ts: All commits up to this one have been looked at.
    """

    def __init__(
        self,
        recent: RecentCommits,
        touch: Callable[[S, int], None],
        everyone: Callable[[], Iterable[S]],
    ) -> None:
        self._recent = recent
        self._touch = touch
        self._everyone = everyone
        self._map: IntervalMap[S] = IntervalMap()
        self.ts: int = recent.head

    def add(self, dependent: S, intervals: Iterable[Interval]) -> None:
        """Depend on intervals. O(log n) each."""
        for interval in intervals:
            self._map.add(dependent, interval)

    def remove(self, dependent: S, intervals: Iterable[Interval]) -> None:
        """Depend on them no more."""
        for interval in intervals:
            self._map.remove(dependent, interval)

    def advance(self, snapshot: Snapshot) -> None:
        """Look at every commit up to the snapshot."""
        if snapshot.ts > self.ts:
            if self._map:
                try:
                    self._look_at(self._recent.since(snapshot, self.ts))
                except LogTrimmedError:
                    # What was changed meanwhile is not known any more: it may be anything.
                    for dependent in list(self._everyone()):
                        self._touch(dependent, snapshot.ts)
            self.ts = snapshot.ts

    def advance_by(self, commits: list[CommitKeys]) -> None:
        """Look at commits of this process, unless others lie between that have to come first."""
        if commits and commits[0].previous_ts == self.ts:
            self._look_at(commits)
            self.ts = commits[-1].ts

    def were_touched(self, intervals: Iterable[Interval], ts: int) -> bool:
        """Whether a commit after ``ts`` that has been looked at may have touched an interval."""
        if self.ts <= ts:
            return False
        if self._recent.head < self.ts:
            return True  # nobody depended on anything when it was passed, and nobody read it
        commits = self._recent.between(ts, self.ts)
        return commits is None or any(
            _renumbers(commit)
            or commit.first_within(interval.space, interval.low, interval.high) is not None
            for interval in intervals
            for commit in commits
        )

    def of(self, commit: CommitKeys) -> set[S]:
        """Who depends now on a key that a commit touched."""
        if _renumbers(commit):
            return set(self._everyone())
        return self._map.touched_many(commit.by_space())

    def _look_at(self, commits: list[CommitKeys]) -> None:
        for commit in commits:
            for dependent in self.of(commit):
                self._touch(dependent, commit.ts)

    def check(self) -> None:
        """Check the invariants of the map. O(n)."""
        self._map.check()


def _renumbers(commit: CommitKeys) -> bool:
    """Whether an index came, went or changed: later commits may touch other spaces than before."""
    return commit.changes_catalog and commit.first_within(DOCUMENTS_SPACE, *_INDEXES) is not None
