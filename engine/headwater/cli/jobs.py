"""Jobs and scheduled functions: look at them, cancel them, let dead ones begin anew."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, TypeAlias, cast, get_args

import typer

import headwater as hw
from headwater.cli.application import (
    WORKING,
    AsJson,
    DatabasePath,
    application,
    check_exists,
    opened,
)
from headwater.cli.output import at_time, counted, say, say_json, say_rows
from headwater.cli.sources import find_source
from headwater.functions.scheduling import ScheduledPhase

_NS_PER_MS: Final = 1_000_000
_BATCH: Final = 1000

jobs: Final = typer.Typer(no_args_is_help=True, help="Jobs, queues and scheduled functions.")
application.add_typer(jobs, name="jobs", rich_help_panel=WORKING)

Limit: TypeAlias = Annotated[int, typer.Option(min=1, help="How many at most.")]
QueueName: TypeAlias = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]
OnlyQueue: TypeAlias = Annotated[str | None, typer.Option(help="Only this queue.")]
JobIds: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Of jobs.")]
AllDead: TypeAlias = Annotated[bool, typer.Option("--all", help="All dead jobs.")]
Application: TypeAlias = Annotated[
    str | None,
    typer.Option("--modules", "-m", metavar="MODULES", help="If jobs have an on_complete."),
]


@jobs.command("list")
def list_(
    path: DatabasePath,
    state: Annotated[hw.JobState | None, typer.Option(help="Only those in this state.")] = None,
    queue: OnlyQueue = None,
    function: Annotated[str | None, typer.Option(help="Only those of this function.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with opened(path) as db, db.snapshot() as snapshot:
        matching = (
            job
            for job in snapshot.query(hw.Jobs).order("desc")
            if state in (None, job["state"])
            and queue in (None, job["queue"])
            and function in (None, job["function"])
        )
        found = list(islice(matching, limit))
    _say_jobs(found, as_json=as_json)


@jobs.command()
def dead(
    path: DatabasePath, queue: OnlyQueue = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """Show the dead letters: jobs that have failed for good, and why."""
    with opened(path) as db, db.snapshot() as snapshot:
        query = snapshot.query(hw.Jobs)
        prefix = ("dead",) if queue is None else ("dead", queue)
        found = query.with_index("by_turn", *prefix).take(limit)  # type: ignore[arg-type]
    if as_json:
        _say_jobs(found, as_json=True)
        return
    for job in found:
        say(f"{job['_id']}  {job['function']}  queue {job['queue']}")
        for error in job["errors"]:
            say(f"    attempt {error['attempt']}, {_at(error['at'])}: {error['error']}")
    if not found:
        say("there are no dead letters")


@jobs.command()
def cancel(path: DatabasePath, ids: JobIds = None, modules: Application = None) -> None:
    """Have jobs or scheduled functions not run; those that run are told to end."""
    with _application_opened(path, modules) as db:
        _each(ids, lambda id: _cancel(db, id), done="canceled", vain="had ended before")


def _cancel(db: hw.Database, id: str) -> bool:
    with db.snapshot() as snapshot:
        is_scheduled = snapshot.normalize_id(hw.ScheduledFunctions, id) is not None
    if is_scheduled:
        return db.scheduler.cancel(cast("hw.Id[hw.ScheduledFunction]", id))
    return db.jobs.cancel(cast("hw.Id[hw.Job]", id))


@jobs.command()
def retry(
    path: DatabasePath, ids: JobIds = None, every: AllDead = False, queue: OnlyQueue = None
) -> None:
    """Let dead jobs begin anew, with all of their attempts."""
    _check_chosen(ids, queue, every=every)
    with opened(path) as db:
        if every:
            count = _in_batches(lambda: db.jobs.redrive_all(queue, limit=_BATCH))
            say(f"{counted(count, 'job')} will run again")
        else:
            _each(ids, lambda id: db.jobs.redrive(_job(id)), done="will run again", vain="not dead")


@jobs.command()
def purge(
    path: DatabasePath, ids: JobIds = None, every: AllDead = False, queue: OnlyQueue = None
) -> None:
    """Forget jobs that have ended."""
    _check_chosen(ids, queue, every=every)
    with opened(path) as db:
        if every:
            count = _in_batches(lambda: db.jobs.purge_all(queue, limit=_BATCH))
            say(f"{counted(count, 'job')} forgotten")
        else:
            _each(ids, lambda id: db.jobs.purge(_job(id)), done="forgotten", vain="has not ended")


@jobs.command()
def queues(path: DatabasePath, as_json: AsJson = False) -> None:
    """Count the jobs of each queue by their state, and say which are paused."""
    counts: dict[str, dict[str, int]] = {}
    with opened(path) as db, db.snapshot() as snapshot:
        settings = {setting["name"]: setting for setting in snapshot.query(hw.Queues)}
        for name in settings:
            counts[name] = {}
        for job in snapshot.query(hw.Jobs):
            of_queue = counts.setdefault(job["queue"], {})
            of_queue[job["state"]] = of_queue.get(job["state"], 0) + 1
    states = get_args(hw.JobState)
    paused = {name for name, setting in settings.items() if setting["is_paused"]}
    if as_json:
        for name in sorted(counts):
            say_json({"queue": name, "is_paused": name in paused, **_all(counts[name], states)})
        return
    rows = [
        [name, *(f"{counts[name].get(state, 0):,}" for state in states), _paused(name in paused)]
        for name in sorted(counts)
    ]
    say_rows(["queue", *states, ""], rows)


def _all(counts: dict[str, int], states: tuple[str, ...]) -> dict[str, int]:
    return {state: counts.get(state, 0) for state in states}


def _paused(is_paused: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "paused" if is_paused else ""


@jobs.command()
def pause(path: DatabasePath, queue: QueueName) -> None:
    """Begin no more jobs of a queue, in any process; those that run go on."""
    with opened(path) as db:
        db.jobs.pause(queue)
    say(f"queue {queue} is paused")


@jobs.command()
def resume(path: DatabasePath, queue: QueueName) -> None:
    """Go on with a queue that was paused."""
    with opened(path) as db:
        db.jobs.resume(queue)
    say(f"queue {queue} goes on")


@jobs.command()
def scheduled(
    path: DatabasePath,
    state: Annotated[ScheduledPhase | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List scheduled functions, the newest first."""
    with opened(path) as db, db.snapshot() as snapshot:
        matching = (
            one
            for one in snapshot.query(hw.ScheduledFunctions).order("desc")
            if state in (None, one["state"]["kind"])
        )
        found = list(islice(matching, limit))
    if as_json:
        for one in found:
            say_json(dict(one))
        return
    rows = [
        [one["_id"], one["state"]["kind"], _at(one["scheduledTime"]), one["name"]] for one in found
    ]
    say_rows(["id", "state", "time", "function"], rows)


