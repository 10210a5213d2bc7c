"""How the example looks in a terminal."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from examples.cars.cars import Listed
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headwater import MISSING, HeadwaterError

console = Console(highlight=False)
_MPG_TIMES_LITRES_PER_100_KM = 235.215


def chapter(title: str, text: str) -> None:
    """Begin a part of the tour."""
    console.print()
    console.rule(f"[bold]{title}", align="left", style="cyan")
    console.print(text.strip(), style="dim")
    console.print()


def cars(listed: Iterable[Listed], *, title: str = "") -> None:
    """A table of cars."""
    table = Table(title=title, title_justify="left", title_style="italic", box=None, pad_edge=False)
    for name in ("year", "car", "origin"):
        table.add_column(name)
    for name in ("miles/gallon", "l/100 km"):
        table.add_column(name, justify="right")
    for car in listed:
        mpg = car["mpg"]
        measures = (f"{mpg:.1f}", f"{_MPG_TIMES_LITRES_PER_100_KM / mpg:.1f}") if mpg else ("?",)
        table.add_row(str(car["year"]), escape(car["name"]), car["origin"], *measures)
    console.print(table)


def history(revisions: Iterable[Any]) -> None:
    """The versions of a document, newest first."""
    table = Table(box=None, pad_edge=False)
    for name in ("when (UTC)", "by", "what changed"):
        table.add_column(name)
    for revision in revisions:
        when = datetime.fromtimestamp(revision.ts / 1e9, UTC).strftime("%H:%M:%S.%f")
        is_new = all(old is MISSING for old, _ in revision.changed.values())
        changes = [f"{name}: {_change(*pair)}" for name, pair in revision.changed.items()]
        what = "inserted" if is_new and len(changes) > 2 else ", ".join(changes)
        table.add_row(when, revision.origin.function, escape(what))
    console.print(table)


def _change(old: object, new: object) -> str:
    return f"{'absent' if old is MISSING else old} -> {'absent' if new is MISSING else new}"


def error(attempt: str, problem: HeadwaterError) -> None:
    """What somebody tried, and what the database answered."""
    text = Text(str(problem), style="yellow")
    console.print(Panel(text, title=escape(attempt), title_align="left", border_style="dim"))


def fact(text: str) -> None:
    """One line of outcome."""
    console.print(f"[green]✓[/] {text}")


class Stopwatch:
    """How long a block took."""

    seconds: float = 0.0

    def __str__(self) -> str:
        if self.seconds < 1:
            return f"{self.seconds * 1000:.1f} ms"
        return f"{self.seconds:.1f} s"


@contextmanager
def timed() -> Generator[Stopwatch]:
    """Measure a block."""
    watch = Stopwatch()
    started = time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - started
