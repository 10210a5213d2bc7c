"""Looking after a database: verify, repair, backup, restore, trim, compact."""

from pathlib import Path
from typing import Annotated

import typer

import headwater as hw
from headwater.cli.application import CARING, FAILED, AsJson, DatabasePath, application, opened
from headwater.cli.moments import parse_moment
from headwater.cli.output import (
    at_time,
    counted,
    in_bytes,
    progress_shown,
    say,
    say_json,
    say_json_list,
)


@application.command(rich_help_panel=CARING)
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
        say(counted(len(problems), "problem") if problems else "nothing is wrong")
    if problems:
        raise typer.Exit(FAILED)


@application.command(rich_help_panel=CARING)
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
        saved = counted(report.commits, "commit")
        say(f"saved {saved}, lost {counted(len(report.lost), 'thing')}")
        say(f"the damaged files are in {report.kept}")
    if report.lost:
        raise typer.Exit(FAILED)


@application.command(rich_help_panel=CARING)
def backup(path: DatabasePath, target: Annotated[Path, typer.Argument(help="Where to.")]) -> None:
    """Copy a database while others use it."""
    with opened(path) as db, progress_shown() as progress:
        db.backup(target, progress=progress)
    say(f"{path} is copied to {target}")


@application.command(rich_help_panel=CARING)
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    path: Annotated[Path, typer.Argument(help="Where the database is to be; nothing is there.")],
) -> None:
    """Copy a backup to where a database is to be."""
    with progress_shown() as progress:
        hw.restore_backup(source, path, progress=progress)
    say(f"{source} is restored to {path}")


@application.command(rich_help_panel=CARING)
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
    with opened(path) as db, progress_shown() as progress:
        report = db.trim_log(before, progress=progress)
    if as_json:
        say_json(report._asdict())
    else:
        say(
            f"{counted(report.versions, 'version')} and {counted(report.commits, 'commit')} "
            f"forgotten; history begins at {at_time(report.horizon)}"
        )


@application.command(rich_help_panel=CARING)
def compact(path: DatabasePath, as_json: AsJson = False) -> None:
    """Give unused space back to the system; nobody else may use the database meanwhile."""
    with opened(path) as db, progress_shown() as progress:
        report = db.compact(progress=progress)
    if as_json:
        say_json(report._asdict())
    else:
        say(f"{in_bytes(report.bytes_before)} -> {in_bytes(report.bytes_after)}")
