"""What grows with the number of records, and whether faster than the height of a tree does."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import log
from typing import Any, Final, Literal, NamedTuple

from bench.results import ContestantResult, WorkloadResult
from bench.spread import Spread, ratios, spread_of

RAW: Final = "lmdb-by-hand"
"""The tree with nothing around it: caches and pages cost it what they cost all who use it."""

TOLERANCE: Final = 0.1
"""Growth by less than that is none, and beyond the tree's by less than that is as the tree's."""

DOCUMENTED: Final[dict[str, str]] = {}
"""Operations that are said to grow faster than the tree, and where that is said."""

Verdict = Literal["does not grow", "as the tree", "faster", "faster, as documented"]

_CONTESTANT: Final = re.compile(
    r"(?P<engine>[^,]+), (?P<documents>\d+) documents( with (?P<versions>\d+) times the history)?"
)


class Records(NamedTuple):
    """How much a database holds."""

    documents: int
    versions: int

    @property
    def number(self) -> int:
        """Versions of all documents."""
        return self.documents * self.versions


@dataclass(frozen=True, slots=True)
class Growth:
    """How much longer an operation takes on a larger database of the same engine.

    Attributes:
        operation: Its workload.
        contestant: The larger database.
        base: The smallest one of the engine, without a history.
        height: By how much a tree grows in height from the one's records to the other's:
            the quotient of the logarithms of their numbers.
        samples: The quotient of the times, round by round.
        documents: Of the larger database.
        raw: By how much the same operation grew of raw LMDB, to as many documents; None where
            that was not measured, and of raw LMDB itself.
    """

    operation: str
    contestant: str
    base: str
    height: float
    samples: list[float]
    documents: int
    raw: float | None = None

    @property
    def grown(self) -> Spread:
        """Of the samples."""
        return spread_of(self.samples)

    @property
    def verdict(self) -> Verdict:
        """By the height or by raw LMDB, whichever grew by more.

        Beyond the spread: the low quartile has to lie beyond that bound, too.
        """
        grown, bound = self.grown, max(self.height, self.raw or 0)
        if grown.median <= 1 + TOLERANCE:
            return "does not grow"
        if grown.low_quartile <= bound or grown.median <= bound * (1 + TOLERANCE):
            return "as the tree"
        return "faster, as documented" if self.operation in DOCUMENTED else "faster"

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return {**asdict(self), **asdict(self.grown), "verdict": self.verdict}


def growths_of(results: Sequence[WorkloadResult]) -> list[Growth]:
    """Of each operation, engine and larger database; none of results of other kinds."""
    return [growth for result in results for growth in _with_raw(_growths(result))]


def _with_raw(growths: Sequence[Growth]) -> Iterator[Growth]:
    raw = {one.documents: one.grown.median for one in growths if _engine(one) == RAW}
    for one in growths:
        yield one if _engine(one) == RAW else replace(one, raw=raw.get(one.documents))


def _engine(growth: Growth) -> str:
    return growth.contestant.partition(",")[0]


def _growths(result: WorkloadResult) -> list[Growth]:
    engines: dict[str, list[tuple[Records, ContestantResult]]] = {}
    for contestant in result.contestants:
        match = _CONTESTANT.fullmatch(contestant.name)
        if match:
            records = Records(int(match["documents"]), int(match["versions"] or 1))
            engines.setdefault(match["engine"], []).append((records, contestant))
    found: list[Growth] = []
    for databases in engines.values():
        # First the smallest one without a history, or the smallest one if all have one.
        (least, base), *larger = sorted(databases, key=_size)
        found += [
            Growth(
                operation=result.name,
                contestant=one.name,
                base=base.name,
                height=log(records.number) / log(least.number),
                samples=ratios(base.samples, one.samples),
                documents=records.documents,
            )
            for records, one in larger
        ]
    return found


def _size(database: tuple[Records, ContestantResult]) -> tuple[int, int]:
    records, _ = database
    return records.versions, records.documents
