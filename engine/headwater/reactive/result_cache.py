"""Results of queries that are asked again, kept until a commit touches what they read."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

from headwater.reactive.dependents import Dependents
from headwater.tables.snapshot import Snapshot
from headwater.transactions.recent_commits import RecentCommits
from headwater_indexes.intervals import Interval

_SEEN_MAX = 4096
_OVERHEAD_BYTES = 512


class CachedResult:
    """One packed result with what it depends on."""

    __slots__ = ("intervals", "key", "result")

    def __init__(self, key: Hashable, result: bytes, intervals: frozenset[Interval]) -> None:
        self.key: Hashable = key
        self.result: bytes = result
        self.intervals: frozenset[Interval] = intervals

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return len(self.result) + _OVERHEAD_BYTES * (1 + len(self.intervals))


class ResultCache:
    """Least recently used results go first. Safe for any thread.

    A result is admitted when the same query is run a second time, so that queries that are asked
    once cost nothing but a note that they were.
    """

    def __init__(self, recent: RecentCommits, maximum_bytes: int) -> None:
        self._maximum_bytes = maximum_bytes
        self._lock = threading.Lock()
        self._results: OrderedDict[Hashable, CachedResult] = OrderedDict()
        self._seen: OrderedDict[Hashable, None] = OrderedDict()
        self._dependents: Dependents[CachedResult] = Dependents(
            recent, self._touch, self._results.values
        )
        self._size = 0
        self.hits: int = 0
        self.misses: int = 0

    def find(self, keys: Sequence[Hashable], snapshot: Snapshot) -> bytes | None:
        """The result of a query on the snapshot, if it is known under one of the keys."""
        with self._lock:
            self._dependents.advance(snapshot)
            if self._dependents.ts <= snapshot.ts:
                for key in keys:
                    if key in self._results:
                        self._results.move_to_end(key)
                        self.hits += 1
                        return self._results[key].result
            self.misses += 1
            return None

    def wants(self, key: Hashable) -> bool:
        """Whether a result is worth keeping: it has been asked for before."""
        with self._lock:
            if key in self._seen:
                return True
            self._seen[key] = None
            if len(self._seen) > _SEEN_MAX:
                self._seen.popitem(last=False)
            return False

    def put(
        self, key: Hashable, result: bytes, intervals: frozenset[Interval], snapshot: Snapshot
    ) -> None:
        """Keep a result, unless a commit has touched it already."""
        with self._lock:
            self._dependents.advance(snapshot)
            if key in self._results or self._dependents.were_touched(intervals, snapshot.ts):
                return
            cached = CachedResult(key, result, intervals)
            self._results[key] = cached
            self._dependents.add(cached, intervals)
            self._size += cached.size
            while self._size > self._maximum_bytes:
                self._drop(next(iter(self._results.values())))

    def _touch(self, cached: CachedResult, _ts: int) -> None:
        self._drop(cached)

    def _drop(self, cached: CachedResult) -> None:
        del self._results[cached.key]
        self._dependents.remove(cached, cached.intervals)
        self._size -= cached.size
