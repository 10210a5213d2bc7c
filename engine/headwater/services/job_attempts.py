"""Attempts of jobs that run here, and how far they say that they are."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any, Final

from headwater.errors import ArgumentError
from headwater.functions.alarm import Alarm
from headwater.functions.job_attempt import PROGRESS
from headwater.functions.jobs import Job, JobProgress
from headwater.functions.runner import Runner
from headwater.schema.tables import Id
from headwater.storage.commit_log import Origin
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_STEP_SECONDS: Final = 0.25
"""Progress is written no more often; people do not see more."""

_NS_PER_MS: Final = 1_000_000


class RunningAttempt:
    """A `headwater.functions.job_attempt.JobAttempt`. Safe to use from threads.

    Args:
        runner: Commits.
        alarm: Writes what came too soon after something else.
        job: As it was begun.
    """

    def __init__(self, runner: Runner, alarm: Alarm, job: Job) -> None:
        self._runner = runner
        self._alarm = alarm
        self.id: Id[Job] = job["_id"]
        self.number: int = job["attempts"]
        self._owner = job.get("owner")
        self._lock = threading.Lock()
        self._latest: JobProgress | None = None
        self._not_before = 0.0
        self._is_waiting = False

    def report(
        self, done: float, total: float | None, note: str
    ) -> Callable[[Transaction], None] | None:
        """Take in how far the job is.

        Returns:
            What writes that into a transaction; None if it is written a moment later, by itself.
        """
        given: Any = (done, total, note)  # whatever a type checker says
        if not _is_number(given[0]) or not (given[1] is None or _is_number(given[1])):
            raise ArgumentError(f"ctx.progress({done!r}, {total!r}): expected numbers")
        if not isinstance(given[2], str):
            raise ArgumentError(f"ctx.progress(note={note!r}): expected a string")
        clock = self._runner.store.clock
        now, now_ms = clock.monotonic(), clock.now_ns() / _NS_PER_MS
        with self._lock:
            self._latest = {
                "done": float(done),
                "total": None if total is None else float(total),
                "note": note,
                "at": now_ms,
            }
            if self._is_waiting:
                return None
            if now < self._not_before:
                self._is_waiting = True
                self._alarm.call_at(self._not_before, self._write_later)
                return None
            self._not_before = now + _STEP_SECONDS
        return self._write

    @property
    def latest(self) -> JobProgress | None:
        """What was said last, written or not."""
        with self._lock:
            return self._latest

    def _write_later(self) -> None:
        with self._lock:
            self._is_waiting = False
            self._not_before = self._runner.store.clock.monotonic() + _STEP_SECONDS
        self._runner.submit(self._write, Origin(PROGRESS), contextvars.Context(), _forget)

    def _write(self, transaction: Transaction) -> None:
        """Write what was said last, unless the attempt has ended."""
        writer = ServiceWriter(transaction, self._runner.store.rules)
        job = writer.get(self.id)
        if job is None or job["state"] != "running" or job.get("owner") != self._owner:
            return
        if job["attempts"] == self.number:
            writer.patch(self.id, progress=self.latest)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _forget(_: Any) -> None:
    """Nobody waits for it: what it writes is written with the end of the attempt as well."""
