"""Results as a table: with rich if it is there, in plain text otherwise."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final, TextIO

from bench.results import ContestantResult, WorkloadResult
from bench.spread import Spread

_COLUMNS: Final = ("engine", "per second", "each", "ratio [quartiles]", "aim", "failures")
_SIZE_COLUMNS: Final = ("engine", "bytes", "ratio")


def show(results: Sequence[WorkloadResult], *, plain: bool = False) -> None:
    """Print one table per workload to standard output."""
    if plain or find_spec("rich") is None:
        for result in results:
            write_plain(result, sys.stdout)
    else:
        for result in results:
            _show_rich(result)


def heading(result: WorkloadResult) -> str:
    """What the table is about."""
    compared = f", ratio to {result.baseline}" if result.baseline else ""
    return f"{result.name}: {result.title} ({result.unit}{compared})"


def rows(result: WorkloadResult) -> list[tuple[str, ...]]:
    """The cells of the table, below `columns`."""
    if result.is_size:
        return [_size_row(contestant) for contestant in result.contestants]
    return [_row(contestant) for contestant in result.contestants]


def columns(result: WorkloadResult) -> tuple[str, ...]:
    """What the cells of a row are."""
    return _SIZE_COLUMNS if result.is_size else _COLUMNS


def _size_row(contestant: ContestantResult) -> tuple[str, ...]:
    ratio = "" if contestant.ratio is None else f"{contestant.ratio.median:.2f}"
    return (contestant.name, f"{contestant.spread.median:,.0f}", ratio)


def _row(contestant: ContestantResult) -> tuple[str, ...]:
    return (
        contestant.name,
        f"{contestant.spread.median:,.0f}",
        duration(1 / contestant.spread.median),
        "" if contestant.ratio is None else ratio_text(contestant.ratio),
        _aim_text(contestant),
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


def _aim_text(contestant: ContestantResult) -> str:
    if contestant.aim is None:
        return ""
    verdict = {True: "reached", False: "missed", None: "not compared"}[contestant.is_reached]
    return f">= {contestant.aim:g} {verdict}"


def write_plain(result: WorkloadResult, stream: TextIO) -> None:
    """The table in plain text."""
    table = [columns(result), *rows(result)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    print(f"\n{heading(result)}", file=stream)
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join(cells).rstrip(), file=stream)


def _show_rich(result: WorkloadResult) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=heading(result), title_justify="left", title_style="bold")
    for at, column in enumerate(columns(result)):
        table.add_column(column, justify="right" if at else "left", no_wrap=True)
    for contestant, row in zip(result.contestants, rows(result), strict=True):
        style = {True: "green", False: "yellow", None: None}[contestant.is_reached]
        table.add_row(*[cell.replace("[", r"\[") for cell in row], style=style)
    Console().print(table)
