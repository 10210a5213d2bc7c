"""What commands print: lines for people, JSON for programs, progress beside both."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.table import Table as RichTable
from rich.text import Text

from headwater.errors import HeadwaterError
from headwater.exchange.json_values import write_line
from headwater.tables.progress import Progress, Report

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_NS_PER_SECOND: Final = 10**9
_SEQUENCES: Final = frozenset({tuple, list})
_MAPPINGS: Final = frozenset({dict})


def say(text: str) -> None:
    """Print a line. What could do something to a terminal, such as move its cursor, is escaped."""
    sys.stdout.write(f"{printable(text)}\n")


def say_error(text: str) -> None:
    """Print a line about what went wrong to standard error."""
    sys.stderr.write(f"headwater: {printable(text)}\n")


def say_json(facts: dict[str, Any]) -> None:
    """Print facts as one line of JSON, stored values in their exact form."""
    sys.stdout.write(f"{_as_json(facts)}\n")


def say_json_list(all_facts: list[dict[str, Any]]) -> None:
    """Print several as a list in one line."""
    sys.stdout.write(f"[{', '.join(map(_as_json, all_facts))}]\n")


def say_rows(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table: cut to the width of a terminal, and whole where nobody looks."""
    console = Console(markup=False, highlight=False, emoji=False)
    lines = [[_in_one_line(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        _say_whole([columns, *lines])
        return
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)


def _say_whole(lines: list[list[str]]) -> None:
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        ]
        say("  ".join(cells).rstrip())


def _in_one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")


def printable(text: str) -> str:
    """A text without characters that command a terminal; those are escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


def _as_json(facts: dict[str, Any]) -> str:
    return write_line({name: _plain(fact) for name, fact in facts.items()}, "exact")


def _plain(fact: Any) -> Any:
    """A fact of a report as a value that can be stored."""
    if isinstance(fact, Path | BaseException):
        return str(fact)
    if hasattr(fact, "_asdict"):
        return _plain(fact._asdict())
    if type(fact) in _SEQUENCES:
        return [_plain(item) for item in fact]
    if type(fact) in _MAPPINGS:
        return {str(name): _plain(item) for name, item in fact.items()}
    return fact


def in_bytes(count: int) -> str:
    """A number of bytes for people."""
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def in_seconds(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def at_time(ts: int) -> str:
    """A timestamp as a date, to the microsecond, in UTC."""
    if not ts:
        return "-"
    seconds, rest = divmod(ts, _NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%fZ")


@contextmanager
def progress_shown() -> Generator[Report | None]:
    """Bars for the steps of long work, on a terminal; None where nobody would see them."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Bars(console=console, transient=True) as bars:
        yield _reporter(bars)


def _reporter(bars: Bars) -> Callable[[Progress], None]:
    tasks: dict[str, TaskID] = {}

    def report(progress: Progress) -> None:
        if progress.step not in tasks:
            tasks[progress.step] = bars.add_task(progress.step)
        # What has no total yet is shown as going on.
        bars.update(tasks[progress.step], completed=progress.done, total=progress.total or None)

    return report


def counted(count: int, noun: str) -> str:
    """A number of things: "1 commit", "2 commits"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def refusal(message: str) -> HeadwaterError:
    """An error of the command line itself."""
    return HeadwaterError(message)
