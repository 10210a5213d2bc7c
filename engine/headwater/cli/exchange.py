"""Documents to files and back: export and import."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from headwater.cli.application import (
    CARING,
    AsJson,
    DatabasePath,
    Moment,
    OnlyTables,
    application,
    opened,
)
from headwater.cli.output import in_bytes, progress_shown, say, say_json


@application.command("export", rich_help_panel=CARING)
def export_(
    path: DatabasePath,
    target: Annotated[Path, typer.Argument(help="A directory, or a file that ends in .zip.")],
    format: Annotated[  # noqa: A002 - it is the word for it
        Literal["jsonl", "convex"] | None, typer.Option(help="By default by the target's name.")
    ] = None,
    table: OnlyTables = None,
    at: Moment = None,
    files: Annotated[
        bool | None,
        typer.Option("--files/--no-files", help="Stored files; by default without --table."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write all documents as JSON lines, or as a snapshot of Convex's."""
    with opened(path) as db, progress_shown() as progress:
        report = db.export_to(
            target, format=format, tables=table, at=at, files=files, progress=progress
        )
    _say_documents(report._asdict(), as_json=as_json)


@application.command("import", rich_help_panel=CARING)
def import_(
    path: DatabasePath,
    source: Annotated[Path, typer.Argument(help="An export, or a file of JSON lines.")],
    table: Annotated[str | None, typer.Option(help="The table for a single file.")] = None,
    mode: Annotated[
        Literal["empty", "append", "replace"], typer.Option(help="What may be in the tables.")
    ] = "empty",
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Stored files, where there are some.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read documents from files: all of them, or nothing."""
    with opened(path) as db, progress_shown() as progress:
        report = db.import_from(
            source, table=table, mode=mode, files=files, dry_run=dry_run, progress=progress
        )
    _say_documents(report._asdict(), as_json=as_json)


def _say_documents(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(report)
        return
    for name, count in report["documents"].items():
        say(f"{count:>10} {name}")
    if report["files"]:
        say(f"{report['files']:>10} stored files, {in_bytes(report['file_bytes'])}")
    for name in report.get("skipped", ()):
        say(f"{'skipped':>10} {name}")
