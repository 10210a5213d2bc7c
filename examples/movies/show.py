"""How the example looks in a terminal."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from examples.movies.movies import Listed
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from headwater import MISSING, HeadwaterError

console = Console(highlight=False)


def chapter(title: str, text: str) -> None:
    """Begin a part of the tour."""
    console.print()
    console.rule(f"[bold]{title}", align="left", style="cyan")
    console.print(text.strip(), style="dim")
    console.print()


def films(listed: Iterable[Listed], *, title: str = "", before: Iterable[Listed] = ()) -> None:
    """A table of films; with marks for those that moved, if the list before is given."""
    table = Table(title=title, title_justify="left", title_style="italic", box=None, pad_edge=False)
    table.add_column("rating", justify="right", style="bold yellow")
    table.add_column("votes", justify="right", style="dim")
    table.add_column("year")
    table.add_column("film", style="bold", overflow="ellipsis", no_wrap=True)
    table.add_column("director", overflow="ellipsis", no_wrap=True)
    table.add_column("")
    places = {film["id"]: place for place, film in enumerate(before)}
    for place, film in enumerate(listed):
        table.add_row(
            f"{film['rating']:.1f}",
            f"{film['votes']:,}",
            str(film["year"] or "?"),
            escape(film["title"]),
            escape(film["director"] or ""),
            _moved(places.get(film["id"]), place) if places else "",
        )
    console.print(table)


def _moved(before: int | None, now: int) -> str:
    if before is None:
        return "[cyan]new[/]"
    if before == now:
        return ""
    return f"[green]▲{before - now}[/]" if before > now else f"[red]▼{now - before}[/]"


def cleaning(raw: Mapping[str, Any], film: Mapping[str, Any]) -> None:
    """A row as it came, beside the document that it became."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("as it came", style="dim")
    table.add_column("as it is stored")
    old = [f"{name}: {value}" for name, value in raw.items()]
    new = [f"{name}: {value!r}" for name, value in film.items()]
    for number in range(max(len(old), len(new))):
        sides = [side[number] if number < len(side) else "" for side in (old, new)]
        table.add_row(*map(escape, sides))
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
        what = f"inserted, {len(changes)} fields" if is_new else ", ".join(changes)
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


def progress() -> Progress:
    """A bar that counts, and goes when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def reports() -> Generator[Callable[[Any], None]]:
    """Bars for what the database reports of long work, one for each step."""
    tasks: dict[str, TaskID] = {}
    with progress() as bar:

        def report(at: Any) -> None:
            if at.step not in tasks:
                tasks[at.step] = bar.add_task(at.step)
            bar.update(tasks[at.step], completed=at.done, total=at.total)

        yield report


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
