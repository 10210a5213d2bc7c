"""Crons: look at them and at their runs, and delete those that were registered at run time."""

from typing import Annotated, Any, Final

import typer

import headwater as hw
from headwater.cli.application import WORKING, AsJson, DatabasePath, application, opened
from headwater.cli.output import at_time, refusal, say, say_json, say_rows

_NS_PER_MS: Final = 1_000_000

crons: Final = typer.Typer(no_args_is_help=True, help="Functions that run again and again.")
application.add_typer(crons, name="crons", rich_help_panel=WORKING)


@crons.command("list")
def list_(path: DatabasePath, as_json: AsJson = False) -> None:
    """List the crons, by name: those of modules, and those registered at run time."""
    with opened(path) as db:
        found = list(db.crons.list())
    if as_json:
        for cron in found:
            say_json(dict(cron))
        return
    rows = [
        [
            cron["name"],
            _schedule(dict(cron["schedule"])),
            _at(cron["nextTime"]),
            f"{cron['runs']:,}",
            cron["function"],
            cron["module"] or "registered",
        ]
        for cron in found
    ]
    say_rows(["name", "schedule", "next", "runs", "function", "declared in"], rows)


@crons.command()
def runs(
    path: DatabasePath,
    name: Annotated[str | None, typer.Argument(help="Only those of this cron.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the last runs, the newest first."""
    with opened(path) as db, db.snapshot() as snapshot:
        query = snapshot.query(hw.CronRuns)
        ranged = query if name is None else query.with_index(hw.CronRuns.by_name, name)
        found = ranged.order("desc").take(limit)
        is_known = name is None or found or db.crons.get(name) is not None
    if not is_known:
        raise refusal(f"there is no cron {name!r}; headwater crons list DB lists them")
    if as_json:
        for run in found:
            say_json(dict(run))
        return
    rows = [
        [run["name"], _at(run["scheduledTime"]), run["state"], run.get("error", "")]
        for run in found
    ]
    say_rows(["name", "time", "state", "error"], rows)


@crons.command()
def delete(path: DatabasePath, name: Annotated[str, typer.Argument(help="Of the cron.")]) -> None:
    """Delete a cron that was registered at run time; one of a module is deleted there."""
    with opened(path) as db:
        if not db.crons.delete(name):
            raise refusal(f"there is no cron {name!r}; headwater crons list DB lists them")
    say(f"cron {name} is deleted")


def _schedule(stored: dict[str, Any]) -> str:
    if stored["kind"] == "interval":
        return f"every {stored['seconds']:g} s"
    return f"{stored['expression']} {stored['tz']}"


def _at(ms: float) -> str:
    return at_time(int(ms * _NS_PER_MS))
