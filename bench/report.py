"""Results as a table: with rich if it is there, in plain text otherwise."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple, TextIO

from bench.aims import ABSOLUTE, Outcome
from bench.height import Growth
from bench.results import ContestantResult, WorkloadResult
from bench.spread import Spread

_COLUMNS: Final = ("engine", "per second", "each", "ratio [quartiles]", "failures")
_SIZE_COLUMNS: Final = ("engine", "bytes", "ratio")
_GROWTH_COLUMNS: Final = (
    "operation",
    "of",
    "grew by [quartiles]",
    "tree's height",
    "raw LMDB",
    "verdict",
)
_AIM_COLUMNS: Final = ("workload", "of", "to", "aim", "reached [quartiles]", "verdict")


class Table(NamedTuple):
    """What is printed; `styles` are those of rich, one for each row."""

    heading: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    styles: list[str | None]


def show(
    results: Sequence[WorkloadResult],
    outcomes: Sequence[Outcome] = (),
    growths: Sequence[Growth] = (),
    *,
    plain: bool = False,
) -> None:
    """Print one table per workload to standard output, and one of growth and of the aims if any."""
    tables = [table_of(result) for result in results]
    if growths:
        tables.append(growth_table(growths))
    if outcomes:
        tables.append(aims_table(outcomes))
    for table in tables:
        if plain or find_spec("rich") is None:
            write_plain(table, sys.stdout)
        else:
            _show_rich(table)


def table_of(result: WorkloadResult) -> Table:
    """One workload."""
    compared = f", ratio to {result.baseline}" if result.baseline else ""
    unit = f"bytes of a {result.unit}" if result.is_size else result.unit
    row = _size_row if result.is_size else _row
    return Table(
        f"{result.name}: {result.title} ({unit}{compared})",
        _SIZE_COLUMNS if result.is_size else _COLUMNS,
        [row(contestant) for contestant in result.contestants],
        [None] * len(result.contestants),
    )


def aims_table(outcomes: Sequence[Outcome]) -> Table:
    """What was aimed at, and reached or not."""
    return Table(
        "aims: what was aimed at, and reached or not",
        _AIM_COLUMNS,
        [_aim_row(outcome) for outcome in outcomes],
        ["green" if outcome.is_reached else "yellow" for outcome in outcomes],
    )


def growth_table(growths: Sequence[Growth]) -> Table:
    """What grows, and how much the height of a tree does meanwhile."""
    return Table(
        "growth: time by that on the smallest database of the engine",
        _GROWTH_COLUMNS,
        [
            (
                growth.operation,
                growth.contestant,
                ratio_text(growth.grown),
                f"{growth.height:.2f}",
                "" if growth.raw is None else f"{growth.raw:.2f}",
                growth.verdict,
            )
            for growth in growths
        ],
        ["yellow" if growth.verdict == "faster" else None for growth in growths],
    )


def _aim_row(outcome: Outcome) -> tuple[str, ...]:
    aim, reached = outcome.aim, outcome.reached
    is_absolute = aim.to == ABSOLUTE
    return (
        aim.workload,
        outcome.of,
        _peer_text(outcome),
        f"{'<=' if outcome.is_size else '>='} {aim.ratio:g}",
        f"{reached.median:,.0f}" if is_absolute else ratio_text(reached),
        _verdict(outcome),
    )


def _peer_text(outcome: Outcome) -> str:
    aim = outcome.aim
    if aim.to == ABSOLUTE:
        return "bytes" if outcome.is_size else "units per second"
    name = outcome.to if outcome.to == aim.to else f"{aim.to} ({outcome.to})"
    return f"{name} in {aim.to_workload}" if aim.to_workload else name


def _verdict(outcome: Outcome) -> str:
    if outcome.failures:
        return f"missed, {outcome.failures} failures"
    return "reached" if outcome.is_reached else "missed"


def _size_row(contestant: ContestantResult) -> tuple[str, ...]:
    ratio = "" if contestant.ratio is None else f"{contestant.ratio.median:.2f}"
    return (contestant.name, f"{contestant.spread.median:,.0f}", ratio)


def _row(contestant: ContestantResult) -> tuple[str, ...]:
    return (
        contestant.name,
        f"{contestant.spread.median:,.0f}",
        duration(1 / contestant.spread.median),
        "" if contestant.ratio is None else ratio_text(contestant.ratio),
        str(contestant.failures or ""),
    )


def ratio_text(ratio: Spread) -> str:
    """A ratio with its quartiles."""
    return f"{ratio.median:.2f} [{ratio.low_quartile:.2f}..{ratio.high_quartile:.2f}]"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def write_plain(table: Table, stream: TextIO) -> None:
    """The table in plain text."""
    lines = [table.columns, *table.rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    print(f"\n{table.heading}", file=stream)
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  " + "  ".join(cells).rstrip(), file=stream)


def _show_rich(table: Table) -> None:
    from rich import table as rich_table
    from rich.console import Console

    drawn = rich_table.Table(title=table.heading, title_justify="left", title_style="bold")
    for at, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if at else "left", no_wrap=True)
    for row, style in zip(table.rows, table.styles, strict=True):
        drawn.add_row(*[cell.replace("[", r"\[") for cell in row], style=style)
    Console().print(drawn)
