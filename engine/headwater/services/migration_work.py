"""Migrations as work for the executor: each batch is a mutation."""

from collections.abc import Sequence
from typing import Any, cast

from headwater.functions.migration_batches import error_text, failed_at, first_position
from headwater.functions.migrations import MigrationRun, Migrations
from headwater.functions.runner import Runner
from headwater.schema.tables import Id
from headwater.services.work import Agenda, Claimed, Outcome, Room, Task, Work
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.values import MISSING


class MigrationWork:
    """The `Source` of migrations.

    A migration is run by one executor at a time: the one that began it, while that is alive. More
    would do no harm, and no good either: each batch follows the one before.

    Attributes:
        is_claiming: Whether there is an executor here, which goes on with what it has begun.
    """

    tables: Sequence[str] = (Migrations.table_name,)
    is_endless = False

    def __init__(self, runner: Runner) -> None:
        self.is_claiming: bool = False
        self._runner = runner
        self._application = runner.application
        self._rules = runner.store.rules

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:  # noqa: ARG002
        """The next batch of each migration that may go on here."""
        runs = [
            run
            for state in ("running", "pending")
            for run in reader.query(Migrations).with_index(Migrations.by_state, state)
        ]
        me = self._runner.store.environment.member
        tasks = [
            self.task(run)
            for run in runs
            if run.get("owner", me) == me
            and self._is_known(run)
            and not room.is_busy(self._path_of(run))
            and self.waits_for(reader, run) is None
        ]
        return Agenda(tasks[: room.mutations])

    def _is_known(self, run: MigrationRun) -> bool:
        known = self._application.migrations.get(run["name"])
        return known is not None and known.table.table_name == run["table"]

    def _path_of(self, run: MigrationRun) -> str:
        """Where the function is now; it may have been moved since the migration began."""
        known = self._application.migrations.get(run["name"])
        path = None if known is None else self._application.path_of(known.step)
        return path or run["function"]

    def waits_for(self, reader: Reader, run: MigrationRun) -> str | None:
        """The first migration that has to succeed before it; None if all have."""
        for other in self._application.migrations[run["name"]].after:
            found = reader.query(Migrations).with_index(Migrations.by_name, other.name).first()
            if found is None or found["state"] != "success":
                return other.name
        return None

    def task(self, run: MigrationRun) -> Task:
        """The next batch of a migration."""
        time = run["_creationTime"]
        return Task(self, run["_id"], self._path_of(run), "mutation", (time, time, run["_id"]))

    def begin(self, transaction: Transaction, task: Task, owner: str) -> Work | None:
        """Let a batch begin, if it may."""
        writer = self._writer(transaction)
        run = writer.get(cast("Id[MigrationRun]", task.id))
        if run is None or run["state"] not in ("pending", "running") or not self._is_known(run):
            return None
        if self.waits_for(writer, run) is not None:
            return None
        changes: dict[str, Any] = {"state": "running", "function": task.function}
        changes["owner"] = owner if self.is_claiming else MISSING
        if "startedTime" not in run:
            changes["startedTime"] = transaction.moment.now_ms
        if "seen" not in run:
            changes |= first_position(transaction, run["table"])
        writer.patch(run["_id"], changes)
        step = self._application.migrations[run["name"]].step
        return Work(step, {"run": run["_id"]})

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """Note that the last batch is done, or that one has failed."""
        writer = self._writer(transaction)
        run = writer.get(cast("Id[MigrationRun]", task.id))
        if run is None or run["state"] != "running":
            return
        if outcome.is_lost:
            self._let_go(writer, run, owner)
            return
        ended: dict[str, Any] = {"endedTime": transaction.moment.now_ms, "owner": MISSING}
        if outcome.error is not None:
            document = failed_at(outcome.error)
            ended |= {"state": "failed", "error": error_text(outcome.error)}
            writer.patch(run["_id"], {**ended, "document": document or MISSING})
        elif outcome.value:
            writer.patch(run["_id"], {**ended, "state": "success"})

    @staticmethod
    def _let_go(writer: ServiceWriter, run: MigrationRun, owner: str) -> None:
        if run.get("owner") == owner:
            writer.patch(run["_id"], owner=MISSING)

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Let another open database go on with it."""
        writer = self._writer(transaction)
        run = writer.get(cast("Id[MigrationRun]", task.id))
        if run is not None:
            self._let_go(writer, run, owner)

    def claimed(self, reader: Reader) -> Sequence[Claimed]:
        """Those that run, and where they do."""
        found = reader.query(Migrations).with_index(Migrations.by_state, "running")
        return [Claimed(self.task(run), run["owner"]) for run in found if "owner" in run]

    def canceled(self, reader: Reader, running: Sequence[Task]) -> Sequence[Task]:  # noqa: ARG002
        """No batch is an action."""
        return ()

    def upkeep(self, transaction: Transaction) -> None:
        """All of them are kept."""

    def _writer(self, transaction: Transaction) -> ServiceWriter:
        return ServiceWriter(transaction, self._rules)
