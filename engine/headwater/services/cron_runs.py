"""The history of crons."""

from collections.abc import Mapping
from typing import Any, Final

from headwater.functions.crons import CronRuns, CronTurn, RegisteredCron
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter

RUNS_KEPT: Final = 100
"""Runs of one cron that are kept."""

_FORGOTTEN_AT_ONCE: Final = 2
"""Old runs that a new one removes: more than one, so that they do not pile up."""


def insert_run(
    writer: ServiceWriter, cron: RegisteredCron, turn: CronTurn, how: Mapping[str, object]
) -> str:
    """Note a run, or times that were skipped, and forget the oldest.

    Args:
        writer: Takes it.
        cron: Of which ``runs`` is the number of this run.
        turn: For which time.
        how: How it stands.

    Returns:
        The id of the run.
    """
    name, number = cron["name"], cron["runs"]
    old = writer.query(CronRuns).with_index(CronRuns.by_name, name, lte=number - RUNS_KEPT)
    for one in old.take(_FORGOTTEN_AT_ONCE):
        writer.delete(one["_id"])
    run: dict[str, Any] = {"name": name, "number": number, "function": cron["function"]}
    return writer.insert(CronRuns, run | turn | dict(how))


def last_number(reader: Reader, name: str) -> int:
    """The number of the last run of a cron of that name, so that later ones go on from it."""
    runs = reader.query(CronRuns).with_index(CronRuns.by_name, name).order("desc")
    last = runs.first()
    return 0 if last is None else last["number"]
