"""What has happened: the log, and the history of a document."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, cast

import typer

import headwater as hw
from headwater.cli.application import (
    LOOKING,
    AsJson,
    DatabasePath,
    OnlyTables,
    application,
    opened,
)
from headwater.cli.moments import parse_moment
from headwater.cli.output import at_time, refusal, say, say_json

_BATCH: Final = 1000
"""Commits that are read at once."""


@application.command(rich_help_panel=LOOKING)
def history(
    path: DatabasePath,
    id: Annotated[str, typer.Argument(help="The _id of a document.")],
    as_json: AsJson = False,
) -> None:
    """Show every version of a document, newest first."""
    with opened(path) as db:
        revisions = db.history(cast("hw.Id[Any]", id))
    for revision in revisions:
        if as_json:
            say_json({"ts": revision.ts, **_who(revision.origin), "document": revision.document})
            continue
        say(f"{at_time(revision.ts)}  {_named(revision.origin)}")
        for name, (old, new) in revision.changed.items():
            say(f"    {name}: {old!r} -> {new!r}")
        if revision.document is None:
            say("    deleted")
        if revision.is_cut:
            say("    older versions were trimmed")
    if not revisions:
        raise refusal(f"{id}: there is no document with that id, and there was none")


@application.command(rich_help_panel=LOOKING)
def log(
    path: DatabasePath,
    since: Annotated[
        int | None,
        typer.Option(
            "--since",
            "--after",
            parser=parse_moment,
            metavar="MOMENT",
            help="What came later: a date, an age (30d) or a timestamp.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="How many commits at most.")] = None,
    table: OnlyTables = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new commits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the commits, oldest first."""
    with opened(path) as db:
        begin = db.log.horizon if since is None else since
        entries = _following(db, begin, table) if follow else read_log(db, begin, table)
        for entry in islice(entries, limit):
            _say_entry(entry, as_json=as_json)


def _following(db: hw.Database, begin: int, tables: list[str] | None) -> Iterator[hw.LogEntry]:
    with db.log.tail(begin, tables=tables) as tail:
        for entry in tail:
            yield entry
            sys.stdout.flush()


def read_log(db: hw.Database, begin: int, tables: list[str] | None = None) -> Iterator[hw.LogEntry]:
    """Every commit later than a moment up to now, a batch at a time: all do not fit into memory.

    Args:
        db: The database.
        begin: The moment, not below the horizon of the log.
        tables: Only changes of these.
    """
    while entries := db.log.read(begin, limit=_BATCH, tables=tables):
        yield from entries
        begin = entries[-1].ts


def _say_entry(entry: hw.LogEntry, *, as_json: bool) -> None:
    if as_json:
        changes = [
            {"table": one.table, "id": one.id, "before": one.before, "after": one.after}
            for one in entry.changes
        ]
        say_json({"ts": entry.ts, **_who(entry.origin), "changes": changes})
        return
    say(f"{entry.ts}  {at_time(entry.ts)}  {_named(entry.origin)}")
    for change in entry.changes:
        say(f"    {change.kind} {change.table} {change.id}")


def _named(origin: hw.Origin) -> str:
    by = f" by {origin.identity}" if origin.identity is not None else ""
    return f"{origin.function or 'by hand'}{by}"


def _who(origin: hw.Origin) -> dict[str, Any]:
    return {
        "function": origin.function,
        "identity": origin.identity,
        "request_id": origin.request_id,
        "arguments": origin.arguments,
    }
