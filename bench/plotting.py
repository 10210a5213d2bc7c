"""``python -m bench plot``: results as a picture, by matplotlib."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from bench.reading import UnreadableResults, only, read_results

_NUMBERED: Final = re.compile(r"(?P<engine>[^,]+), (?P<number>\d+) (?P<what>.+)")
_PER_ROW: Final = 3
_DECADE: Final = 10
"""Where figures lie nearer together than that, the axis begins with 0 and exaggerates nothing."""

_LINEAR_TO_ONE: Final[dict[bool, dict[str, int]]] = {True: {"linthresh": 1}, False: {}}
_MARKERS: Final = "osD^vP*Xph<>"


@dataclass(frozen=True, slots=True)
class Dot:
    """A median ratio with its quartiles."""

    row: int
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """How long one unit takes at each number of something, in microseconds."""

    name: str
    numbers: list[int]
    medians: list[float]
    lows: list[float]
    highs: list[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """One workload with a line for each engine."""

    title: str
    axis: str
    lines: list[Line]


def dots_of(results: Mapping[str, Any]) -> tuple[list[str], dict[str, list[Dot]]]:
    """The workloads in which engines are compared with one of them, and their ratios by engine.

    The baseline has no dots: it is the line at 1.
    """
    engines = results["settings"]["engines"]
    compared = [found for found in results["workloads"] if found["baseline"] in engines]
    dots: dict[str, list[Dot]] = {}
    for row, workload in enumerate(compared):
        for contestant in workload["contestants"]:
            name, ratio = contestant["name"], contestant["ratio"]
            if name != workload["baseline"]:
                dot = Dot(row, ratio["median"], ratio["low_quartile"], ratio["high_quartile"])
                dots.setdefault(name, []).append(dot)
    return [workload["name"] for workload in compared], dots


def charts_of(results: Mapping[str, Any]) -> list[Chart]:
    """The workloads whose contestants differ by a number: of live queries, of documents."""
    found = (_chart(workload) for workload in results["workloads"])
    return [chart for chart in found if chart is not None]


def _chart(workload: Mapping[str, Any]) -> Chart | None:
    lines: dict[str, Line] = {}
    axis = ""
    for contestant in workload["contestants"]:
        match = _NUMBERED.fullmatch(contestant["name"])
        rate = contestant["per_second"]
        if match is None or rate is None:
            return None
        axis, _, rest = match["what"].partition(" with ")
        name = f"{match['engine']}, {rest}" if rest else match["engine"]
        line = lines.setdefault(name, Line(name, [], [], [], []))
        line.numbers.append(int(match["number"]))
        line.medians.append(1e6 / rate["median"])
        line.lows.append(1e6 / rate["high_quartile"])
        line.highs.append(1e6 / rate["low_quartile"])
    if not lines:
        return None
    one = {"live query": "live queries"}
    return Chart(f"{workload['name']}: {workload['title']}", one.get(axis, axis), [*lines.values()])


def draw(results: Mapping[str, Any], output: Path) -> None:
    """Write the picture; its kind by the ending of the name: svg, png, pdf."""
    pyplot: Any = import_module("matplotlib.pyplot")
    rows, dots = dots_of(results)
    charts = charts_of(results)
    if not rows and not charts:
        raise UnreadableResults("nothing in these results can be drawn: they compare nothing")
    chart_rows = -(-len(charts) // _PER_ROW)
    heights = ([0.3 * len(rows) + 1.2] if rows else []) + [3.4] * chart_rows
    # Texts as text, and no date and no random names: the same results are the same file.
    style = {"svg.fonttype": "none", "svg.hashsalt": "headwater-bench", "font.size": 8}
    with pyplot.rc_context(style):
        figure: Any = pyplot.figure(figsize=(11, sum(heights)), layout="constrained")
        grid: Any = figure.add_gridspec(len(heights), _PER_ROW, height_ratios=heights)
        if rows:
            baseline = _baseline(results, rows)
            _draw_dots(figure.add_subplot(grid[0, :]), rows, dots, baseline)
        for at, chart in enumerate(charts):
            place = grid[at // _PER_ROW + bool(rows), at % _PER_ROW]
            _draw_chart(figure.add_subplot(place), chart)
        figure.suptitle(_caption(results), fontsize=7)
        output.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if output.suffix == ".svg" else None
        figure.savefig(output, metadata=metadata)
        pyplot.close(figure)


def _baseline(results: Mapping[str, Any], rows: Sequence[str]) -> str:
    names = {found["baseline"] for found in results["workloads"] if found["name"] in rows}
    return ", ".join(sorted(names))


def _draw_dots(
    axes: Any, rows: Sequence[str], dots: Mapping[str, Sequence[Dot]], baseline: str
) -> None:
    for at, (name, found) in enumerate(dots.items()):
        # Beside each other, or the last would hide the others.
        offset = (at - (len(dots) - 1) / 2) * 0.6 / max(1, len(dots))
        medians = [dot.median for dot in found]
        axes.errorbar(
            medians,
            [dot.row + offset for dot in found],
            xerr=[
                [dot.median - dot.low for dot in found],
                [dot.high - dot.median for dot in found],
            ],
            fmt=_MARKERS[at % len(_MARKERS)],
            markersize=4,
            elinewidth=1,
            label=name,
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.set_xlabel(f"throughput, as a ratio to {baseline}: right is faster; median and quartiles")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_chart(axes: Any, chart: Chart) -> None:
    for at, line in enumerate(chart.lines):
        axes.errorbar(
            line.numbers,
            line.medians,
            yerr=[
                [middle - low for middle, low in zip(line.medians, line.lows, strict=True)],
                [high - middle for middle, high in zip(line.medians, line.highs, strict=True)],
            ],
            marker=_MARKERS[at % len(_MARKERS)],
            markersize=4,
            label=line.name,
        )
    numbers = sorted({number for line in chart.lines for number in line.numbers})
    # They may begin with 0, where nothing is live.
    axes.set_xscale("symlog" if numbers[0] == 0 else "log", **_LINEAR_TO_ONE[numbers[0] == 0])
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    highest = max(max(line.highs) for line in chart.lines)
    lowest = min(min(line.lows) for line in chart.lines)
    if highest < _DECADE * lowest:
        axes.set_ylim(0, highest * 1.1)
    else:
        axes.set_yscale("log")
    axes.set_title(fill(chart.title, 44), fontsize=8)
    axes.set_xlabel(chart.axis)
    axes.set_ylabel("us each: lower is faster")
    axes.grid(alpha=0.3)
    if len(chart.lines) > 1:
        axes.legend()


def _caption(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    commit = (results["commit"] or "no commit")[:10]
    return (
        f"{results['started_at'][:10]}, commit {commit}, {machine['processor']},"
        f" {machine['cores']} cores, {machine['filesystem']}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw. Returns the exit status: 2 if there is nothing to draw from, or nothing to draw by."""
    parser = argparse.ArgumentParser(prog="python -m bench plot", description=__doc__)
    parser.add_argument("results", type=Path, help="what --output of the suite or of growth wrote")
    parser.add_argument("--output", type=Path, required=True, help="a name ending in .svg or .png")
    parser.add_argument("--workloads", nargs="+", metavar="WORKLOAD", help="default: all")
    options = parser.parse_args(arguments)
    if find_spec("matplotlib") is None:
        print("plot needs matplotlib (pip install 'headwater[bench]')", file=sys.stderr)
        return 2
    try:
        results = read_results(options.results)
        draw(only(results, options.workloads), options.output)
    except (UnreadableResults, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
