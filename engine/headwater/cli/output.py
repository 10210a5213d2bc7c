"""What commands print: lines for people, JSON for programs, progress beside both."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

from headwater.errors import HeadwaterError
from headwater.exchange.json_values import write_line
from headwater.tables.progress import Progress, Report

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_NS_PER_SECOND: Final = 10**9
_SEQUENCES: Final = frozenset({tuple, list})
_MAPPINGS: Final = frozenset({dict})


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def say_json(facts: dict[str, Any]) -> None:
    """Print facts as one line of JSON, stored values in their exact form."""
    say(_as_json(facts))


def say_json_list(all_facts: list[dict[str, Any]]) -> None:
    """Print several as a list in one line."""
    say(f"[{', '.join(map(_as_json, all_facts))}]")


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


def refusal(message: str) -> HeadwaterError:
    """An error of the command line itself."""
    return HeadwaterError(message)
