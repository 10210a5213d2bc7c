"""What is told of the database as a whole, and the numbers behind the plots."""

from contextlib import closing
from itertools import islice
from typing import Any, Final

from headwater._version import __version__
from headwater.dashboard.asked import Asked
from headwater.functions.call_log import CallRecord
from headwater.functions.insights import gather
from headwater.functions.runner import Runner
from headwater.reactive.reactor import Reactor
from headwater.storage.format import Database, timestamp_key, timestamp_of
from headwater.tables.measuring import measure_log

_NS_PER_SECOND: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_COMMITS_MAX: Final = 20_000
_SPAN_SECONDS: Final = 600
_TOP: Final = 15
_NEAR: Final = 0.5
_CALLS_MAX: Final = 1000


class Measures:
    """Measures the database.

    Args:
        runner: Knows what functions did.
        reactor: Knows who watches.
    """

    def __init__(self, runner: Runner, reactor: Reactor) -> None:
        self._runner = runner
        self._reactor = reactor

    def overview(self, _: Asked) -> dict[str, Any]:
        """What stands at the top of every view. Takes less than a millisecond."""
        store = self._runner.store
        numbers = store.environment.stats()
        with closing(store.snapshot()) as snapshot:
            log = measure_log(snapshot.reader, numbers.bytes[Database.LOG])
        return {
            "name": store.environment.path.name,
            "version": __version__,
            "now": store.clock.now_ns() / _NS_PER_MS,
            "commits": log.commits,
            "first": str(log.first_ts),
            "last": str(log.last_ts),
            "horizon": str(log.horizon),
            "bytes": numbers.file_bytes,
            "freeBytes": numbers.free_bytes,
            "logBytes": log.bytes,
            "documentsBytes": numbers.bytes[Database.DOCUMENTS],
            "indexesBytes": numbers.bytes[Database.INDEXES],
            "readers": sum(numbers.readers.values()),
            "liveQueries": len(self._reactor.queries),
            "subscriptions": self._reactor.queries.subscription_count,
        }

    def insights(self, asked: Asked) -> dict[str, Any]:
        """What is slow, what fails, what conflicts; the latest calls, and commits by second."""
        found = gather(self._runner, top=_TOP, near=_NEAR)
        return {
            "overview": self.overview(asked),
            "functions": [
                {
                    "function": one.function,
                    "runs": one.runs,
                    "failures": one.failures,
                    "meanSeconds": one.mean_seconds,
                    "slowestSeconds": one.slowest_seconds,
                    "conflicts": one.conflicts,
                }
                for one in found.slow
            ],
            "conflicts": [
                {
                    "function": one.function,
                    "winner": one.place.winner,
                    "table": one.place.table,
                    "index": one.place.index,
                    "key": one.place.key,
                    "count": one.count,
                }
                for one in found.conflicts
            ],
            "nearLimits": [
                {
                    "function": one.function,
                    "limit": one.limit,
                    "value": one.value,
                    "maximum": one.maximum,
                }
                for one in found.near_limits
            ],
            "cacheHits": found.cache_hits,
            "cacheMisses": found.cache_misses,
            "conflictsLost": sum(
                sum(one.conflicts.values()) for one in list(self._runner.statistics.values())
            ),
            "calls": [_call(one) for one in self._runner.calls.recent(_CALLS_MAX)],
            "commits": self._commits_by_second(),
        }

    def calls(self, asked: Asked) -> dict[str, Any]:
        """The newest calls, with what they logged."""
        failed = True if asked.flag("failed") else None
        function = asked.text("function") if asked.has("function") else None
        found = self._runner.calls.recent(
            asked.count("limit", 100, _CALLS_MAX), function=function, failed=failed
        )
        return {"calls": [_call(one) | _details(one) for one in found]}

    def _commits_by_second(self) -> list[list[int]]:
        """Pairs of a second since the epoch and how many commits it had, of the last ones."""
        store = self._runner.store
        since = store.clock.now_ns() - _SPAN_SECONDS * _NS_PER_SECOND
        counts: dict[int, int] = {}
        with closing(store.snapshot()) as snapshot:
            low = timestamp_key(max(since, 0))
            keys = snapshot.reader.scan(Database.LOG, low, None, reverse=True)
            for key, _ in islice(keys, _COMMITS_MAX):
                second = timestamp_of(key) // _NS_PER_SECOND
                counts[second] = counts.get(second, 0) + 1
        return [[second, count] for second, count in sorted(counts.items())]


def _call(record: CallRecord) -> dict[str, Any]:
    return {
        "function": record.function,
        "kind": record.kind,
        "reason": record.reason,
        "started": record.started,
        "seconds": record.seconds,
        "runs": record.runs,
        "error": record.error,
    }


def _details(record: CallRecord) -> dict[str, Any]:
    return {
        "requestId": record.request_id,
        "identity": record.identity,
        "lines": [{"level": one.level, "message": one.message} for one in record.lines],
    }
