"""The commands: each opens a database, calls one verb, and prints what it gives."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, cast

import typer

import headwater as hw
from headwater.cli.moments import parse_moment
from headwater.cli.output import (
    at_time,
    in_bytes,
    progress_shown,
    refusal,
    say,
    say_json,
    say_json_list,
)
from headwater.storage.format import MANIFEST_NAME

application: Final = typer.Typer(
    help="Look after Headwater databases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DatabasePath: TypeAlias = Annotated[Path, typer.Argument(help="The directory of the database.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Moment: TypeAlias = Annotated[
    int | None,
    typer.Option(
        parser=parse_moment, metavar="MOMENT", help="A date, an age (30d) or a timestamp."
    ),
]

_PROBLEMS: Final = 1


@contextmanager
def _opened(path: Path) -> Generator[hw.Database]:
    """A database that is there; it is not made."""
    if not (path / MANIFEST_NAME).exists():
        raise refusal(f"{path}: there is no database; expected a directory with {MANIFEST_NAME}")
    with hw.open(path, build="later", jobs="hold") as db:
        yield db


@application.command()
def verify(path: DatabasePath, as_json: AsJson = False) -> None:
    """Check every page, commit, document and index entry, in a process of its own."""
    with progress_shown() as progress:
        problems = hw.check(path, progress=progress)
    if as_json:
        say_json_list([{**problem._asdict(), "advice": problem.advice} for problem in problems])
    else:
        for problem in problems:
            say(f"{problem.kind}: {problem.message}")
        for advice in dict.fromkeys(problem.advice for problem in problems):
            say(f"-> {advice}")
        say(_counted(len(problems), "problem") if problems else "nothing is wrong")
    if problems:
        raise typer.Exit(_PROBLEMS)


@application.command()
def repair(path: DatabasePath, as_json: AsJson = False) -> None:
    """Save what can be saved of a damaged database; the damaged files are kept beside it."""
    with progress_shown() as progress:
        report = hw.repair(path, progress=progress)
    if as_json:
        say_json(report._asdict())
    elif report.kept is None:
        say("nothing is wrong, and nothing was done")
    else:
        for lost in report.lost:
            say(f"lost {lost.kind}: {lost.message}")
        saved = _counted(report.commits, "commit")
        say(f"saved {saved}, lost {_counted(len(report.lost), 'thing')}")
        say(f"the damaged files are in {report.kept}")
    if report.lost:
        raise typer.Exit(_PROBLEMS)


@application.command()
def backup(path: DatabasePath, target: Annotated[Path, typer.Argument(help="Where to.")]) -> None:
    """Copy a database while others use it."""
    with _opened(path) as db, progress_shown() as progress:
        db.backup(target, progress=progress)
    say(f"{path} is copied to {target}")


@application.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    path: Annotated[Path, typer.Argument(help="Where the database is to be; nothing is there.")],
) -> None:
    """Copy a backup to where a database is to be."""
    with progress_shown() as progress:
        hw.restore_backup(source, path, progress=progress)
    say(f"{source} is restored to {path}")


@application.command()
def stats(path: DatabasePath, as_json: AsJson = False) -> None:
    """Count documents, index entries, commits and bytes, and say who reads."""
    with _opened(path) as db, progress_shown() as progress:
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


@application.command()
def trim(
    path: DatabasePath,
    before: Annotated[
        int,
        typer.Option(
            parser=parse_moment,
            metavar="MOMENT",
            help="Forget what was before: a date, an age (30d) or a timestamp.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Forget the past before a moment."""
    with _opened(path) as db, progress_shown() as progress:
        report = db.trim_log(before, progress=progress)
    if as_json:
        say_json(report._asdict())
    else:
        say(
            f"{_counted(report.versions, 'version')} and {_counted(report.commits, 'commit')} "
            f"forgotten; history begins at {at_time(report.horizon)}"
        )


@application.command()
def compact(path: DatabasePath, as_json: AsJson = False) -> None:
    """Give unused space back to the system; nobody else may use the database meanwhile."""
    with _opened(path) as db, progress_shown() as progress:
        report = db.compact(progress=progress)
    if as_json:
        say_json(report._asdict())
    else:
        say(f"{in_bytes(report.bytes_before)} -> {in_bytes(report.bytes_after)}")


@application.command("export")
def export_(
    path: DatabasePath,
    target: Annotated[Path, typer.Argument(help="A directory, or a file that ends in .zip.")],
    format: Annotated[  # noqa: A002 - it is the word for it
        Literal["jsonl", "convex"] | None, typer.Option(help="By default by the target's name.")
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="Only this table; may be repeated.")
    ] = None,
    at: Moment = None,
    as_json: AsJson = False,
) -> None:
    """Write all documents as JSON lines, or as a snapshot of Convex's."""
    with _opened(path) as db, progress_shown() as progress:
        report = db.export_to(target, format=format, tables=table, at=at, progress=progress)
    _say_documents(report._asdict(), as_json=as_json)


@application.command("import")
def import_(
    path: DatabasePath,
    source: Annotated[Path, typer.Argument(help="An export, or a file of JSON lines.")],
    table: Annotated[str | None, typer.Option(help="The table for a single file.")] = None,
    mode: Annotated[
        Literal["empty", "append", "replace"], typer.Option(help="What may be in the tables.")
    ] = "empty",
    as_json: AsJson = False,
) -> None:
    """Read documents from files: all of them, or nothing."""
    with _opened(path) as db, progress_shown() as progress:
        report = db.import_from(source, table=table, mode=mode, progress=progress)
    _say_documents(report._asdict(), as_json=as_json)


def _say_documents(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(report)
        return
    for name, count in report["documents"].items():
        say(f"{count:>10} {name}")
    for name in report.get("skipped", ()):
        say(f"{'skipped':>10} {name}")


@application.command()
def history(
    path: DatabasePath,
    id: Annotated[str, typer.Argument(help="The _id of a document.")],
    as_json: AsJson = False,
) -> None:
    """Show every version of a document, newest first."""
    with _opened(path) as db:
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


@application.command()
def log(
    path: DatabasePath,
    after: Moment = None,
    limit: Annotated[int | None, typer.Option(help="How many commits at most.")] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="Only this table; may be repeated.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new commits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the commits, oldest first."""
    with _opened(path) as db:
        begin = db.log.horizon if after is None else after
        if not follow:
            for entry in db.log.read(begin, limit=limit, tables=table):
                _say_entry(entry, as_json=as_json)
            return
        with db.log.tail(begin, tables=table) as tail:
            for number, entry in enumerate(tail, 1):
                _say_entry(entry, as_json=as_json)
                if number == limit:
                    return


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


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
