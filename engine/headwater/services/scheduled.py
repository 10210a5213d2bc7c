"""Scheduled functions as work for the executor."""

from collections.abc import Sequence
from typing import Any, Final, cast

from headwater.functions.runner import Runner
from headwater.functions.scheduling import ScheduledFunction, ScheduledFunctions
from headwater.schema.tables import Id
from headwater.services.pending import Pending
from headwater.services.work import Agenda, Claimed, Outcome, Room, Task, Work
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.values import MISSING

KEPT_MS: Final = 7 * 24 * 3600 * 1000.0
"""How long those that have ended are kept."""

_REMOVED_AT_ONCE: Final = 256


class ScheduledWork:
    """The `Source` of what `ctx.scheduler` has written."""

    tables: Sequence[str] = (ScheduledFunctions.table_name,)

    def __init__(self, runner: Runner) -> None:
        self._application = runner.application
        self._rules = runner.store.rules
        self._pending = Pending(
            self,
            runner.application,
            ScheduledFunctions,
            ScheduledFunctions.by_state,
            "scheduledTime",
        )

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:
        """What is due, and when to ask again."""
        ended = reader.query(ScheduledFunctions).with_index(ScheduledFunctions.by_completion, gte=0)
        oldest = ended.first()
        upkeep_ms = None if oldest is None else oldest.get("completedTime", 0.0) + KEPT_MS
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
        whose = {"owner": owner} if function.kind == "action" else {}
        writer.patch(found["_id"], whose, state={"kind": "in_progress"})
        return Work(function, found["args"])

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """Mark one as ended, unless it was canceled meanwhile."""
        state: dict[str, Any] = {"kind": "success"}
        if outcome.text:
            state = {"kind": "failed", "error": outcome.text}
        now_ms = transaction.moment.now_ms
        ended = {"state": state, "completedTime": now_ms, "owner": MISSING}
        self._change(transaction, task, owner, ended)

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Let an action that was claimed, and never run, be due again."""
        pending = {"state": {"kind": "pending"}, "owner": MISSING}
        self._change(transaction, task, owner, pending)

    def _change(
        self, transaction: Transaction, task: Task, owner: str, fields: dict[str, Any]
    ) -> None:
        writer = ServiceWriter(transaction, self._rules)
        found = writer.get(cast("Id[ScheduledFunction]", task.id))
        if found is None or found.get("owner", owner) != owner:
            return
        if found["state"]["kind"] == "in_progress":
            writer.patch(found["_id"], fields)

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
        before = transaction.moment.now_ms - KEPT_MS
        ended = writer.query(ScheduledFunctions).with_index(
            ScheduledFunctions.by_completion, gte=0, lte=before
        )
        for one in ended.take(_REMOVED_AT_ONCE):
            writer.delete(one["_id"])
