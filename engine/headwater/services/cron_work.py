"""Crons as work for the executor."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from headwater.functions.cron_schedules import schedule_of
from headwater.functions.crons import (
    CronRun,
    CronRuns,
    CronTurn,
    RegisteredCron,
    RegisteredCrons,
)
from headwater.functions.runner import Runner
from headwater.schema.tables import Id
from headwater.services.cron_runs import insert_run
from headwater.services.ended import Ended
from headwater.services.pending import Pending
from headwater.services.scheduling import now_ms as clock_now_ms
from headwater.services.work import Agenda, Claimed, Outcome, Room, Task, Work
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.values import MISSING

LATE_MS: Final = 60_000.0
"""A time that is so long past was missed."""


class Turn(NamedTuple):
    """What is done about the times of a cron that have come.

    Attributes:
        time_ms: The time that runs now; None if none does.
        skipped: How many others are not run.
        next_ms: The time after those.
    """

    time_ms: float | None
    skipped: int
    next_ms: float


def turn_of(cron: RegisteredCron, now_ms: float) -> Turn:
    """What is done about the times of a cron that have come until now."""
    schedule, first_ms = schedule_of(cron["schedule"]), cron["nextTime"]
    if cron["missed"] == "run_all":
        return Turn(first_ms, 0, schedule.following(first_ms))
    last_ms = schedule.last_until(first_ms, now_ms)
    skipped = schedule.count_before(first_ms, last_ms)
    next_ms = schedule.following(last_ms)
    if cron["missed"] == "skip" and now_ms - last_ms > LATE_MS:
        return Turn(None, skipped + 1, next_ms)
    return Turn(last_ms, skipped, next_ms)


class CronWork:
    """The `Source` of crons: that one has had its turn and what it did are one commit."""

    tables: Sequence[str] = (RegisteredCrons.table_name,)
    is_endless = True

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._application = runner.application
        self._rules = runner.store.rules
        self._ended = Ended(CronRuns, CronRuns.by_completion)
        self._pending = Pending(
            self, runner.application, RegisteredCrons, RegisteredCrons.by_time, "nextTime"
        )

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:
        """What is due, and when to ask again."""
        upkeep_ms = self._ended.forgotten_ms(reader)
        return self._pending.agenda(reader, now_ms, room, "waiting", upkeep_ms)

    def begin(self, transaction: Transaction, task: Task, owner: str) -> Work | None:
        """Let one have its turn: note the run, and when the next one is."""
        writer, now_ms = self._writer(transaction), transaction.moment.now_ms
        cron = _cron(writer, task)
        if cron is None or cron["state"] != "waiting" or cron["nextTime"] > now_ms:
            return None
        function = self._application.functions.get(cron["function"])
        if function is None:
            return None
        # By the clock, which the times of transactions may be ahead of.
        clock_ms = max(clock_now_ms(self._runner, transaction), cron["nextTime"])
        turn = turn_of(cron, clock_ms)
        # Should it have to be made, then before the function runs and not after it.
        transaction.table_for_writing(CronRuns.table_name)
        cron["runs"] += 1
        changes: dict[str, Any] = {"nextTime": turn.next_ms, "runs": cron["runs"]}
        if turn.time_ms is None:
            first: CronTurn = {"scheduledTime": cron["nextTime"], "skipped": turn.skipped}
            insert_run(writer, cron, first, {"state": "skipped", "completedTime": now_ms})
            writer.patch(cron["_id"], changes)
            return None
        taken: CronTurn = {"scheduledTime": turn.time_ms, "skipped": turn.skipped}
        changes["state"] = "running"
        if function.kind == "action":
            run = insert_run(writer, cron, taken, {"state": "in_progress"})
            changes |= {"run": run, "owner": owner}
        else:  # at its end, so that the function gets the ids that a replay of it gets
            changes["turn"] = taken
        writer.patch(cron["_id"], changes)
        return Work(function, cron["args"], is_tried_again=True)

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """Note how a run ended, and let the cron wait for its next time."""
        writer = self._writer(transaction)
        cron = _running(writer, task, owner)
        if cron is None:
            return
        ended: dict[str, Any] = {"state": "success", "completedTime": transaction.moment.now_ms}
        if outcome.text:
            ended |= {"state": "failed", "error": outcome.text}
        turn = cron.get("turn")
        if turn is None:
            writer.patch(_run_id(cron), ended)
        else:
            insert_run(writer, cron, turn, ended)
        _wait(writer, cron)

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Let an action that never ran have its turn again."""
        writer = self._writer(transaction)
        cron = _running(writer, task, owner)
        if cron is None:
            return
        run = writer.get(_run_id(cron))
        if run is not None:
            writer.patch(cron["_id"], nextTime=run["scheduledTime"], runs=run["number"] - 1)
            writer.delete(run["_id"])
        _wait(writer, cron)

    def claimed(self, reader: Reader) -> Sequence[Claimed]:
        """All actions that somebody has begun and not ended."""
        found = reader.query(RegisteredCrons).with_index(RegisteredCrons.by_time, "running")
        return [
            Claimed(self._pending.task(cast("dict[str, Any]", one)), one.get("owner", ""))
            for one in found
        ]

    def canceled(self, reader: Reader, running: Sequence[Task]) -> Sequence[Task]:  # noqa: ARG002
        """Those actions go on."""
        return ()

    def upkeep(self, transaction: Transaction) -> None:
        """Remove a batch of runs that have ended long ago."""
        self._ended.forget(self._writer(transaction), transaction.moment.now_ms)

    def _writer(self, transaction: Transaction) -> ServiceWriter:
        return ServiceWriter(transaction, self._rules)


def _cron(writer: ServiceWriter, task: Task) -> RegisteredCron | None:
    return writer.get(cast("Id[RegisteredCron]", task.id))


def _running(writer: ServiceWriter, task: Task, owner: str) -> RegisteredCron | None:
    """The cron, if it runs and it is ``owner`` that runs it."""
    cron = _cron(writer, task)
    if cron is None or cron["state"] != "running" or cron.get("owner", owner) != owner:
        return None
    return cron


def _run_id(cron: RegisteredCron) -> Id[CronRun]:
    return cast("Id[CronRun]", cron.get("run", ""))


def _wait(writer: ServiceWriter, cron: RegisteredCron) -> None:
    writer.patch(cron["_id"], state="waiting", run=MISSING, owner=MISSING, turn=MISSING)
