"""What Headwater is to reach, as data, and whether it did."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.adapters.catalog import SQLITE
from bench.beside import ALLOWED, BUSY
from bench.results import ContestantResult, WorkloadResult
from bench.spread import Spread, ratios, spread_of

BEST_SQLITE: Final = "best sqlite"
"""The fastest in a workload of `SQLITE`: JSON, generated columns or columns by hand, by the JSON of
the standard library or by orjson. Without orjson it is a weaker peer."""

ABSOLUTE: Final = "an absolute figure"
"""No contestant: the aim is a number of bytes, or of units per second."""

MOST: Final = "most"
"""In the name of a contestant in place of a number: the one with the highest that was measured."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One of them.

    Attributes:
        workload: Its name.
        to: The contestant it is measured by, `BEST_SQLITE` or `ABSOLUTE`.
        ratio: Of the throughputs at least; of sizes at most. Of `ABSOLUTE` the figure itself.
        contestant: Whose it is.
        to_workload: Where `to` is, if not in the same workload. Rounds of two workloads were not
            side by side: each of the one is compared with the median of the other.
    """

    workload: str
    to: str
    ratio: float
    contestant: str = "headwater"
    to_workload: str = ""


_MANY_LIVE: Final = "headwater, 1000 live queries"

AIMS: Final = (
    Aim("get", BEST_SQLITE, 2.0),
    Aim("get", "lmdb-by-hand", 1.0),
    Aim("scan-20", BEST_SQLITE, 1.5),
    Aim("scan-1000", BEST_SQLITE, 1.2),
    Aim("full-scan", BEST_SQLITE, 1.4),
    Aim("bulk", BEST_SQLITE, 1.4),
    Aim("bulk", "lmdb-by-hand", 0.9),
    Aim("insert", BEST_SQLITE, 1.7),
    Aim("patch", BEST_SQLITE, 1.2),
    Aim("durable-1", BEST_SQLITE, 1.0),
    Aim("durable-8", "sqlite-committer", 1.0),
    Aim("durable-8", "sqlite-json", 5.0),
    Aim("durable-64", "sqlite-committer", 1.2),
    Aim("durable-64", "sqlite-json", 12.0),
    # 15,000 a second where inserts that want nothing of each other reach 25,000.
    Aim("replies-256", "headwater", 0.6, to_workload="durable-256"),
    Aim("open", "lmdb-by-hand", 0.5),
    *(
        Aim(workload, f"headwater, {ALLOWED}", 1.0, f"headwater, {BUSY}")
        for workload in ("beside-get", "beside-scan-20", "beside-insert", "beside-durable")
    ),
    Aim("live-untouched", "headwater, 0 live queries", 0.9, f"headwater, {MOST} live queries"),
    Aim("live-update", "pglite, 1000 live queries", 100.0, _MANY_LIVE),
    Aim("live-update-durable", "pglite, 1000 live queries", 25.0, _MANY_LIVE),
    *(
        Aim(workload, "headwater, 1000 subscriptions", 0.25, f"headwater, {MOST} subscriptions")
        for workload in ("affected", "affected-ranges")
    ),
    # 100,000 documents a second where raw bulk load reaches 140,000.
    Aim("rebuild", "lmdb-by-hand", 0.71, to_workload="bulk"),
    Aim("disk", "json", 2.6),
    Aim("memory", ABSOLUTE, 1024, "headwater, an empty result"),
)

GROWTH_AIMS: Final = (
    Aim("growth-open", "lmdb-by-hand, 1000000 documents", 0.5, "headwater, 1000000 documents"),
)
"""Those that `python -m bench growth` measures."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an aim.

    Attributes:
        aim: It.
        of: Whose it is: of `MOST` the one that had most.
        to: Whose row it was measured by: of `BEST_SQLITE` the one that was best.
        is_size: Whether less is better.
        samples: The ratio, round by round.
        failures: Writes that `of` gave up.
    """

    aim: Aim
    of: str
    to: str
    is_size: bool
    samples: list[float]
    failures: int = 0

    @property
    def reached(self) -> Spread:
        """Of the samples."""
        return spread_of(self.samples)

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return {
            **asdict(self.aim),
            "measured_of": self.of,
            "measured_by": self.to,
            "is_size": self.is_size,
            "reached": {**asdict(self.reached), "samples": self.samples},
            "failures": self.failures,
            "is_reached": self.is_reached,
        }

    @property
    def is_reached(self) -> bool:
        """Whether the median is, and nothing was given up."""
        if self.is_size:
            return self.reached.median <= self.aim.ratio
        return self.reached.median >= self.aim.ratio and self.failures == 0


def outcomes_of(results: Sequence[WorkloadResult], aims: Sequence[Aim] = AIMS) -> list[Outcome]:
    """The aims for which both sides were measured."""
    by_name = {result.name: result for result in results}
    found = (
        _outcome(aim, by_name.get(aim.workload), by_name.get(aim.to_workload or aim.workload))
        for aim in aims
    )
    return [outcome for outcome in found if outcome is not None]


def _outcome(
    aim: Aim, result: WorkloadResult | None, other: WorkloadResult | None
) -> Outcome | None:
    if result is None or other is None:
        return None
    ours = _named(result, aim.contestant)
    if ours is None:
        return None
    if aim.to == ABSOLUTE:
        return Outcome(aim, ours.name, ABSOLUTE, result.is_size, ours.samples, ours.failures)
    peer = _best(other) if aim.to == BEST_SQLITE else _named(other, aim.to)
    if peer is None or peer is ours:
        return None
    theirs = [peer.spread.median] * len(ours.samples) if aim.to_workload else peer.samples
    samples = ratios(ours.samples, theirs)
    return Outcome(aim, ours.name, peer.name, result.is_size, samples, ours.failures)


def _named(result: WorkloadResult, name: str) -> ContestantResult | None:
    engine, _, what = name.partition(f", {MOST} ")
    if not what:
        return next((found for found in result.contestants if found.name == name), None)
    pattern = re.compile(rf"{re.escape(engine)}, (\d+) {re.escape(what)}")
    numbered = [
        (int(match[1]), found)
        for found in result.contestants
        if (match := pattern.fullmatch(found.name))
    ]
    return max(numbered, key=lambda pair: pair[0], default=(0, None))[1]


def _best(result: WorkloadResult) -> ContestantResult | None:
    candidates = [found for found in result.contestants if found.name in SQLITE]
    return max(candidates, key=lambda found: found.spread.median, default=None)
