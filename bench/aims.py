"""What Headwater is to reach, as data, and whether it did."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.adapters.catalog import SQLITE
from bench.results import ContestantResult, WorkloadResult
from bench.spread import Spread, ratios, spread_of

BEST_SQLITE: Final = "best sqlite"
"""The fastest in a workload of `SQLITE`: JSON, generated columns or columns by hand, by the JSON of
the standard library or by orjson. Without orjson it is a weaker peer."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One of them.

    Attributes:
        workload: Its name.
        to: The contestant it is measured by, or `BEST_SQLITE`.
        ratio: Of the throughputs at least; of sizes at most.
        contestant: Whose it is.
    """

    workload: str
    to: str
    ratio: float
    contestant: str = "headwater"


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
    Aim("open", "lmdb-by-hand", 0.5),
    Aim("live-untouched", "headwater, 0 live queries", 0.9, _MANY_LIVE),
    Aim("live-update", "pglite, 1000 live queries", 100.0, _MANY_LIVE),
    Aim("disk", "json", 2.6),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an aim.

    Attributes:
        aim: It.
        to: Whose row it was measured by: of `BEST_SQLITE` the one that was best.
        is_size: Whether less is better.
        samples: The ratio, round by round.
    """

    aim: Aim
    to: str
    is_size: bool
    samples: list[float]

    @property
    def reached(self) -> Spread:
        """Of the samples."""
        return spread_of(self.samples)

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return {
            **asdict(self.aim),
            "measured_by": self.to,
            "reached": {**asdict(self.reached), "samples": self.samples},
            "is_reached": self.is_reached,
        }

    @property
    def is_reached(self) -> bool:
        """Whether the median is."""
        if self.is_size:
            return self.reached.median <= self.aim.ratio
        return self.reached.median >= self.aim.ratio


def outcomes_of(results: Sequence[WorkloadResult], aims: Sequence[Aim] = AIMS) -> list[Outcome]:
    """The aims for which both sides were measured."""
    by_name = {result.name: result for result in results}
    found = (_outcome(aim, by_name.get(aim.workload)) for aim in aims)
    return [outcome for outcome in found if outcome is not None]


def _outcome(aim: Aim, result: WorkloadResult | None) -> Outcome | None:
    if result is None:
        return None
    contestants = {contestant.name: contestant for contestant in result.contestants}
    ours = contestants.get(aim.contestant)
    peer = _best(result) if aim.to == BEST_SQLITE else contestants.get(aim.to)
    if ours is None or peer is None:
        return None
    return Outcome(aim, peer.name, result.is_size, ratios(ours.samples, peer.samples))


def _best(result: WorkloadResult) -> ContestantResult | None:
    candidates = [found for found in result.contestants if found.name in SQLITE]
    return max(candidates, key=lambda found: found.spread.median, default=None)
