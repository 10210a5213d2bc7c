"""Numbers: what a database holds, and what has been going on in it lately."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Final, NamedTuple

import typer

import headwater as hw
from headwater.cli.application import LOOKING, AsJson, DatabasePath, application, opened
from headwater.cli.moments import parse_moment
from headwater.cli.output import (
    at_time,
    counted,
    in_bytes,
    progress_shown,
    say,
    say_json,
    say_rows,
)
from headwater.cli.past import read_log

_NS_PER_SECOND: Final = 10**9
_BY_HAND: Final = "by hand"


@application.command(rich_help_panel=LOOKING)
def stats(path: DatabasePath, as_json: AsJson = False) -> None:
    """Count documents, index entries, commits and bytes, and say who reads."""
    with opened(path) as db, progress_shown() as progress:
        found = db.stats(progress=progress)
    if as_json:
        say_json(asdict(found))
        return
    for name, table in found.tables.items():
        say(f"{table.documents or 0:>12,} {in_bytes(table.bytes or 0):>12}  {name}")
        for index_name, index in table.indexes.items():
            size = in_bytes(index.bytes or 0)
            say(f"{index.entries or 0:>12,} {size:>12}  {name}.{index_name} ({index.state})")
    log, file = found.log, found.file
    span = f"{at_time(log.first_ts)} to {at_time(log.last_ts)}"
    say(f"{log.commits:>12,} {in_bytes(log.bytes):>12}  log, {span}")
    say(f"{'':>12} {in_bytes(file.bytes):>12}  file, {in_bytes(file.free_bytes)} of it free")
    for process, count in found.readers.items():
        say(f"{count:>12,} {'':>12}  snapshots of process {process}")


class FunctionWrites(NamedTuple):
    """What one function has committed."""

    function: str
    commits: int
    changes: int
    largest: int


class HotDocument(NamedTuple):
    """A document that many commits have changed: where conflicts come from."""

    table: str
    id: str
    commits: int


class Activity(NamedTuple):
    """What the log says of a time, of all processes.

    Attributes:
        commits: How many there were.
        seconds: From the first to the last of them.
        busiest_second: The most commits of one second of the clock.
        functions: Who committed, the most frequent first.
        documents: What was changed most often, by more than one commit.
    """

    commits: int
    seconds: float
    busiest_second: int
    functions: list[FunctionWrites]
    documents: list[HotDocument]


@application.command(rich_help_panel=LOOKING)
def insights(
    path: DatabasePath,
    since: Annotated[
        int | None,
        typer.Option(
            parser=parse_moment,
            metavar="MOMENT",
            help="What came later: a date, an age or a timestamp. All that the log has by default.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many functions and documents.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say who writes how much, and which documents are hot, from the log of all processes.

    How long functions take and what they lost to others is known to the process that runs them:
    db.insights() says it there.
    """
    with opened(path) as db:
        begin = db.log.horizon if since is None else max(since, db.log.horizon)
        found = activity_of(read_log(db, begin), top)
    if as_json:
        say_json(found._asdict())
        return
    span = f" in {found.seconds:,.0f} s" if found.seconds >= 1 else ""
    say(f"{counted(found.commits, 'commit')}{span}, {found.busiest_second:,} in the busiest second")
    if found.functions:
        say("")
        rows = [
            [f"{one.commits:,}", f"{one.changes:,}", f"{one.largest:,}", one.function]
            for one in found.functions
        ]
        say_rows(["commits", "changes", "largest", "function"], rows)
    if found.documents:
        say("")
        hot = [[f"{one.commits:,}", one.table, one.id] for one in found.documents]
        say_rows(["commits", "table", "hot document"], hot)


def activity_of(entries: Iterable[hw.LogEntry], top: int) -> Activity:
    """What commits have done: O(commits) time, memory for each document that was changed."""
    commits: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    largest: dict[str, int] = {}
    documents: Counter[tuple[str, str]] = Counter()
    seconds: Counter[int] = Counter()
    first = last = 0
    for entry in entries:
        first, last = first or entry.ts, entry.ts
        name, size = entry.origin.function or _BY_HAND, len(entry.changes)
        commits[name] += 1
        changes[name] += size
        largest[name] = max(largest.get(name, 0), size)
        seconds[entry.ts // _NS_PER_SECOND] += 1
        documents.update((change.table, change.id) for change in entry.changes)
    return Activity(
        commits=commits.total(),
        seconds=(last - first) / _NS_PER_SECOND,
        busiest_second=max(seconds.values(), default=0),
        functions=[
            FunctionWrites(name, count, changes[name], largest[name])
            for name, count in commits.most_common(top)
        ],
        documents=[
            HotDocument(*place, count) for place, count in documents.most_common(top) if count > 1
        ],
    )
