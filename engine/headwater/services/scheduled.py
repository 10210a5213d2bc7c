"""Scheduled functions as work for the executor."""

from collections.abc import Sequence
from typing import Any, cast

from headwater.functions.retry import ONCE
from headwater.functions.runner import Runner
from headwater.functions.scheduling import ScheduledFunction, ScheduledFunctions
from headwater.schema.tables import Id
from headwater.services.ended import Ended
from headwater.services.pending import Pending
from headwater.services.scheduling import MS_PER_SECOND, now_ms
from headwater.services.work import Agenda, Claimed, Outcome, Room, Task, Work
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.values import MISSING


class ScheduledWork:
    """The `Source` of what `ctx.scheduler` has written."""

    tables: Sequence[str] = (ScheduledFunctions.table_name,)
    is_endless = False

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._application = runner.application
        self._rules = runner.store.rules
        self._ended = Ended(ScheduledFunctions, ScheduledFunctions.by_completion)
        self._pending = Pending(
            self,
            runner.application,
            ScheduledFunctions,
            ScheduledFunctions.by_state,
            "scheduledTime",
        )

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:
        """What is due, and when to ask again."""
        upkeep_ms = self._ended.forgotten_ms(reader)
        return self._pending.agenda(reader, now_ms, room, "pending", upkeep_ms)

    def begin(self, transaction: Transaction, task: Task, owner: str) -> Work | None:
        """Mark one as in progress, if its time has come and it was not canceled."""
        writer = ServiceWriter(transaction, self._rules)
        found = writer.get(cast("Id[ScheduledFunction]", task.id))
        if found is None or found["state"]["kind"] != "pending":
            return None
        function = self._application.functions.get(found["name"])
        if function is None or found["scheduledTime"] > transaction.moment.now_ms:
            return None
        begun: dict[str, Any] = {"state": {"kind": "in_progress"}}
        if function.kind == "action":
            begun["owner"] = owner
        if function.options.retry is not None:
            begun["attempts"] = found.get("attempts", 0) + 1
        writer.patch(found["_id"], begun)
        return Work(function, found["args"])

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """Mark one as ended, or as due again if it is to be tried again; not if it was canceled."""
        writer = ServiceWriter(transaction, self._rules)
        found = self._in_progress(writer, task, owner)
        if found is None:
            return
        changes: dict[str, Any] = {"owner": MISSING}
        if not outcome.text:
            changes |= {"state": {"kind": "success"}}
        elif "attempts" not in found:
            changes |= {"state": {"kind": "failed", "error": outcome.text}}
        else:
            again = self._again(transaction, found, outcome)
            if again is None:
                return
            changes |= again
        if changes["state"]["kind"] != "pending":
            changes["completedTime"] = transaction.moment.now_ms
        writer.patch(found["_id"], changes)

    def _again(
        self, transaction: Transaction, found: ScheduledFunction, outcome: Outcome
    ) -> dict[str, Any] | None:
        """What becomes of a failed action with a policy; None if this process does not know it."""
        function = self._application.functions.get(found["name"])
        if function is None:
            return None  # another process, which has the function, finds it
        retry, attempts = function.options.retry or ONCE, found.get("attempts", 1)
        seconds = None
        if outcome.is_lost and attempts < retry.attempts:
            seconds = retry.wait_seconds(attempts, transaction.random())
        elif outcome.error is not None:
            seconds = retry.seconds_after(outcome.error, attempts, transaction.random())
        if seconds is None:
            return {"state": {"kind": "failed", "error": outcome.text}}
        time_ms = now_ms(self._runner, transaction) + seconds * MS_PER_SECOND
        return {"state": {"kind": "pending", "error": outcome.text}, "scheduledTime": time_ms}

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Let an action that was claimed, and never run, be due again."""
        writer = ServiceWriter(transaction, self._rules)
        found = self._in_progress(writer, task, owner)
        if found is not None:
            pending: dict[str, Any] = {"state": {"kind": "pending"}, "owner": MISSING}
            if "attempts" in found:
                pending["attempts"] = found["attempts"] - 1
            writer.patch(found["_id"], pending)

    @staticmethod
    def _in_progress(writer: ServiceWriter, task: Task, owner: str) -> ScheduledFunction | None:
        """The function of a task, if it is ``owner`` that runs it."""
        found = writer.get(cast("Id[ScheduledFunction]", task.id))
        if found is None or found["state"]["kind"] != "in_progress":
            return None
        return found if found.get("owner", owner) == owner else None

    def claimed(self, reader: Reader) -> Sequence[Claimed]:
        """All actions that somebody has begun and not ended."""
        found = reader.query(ScheduledFunctions).with_index(
            ScheduledFunctions.by_state, "in_progress"
        )
        return [
            Claimed(self._pending.task(cast("dict[str, Any]", one)), one.get("owner", ""))
            for one in found
        ]

    def canceled(self, reader: Reader, running: Sequence[Task]) -> Sequence[Task]:  # noqa: ARG002
        """Those actions go on."""
        return ()

    def upkeep(self, transaction: Transaction) -> None:
        """Remove a batch of those that have ended long ago."""
        writer = ServiceWriter(transaction, self._rules)
        self._ended.forget(writer, transaction.moment.now_ms)