# Inside -----------------------------------------------------------------------------------------


@contextmanager
def _application_opened(path: Path, modules: str | None) -> Generator[hw.Database]:
    if modules is None:
        with opened(path) as db:
            yield db
        return
    check_exists(path)
    with hw.open(path, modules=find_source(modules).load(), build="later", jobs="hold") as db:
        yield db


def _say_jobs(found: list[hw.Job], *, as_json: bool) -> None:
    if as_json:
        for job in found:
            say_json(dict(job))
        return
    rows = [
        [
            job["_id"],
            job["state"],
            job["queue"],
            str(job["attempts"]),
            _at(job.get("completed", job["due"])),
            job["function"],
            _progress(job),
        ]
        for job in found
    ]
    say_rows(["id", "state", "queue", "tries", "time", "function", "progress"], rows)


def _progress(job: hw.Job) -> str:
    progress = job.get("progress")
    if progress is None:
        return ""
    total = progress["total"]
    of = "" if total is None else f" of {total:g}"
    return f"{progress['done']:g}{of} {progress['note']}".strip()


def _at(ms: float) -> str:
    return at_time(int(ms * _NS_PER_MS))


def _job(id: str) -> "hw.Id[hw.Job]":
    return cast("hw.Id[hw.Job]", id)


def _check_chosen(ids: list[str] | None, queue: str | None, *, every: bool) -> None:
    if bool(ids) == every:
        raise typer.BadParameter("expected the ids of jobs, or --all")
    if queue is not None and not every:
        raise typer.BadParameter("--queue goes with --all")


def _each(ids: list[str] | None, act: Callable[[str], bool], *, done: str, vain: str) -> None:
    """Do something with each of some documents, and say how it went."""
    if not ids:
        raise typer.BadParameter("expected the ids of jobs")
    for id in ids:
        say(f"{id} {done if act(id) else vain}")


def _in_batches(act: Callable[[], int]) -> int:
    total = 0
    while count := act():
        total += count
    return total
