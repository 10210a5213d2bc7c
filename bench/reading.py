"""Results that were written before, read again."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from bench.results import FORMAT, SUITE, ContestantResult, WorkloadResult
from bench.spread import Spread, spread_of


class UnreadableResults(Exception):  # noqa: N818 - says what a file is not
    """The file holds no results of this suite, or of another format."""


class Place(NamedTuple):
    """What a figure is of."""

    workload: str
    contestant: str


def only(results: dict[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    """The same results with only some of the workloads.

    Raises:
        UnreadableResults: One of them is not in the results.
    """
    if names is None:
        return results
    there = [workload["name"] for workload in results["workloads"]]
    for name in names:
        if name not in there:
            raise UnreadableResults(f"no workload {name} in these results, only {', '.join(there)}")
    kept = [workload for workload in results["workloads"] if workload["name"] in names]
    return {**results, "workloads": kept}


@dataclass(frozen=True, slots=True)
class Figure:
    """What one contestant did in one workload, in one run or several.

    Attributes:
        kind: What `samples` are: ratios to the baseline, units per second, or bytes. Ratios
            where there are any, for they depend least on the machine.
        samples: At least one.
        baseline: What the ratios are to.
        failures: Writes that were given up.
    """

    kind: Literal["ratio", "per second", "bytes"]
    samples: list[float]
    baseline: str | None
    failures: int

    @property
    def spread(self) -> Spread:
        """Median and quartiles of the samples."""
        return spread_of(self.samples)


Figures = dict[Place, Figure]


def workloads_of(results: dict[str, Any]) -> list[WorkloadResult]:
    """The workloads of one run, as they were before they were written."""
    return [
        WorkloadResult(
            name=workload["name"],
            title=workload["title"],
            unit=workload["unit"],
            baseline=workload["baseline"],
            contestants=[_contestant(found) for found in workload["contestants"]],
            is_size=any(found["bytes"] is not None for found in workload["contestants"]),
        )
        for workload in results["workloads"]
    ]


def _contestant(found: dict[str, Any]) -> ContestantResult:
    samples = (found["bytes"] or found["per_second"])["samples"]
    ratio_samples: list[float] = [] if found["ratio"] is None else found["ratio"]["samples"]
    return ContestantResult(
        name=found["name"],
        samples=samples,
        spread=spread_of(samples),
        ratio_samples=ratio_samples,
        ratio=spread_of(ratio_samples) if ratio_samples else None,
        failures=found["failures"],
    )


def read_results(path: Path) -> dict[str, Any]:
    """The object that `--output` wrote.

    Raises:
        UnreadableResults: It is something else.
        OSError: There is no such file.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UnreadableResults(f"{path} holds no JSON: {error}") from error
    results: dict[str, Any] = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if results.get("suite") != SUITE:
        raise UnreadableResults(f"{path} holds no results of this suite (bench ... --output)")
    if results["format"] != FORMAT:
        raise UnreadableResults(
            f"{path} has format {results['format']}, this suite reads {FORMAT}: measure again"
        )
    return results


def figures_of(results: dict[str, Any]) -> Figures:
    """The figures of one run. Of contestants that only Headwater has, those per second.

    A ratio between variants of Headwater stays the same when all of them get slower.
    """
    figures: Figures = {}
    engines = results["settings"]["engines"]
    for workload in results["workloads"]:
        baseline = workload["baseline"]
        for contestant in workload["contestants"]:
            kind: Literal["ratio", "per second", "bytes"] = "per second"
            samples = contestant["per_second"]
            if contestant["bytes"] is not None:
                kind, samples = "bytes", contestant["bytes"]
            elif baseline in engines and contestant["name"] != baseline:
                kind, samples = "ratio", contestant["ratio"]
            place = Place(workload["name"], contestant["name"])
            figures[place] = Figure(kind, samples["samples"], baseline, contestant["failures"])
    return figures


def together(runs: Iterable[Figures]) -> Figures:
    """The samples of several runs of the same."""
    found: Figures = {}
    for figures in runs:
        for place, figure in figures.items():
            before = found.get(place)
            found[place] = (
                figure
                if before is None
                else replace(
                    before,
                    samples=before.samples + figure.samples,
                    failures=before.failures + figure.failures,
                )
            )
    return found
