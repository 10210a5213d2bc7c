"""``python -m bench plot``: results as a picture, by matplotlib."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import Any, Final, Literal, TypeAlias, get_args

from bench.adapters.catalog import NAMES
from bench.reading import UnreadableResults, only, read_results
from bench.report import duration

_NUMBERED: Final = re.compile(r"(?P<engine>[^,]+), (?P<number>\d+) (?P<what>.+)")
_PER_ROW: Final = 3
_DECADE: Final = 10
"""Where figures lie nearer together than that, the axis begins with 0 and exaggerates nothing."""

_LINEAR_TO_ONE: Final[dict[bool, dict[str, int]]] = {True: {"linthresh": 1}, False: {}}
_MARKERS: Final = "osD^vP*Xph<>"
_COLORS: Final = (
    "#0072b2", "#d55e00", "#e69f00", "#009e73", "#56b4e9", "#333333", "#cc79a7", "#8f6bb3",
    "#8c564b", "#b8860b", "#7f7f7f", "#a8a81c", "#17a2a2",
)  # fmt: skip
"""In the order of the engines, so that one has the same in all charts; the first ones are those of
Okabe and Ito, which can be told apart by people who see colours differently."""

_DASHES: Final = ("solid", "dashed", "dotted")
"""Of one engine: without a history, with one."""

_STYLE: Final = {
    # Texts as text, and no random names: the same results are the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "headwater-bench",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Opaque, so that dark pages show dark labels on a light ground as well.
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


Part: TypeAlias = Literal["ratios", "charts"]


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
    one = {"live query": "live queries", "process": "processes"}
    return Chart(f"{workload['name']}: {workload['title']}", one.get(axis, axis), [*lines.values()])


def draw(results: Mapping[str, Any], output: Path, part: Part | None = None) -> None:
    """Write the picture, or a part of it; its kind by the ending of the name: svg, png, pdf."""
    pyplot: Any = import_module("matplotlib.pyplot")
    rows, dots = dots_of(results)
    charts = charts_of(results)
    if part == "ratios":
        charts = []
    elif part == "charts":
        rows = []
    if not rows and not charts:
        raise UnreadableResults("nothing in these results can be drawn: they compare nothing")
    chart_rows = -(-len(charts) // _PER_ROW)
    heights = ([0.36 * len(rows) + 1.4] if rows else []) + [3.2] * chart_rows
    with pyplot.rc_context(_STYLE):
        figure: Any = pyplot.figure(figsize=(10, sum(heights) + 0.3), layout="constrained")
        grid: Any = figure.add_gridspec(len(heights), _PER_ROW, height_ratios=heights)
        if rows:
            baseline = _baseline(results, rows)
            _draw_dots(figure.add_subplot(grid[0, :]), rows, dots, baseline)
        for at, chart in enumerate(charts):
            place = grid[at // _PER_ROW + bool(rows), at % _PER_ROW]
            _draw_chart(figure.add_subplot(place), chart)
        _name_lines(figure, charts)
        figure.suptitle(_caption(results), fontsize=8, color="#555555")
        output.parent.mkdir(parents=True, exist_ok=True)
        # Of an SVG without its date, for the same reason.
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
        offset = (at - (len(dots) - 1) / 2) * 0.7 / max(1, len(dots))
        medians = [dot.median for dot in found]
        axes.errorbar(
            medians,
            [dot.row + offset for dot in found],
            xerr=[
                [dot.median - dot.low for dot in found],
                [dot.high - dot.median for dot in found],
            ],
            fmt=_marker(name),
            color=_color(name),
            markersize=6 if at == 0 else 4,
            elinewidth=1,
            zorder=3 if at == 0 else 2,
            label=name,
        )
    for row in range(1, len(rows), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    _label_by_ones(axes.xaxis, lambda ratio, _: f"{ratio:g}")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"throughput as a ratio to {baseline}: right is faster; median and quartiles")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=5, frameon=False)


def _draw_chart(axes: Any, chart: Chart) -> None:
    seen: list[str] = []
    for line in chart.lines:
        engine = line.name.partition(",")[0]
        axes.errorbar(
            line.numbers,
            line.medians,
            yerr=[
                [middle - low for middle, low in zip(line.medians, line.lows, strict=True)],
                [high - middle for middle, high in zip(line.medians, line.highs, strict=True)],
            ],
            marker=_marker(engine),
            color=_color(engine),
            linestyle=_DASHES[seen.count(engine) % len(_DASHES)],
            markersize=4,
            label=line.name,
        )
        seen.append(engine)
    numbers = sorted({number for line in chart.lines for number in line.numbers})
    # They may begin with 0, where nothing is live.
    axes.set_xscale("symlog" if numbers[0] == 0 else "log", **_LINEAR_TO_ONE[numbers[0] == 0])
    axes.set_xticks(numbers, [short(number) for number in numbers])
    axes.minorticks_off()
    highest = max(max(line.highs) for line in chart.lines)
    lowest = min(min(line.lows) for line in chart.lines)
    if highest < _DECADE * lowest:
        axes.set_ylim(0, highest * 1.1)
        axes.yaxis.set_major_formatter(_duration)
    else:
        axes.set_yscale("log")
        _label_by_ones(axes.yaxis, _duration)
    axes.set_title(fill(chart.title, 40), fontsize=9)
    axes.set_xlabel(chart.axis)
    axes.set_ylabel("time of one: lower is faster")
    axes.grid(alpha=0.3)


def _name_lines(figure: Any, charts: Sequence[Chart]) -> None:
    """One legend for all charts, for an engine looks the same in all of them."""
    named: dict[str, Any] = {}
    for axes in figure.axes[len(figure.axes) - len(charts) :]:
        handles, names = axes.get_legend_handles_labels()
        named |= dict(zip(names, handles, strict=True))
    if len(named) > 1:
        figure.legend(
            named.values(), named, loc="outside lower center", ncols=4, frameon=False, fontsize=9
        )


def _label_by_ones(axis: Any, text: Callable[[float, object], str]) -> None:
    """Label a logarithmic axis by 1, 2 and 5 in place of powers of ten."""
    ticker: Any = import_module("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(text)
    axis.set_minor_formatter(ticker.NullFormatter())


def _duration(microseconds: float, _: object) -> str:
    return duration(microseconds / 1e6) if microseconds > 0 else "0"


def short(number: int) -> str:
    """A number in a few letters: 500, 10k, 1M."""
    for suffix, size in (("M", 10**6), ("k", 1000)):
        if number >= size and number % (size // 10) == 0:
            return f"{number / size:g}{suffix}"
    return str(number)


def _marker(engine: str) -> str:
    return _MARKERS[_place(engine) % len(_MARKERS)]


def _color(engine: str) -> str:
    return _COLORS[_place(engine) % len(_COLORS)]


def _place(engine: str) -> int:
    return NAMES.index(engine) if engine in NAMES else len(NAMES)


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
    parser.add_argument(
        "--part",
        choices=get_args(Part),
        help="the ratios of all engines, or the charts of what has a number; default: both",
    )
    options = parser.parse_args(arguments)
    if find_spec("matplotlib") is None:
        print("plot needs matplotlib (pip install 'headwater[bench]')", file=sys.stderr)
        return 2
    try:
        results = read_results(options.results)
        draw(only(results, options.workloads), options.output, options.part)
    except (UnreadableResults, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
