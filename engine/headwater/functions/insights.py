"""Where a database hurts, as `Database.insights` tells it."""

from dataclasses import dataclass
from typing import Final

from headwater.functions.runner import Runner
from headwater.functions.statistics import ConflictPlace

_COUNTED: Final = ("documents_read", "bytes_read", "documents_written", "bytes_written")
"""Limits of one run, and what is noted of each function under the same names."""


@dataclass(frozen=True, slots=True)
class FunctionInsight:
    """One function, since the database was opened by this process.

    Attributes:
        function: Its path.
        runs: How often it ran, for callers and for live queries.
        failures: Runs that raised.
        mean_seconds: Moving average of their duration.
        slowest_seconds: Of the longest.
        conflicts: How often it lost to other commits.
    """

    function: str
    runs: int
    failures: int
    mean_seconds: float
    slowest_seconds: float
    conflicts: int


@dataclass(frozen=True, slots=True)
class ConflictInsight:
    """Where a function lost to others.

    Attributes:
        function: Who lost.
        place: To whom, and over which key.
        count: How often.
    """

    function: str
    place: ConflictPlace
    count: int


@dataclass(frozen=True, slots=True)
class LimitInsight:
    """A function that came near a limit.

    Attributes:
        function: Its path.
        limit: The field of `Limits`.
        value: The most that one run has used.
        maximum: The limit.
    """

    function: str
    limit: str
    value: float
    maximum: float

    @property
    def share(self) -> float:
        """How much of the limit that is; 1 is all of it."""
        return self.value / self.maximum


@dataclass(frozen=True, slots=True)
class Insights:
    """Where a database hurts, as this process has seen it since it was opened.

    Attributes:
        slow: Functions, the one with the slowest run first.
        failing: Those of them that raised, the most often failing first.
        conflicts: Where conflicts were lost, the most frequent first.
        near_limits: What came near a limit, the nearest first.
        cache_hits: Results of queries that were taken from the cache.
        cache_misses: Those that were looked for in vain; quick queries are not looked for.
        oldest_snapshot_seconds: Age of the oldest open snapshot, which keeps the file from reusing
            space; 0 if there is none.
    """

    slow: tuple[FunctionInsight, ...]
    failing: tuple[FunctionInsight, ...]
    conflicts: tuple[ConflictInsight, ...]
    near_limits: tuple[LimitInsight, ...]
    cache_hits: int
    cache_misses: int
    oldest_snapshot_seconds: float


def gather(runner: Runner, *, top: int, near: float) -> Insights:
    """What the runner of a database has seen; as `Database.insights`."""
    functions = _functions(runner)
    failing = [one for one in functions if one.failures]
    cache = runner.cache
    return Insights(
        slow=tuple(sorted(functions, key=lambda one: -one.slowest_seconds)[:top]),
        failing=tuple(sorted(failing, key=lambda one: -one.failures)[:top]),
        conflicts=tuple(sorted(_conflicts(runner), key=lambda one: -one.count)[:top]),
        near_limits=tuple(
            sorted(
                (one for one in _near_limits(runner) if one.share >= near),
                key=lambda one: -one.share,
            )[:top]
        ),
        cache_hits=cache.hits,
        cache_misses=cache.misses,
        oldest_snapshot_seconds=runner.store.environment.stats().oldest_snapshot_seconds,
    )


def _functions(runner: Runner) -> list[FunctionInsight]:
    return [
        FunctionInsight(
            path,
            seen.runs,
            seen.failures,
            seen.mean_seconds,
            seen.slowest_seconds,
            sum(seen.conflicts.values()),
        )
        for path, seen in list(runner.statistics.items())
        if seen.runs
    ]


def _conflicts(runner: Runner) -> list[ConflictInsight]:
    return [
        ConflictInsight(path, place, count)
        for path, seen in list(runner.statistics.items())
        for place, count in list(seen.conflicts.items())
    ]


def _near_limits(runner: Runner) -> list[LimitInsight]:
    limits = runner.store.limits
    found = [
        LimitInsight(path, limit, getattr(seen, limit), getattr(limits, limit))
        for path, seen in list(runner.statistics.items())
        for limit in _COUNTED
    ]
    seconds = {"query": limits.query_seconds, "mutation": limits.mutation_seconds}
    for path, function in runner.application.functions.items():
        seen = runner.statistics.get(path)
        maximum = seconds.get(function.kind)
        if seen is not None and maximum is not None:
            limit = f"{function.kind}_seconds"
            found.append(LimitInsight(path, limit, seen.slowest_seconds, maximum))
    return found
