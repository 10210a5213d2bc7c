"""How jobs end: the result, its batch, and who is told, all in one transaction."""

from typing import Any, Final, Literal, TypeAlias

from headwater.errors import ApplicationError, LimitExceededError, ValueNotStorableError
from headwater.functions.job_options import KEPT_SECONDS
from headwater.functions.jobs import (
    BatchResult,
    Completion,
    Job,
    JobBatch,
    JobBatches,
    JobError,
    JobFailure,
    JobProgress,
    JobResult,
    Jobs,
    JobSuccess,
)
from headwater.functions.runner import Runner
from headwater.services.job_functions import JobFunctions
from headwater.services.job_settings import QueueSettings
from headwater.services.scheduling import now_ms
from headwater.transactions.service_writer import ServiceWriter
from headwater_indexes.values import MISSING

Ended: TypeAlias = Literal["success", "dead", "canceled"]

_ERRORS_KEPT: Final = 10
_ERROR_CHARACTERS: Final = 4000

_OF_A_RUN: Final = dict.fromkeys(("owner", "started", "attempts_allowed", "is_canceled"), MISSING)
"""What only a running job has."""

_OF_AN_END: Final = dict.fromkeys(("completed", "expires", "result"), MISSING)
"""What only a job has that has ended."""


class JobEndings:
    """Moves jobs out of their attempts, within one transaction.

    Args:
        writer: Of the transaction.
        runner: Runs the mutations that are told.
        functions: Finds them.
        settings: Of the queues.
        untold: Why nobody is told this time; empty to tell them.
    """

    def __init__(
        self,
        writer: ServiceWriter,
        runner: Runner,
        functions: JobFunctions,
        settings: QueueSettings,
        untold: str = "",
    ) -> None:
        self._writer = writer
        self._runner = runner
        self._now_ms = now_ms(runner, writer.transaction)
        self._functions = functions
        self._settings = settings
        self._untold = untold

    # -- out of an attempt ----------------------------------------------------------------------

    def succeed(self, job: Job, value: Any, progress: JobProgress | None = None) -> None:
        """A job has returned a value. One that cannot be kept is a failure that comes again."""
        result: JobSuccess = {"kind": "success", "value": value}
        try:
            self._write_end(job, "success", result, progress=progress)
        except (LimitExceededError, ValueNotStorableError) as error:
            self._die(job, text_of(error), error, progress)
        else:
            self._tell_all(job, "success", result)

    def fail(self, job: Job, error: BaseException, progress: JobProgress | None = None) -> None:
        """An attempt has raised: the job waits for the next one, or is dead."""
        text = text_of(error)
        seconds = self._functions.retry_of(job).seconds_after(
            error, job["attempts"], self._writer.transaction.random()
        )
        if job.get("is_canceled"):
            self.cancel(job, progress)
        elif seconds is None:
            self._die(job, text, error, progress)
        else:
            self._wait(job, seconds, self._errors(job, text), progress)

    def interrupt(self, job: Job, text: str, progress: JobProgress | None = None) -> None:
        """An attempt was cut off, and nobody knows how far it came."""
        policy = self._functions.retry_of(job)
        if job.get("is_canceled"):
            self.cancel(job, progress)
        elif job["attempts"] < job.get("attempts_allowed", 1):
            seconds = policy.wait_seconds(job["attempts"], self._writer.transaction.random())
            self._wait(job, seconds, self._errors(job, text), progress)
        else:
            self._die(job, text, None, progress)

    def cancel(self, job: Job, progress: JobProgress | None = None) -> None:
        """A job does not run, or not on."""
        self._end(job, "canceled", {"kind": "canceled"}, progress=progress)

    def _die(
        self, job: Job, text: str, error: BaseException | None, progress: JobProgress | None
    ) -> None:
        failure: JobFailure = {"kind": "failure", "error": text}
        if isinstance(error, ApplicationError):
            failure["data"] = error.data
        self._end(job, "dead", failure, errors=self._errors(job, text), progress=progress)

    def _wait(
        self, job: Job, seconds: float, errors: list[JobError], progress: JobProgress | None
    ) -> None:
        due = self._now_ms + seconds * 1000
        fields = {**_OF_A_RUN, "state": "pending", "due": due, "errors": errors}
        self._writer.patch(job["_id"], fields | _progress(progress))

    def _errors(self, job: Job, text: str) -> list[JobError]:
        error: JobError = {"attempt": job["attempts"], "at": self._now_ms, "error": text}
        return [*job["errors"], error][-_ERRORS_KEPT:]

    # -- the end --------------------------------------------------------------------------------

    def _end(
        self,
        job: Job,
        state: Ended,
        result: JobResult,
        *,
        errors: list[JobError] | None = None,
        progress: JobProgress | None = None,
    ) -> None:
        self._write_end(job, state, result, errors=errors, progress=progress)
        self._tell_all(job, state, result)

    def _write_end(
        self,
        job: Job,
        state: Ended,
        result: JobResult,
        *,
        errors: list[JobError] | None = None,
        progress: JobProgress | None = None,
    ) -> None:
        fields: dict[str, Any] = {**_OF_A_RUN, "state": state, "result": result}
        fields |= {"completed": self._now_ms, "errors": errors or job["errors"]}
        kept_seconds = self._kept_seconds(job, state)
        if kept_seconds is not None:
            fields["expires"] = self._now_ms + kept_seconds * 1000
        self._writer.patch(job["_id"], fields | _progress(progress))

    def _tell_all(self, job: Job, state: Ended, result: JobResult) -> None:
        completion = job.get("on_complete")
        if completion is not None:
            self._tell(job["_id"], completion, result)
        batch = job.get("batch")
        if batch is not None:
            self._count(batch, state)

    def _kept_seconds(self, job: Job, state: Ended) -> float | None:
        queue = self._settings.declared(job["queue"])
        return queue.dead_kept_seconds if state == "dead" else queue.kept_seconds

    def _tell(self, id: Any, completion: Completion, result: JobResult | BatchResult) -> None:
        """Call the mutation that waits for an end. If it raises, that is noted, and nothing else.

        Raises:
            FunctionNotFoundError: This process does not have it; another one has to end the job.
        """
        function = self._functions.mutation(completion["function"])
        problem = self._untold
        if not problem:
            try:
                arguments = function.arrange((id, completion["context"], result), {})
                call = self._runner.make_call(function, arguments)
                self._runner.run_inside(call, self._writer.transaction)
            except Exception as error:  # noqa: BLE001 - the end stands, whoever is told of it
                problem = text_of(error)
        if problem:
            noted: Completion = {**completion, "error": problem}
            self._writer.patch(id, on_complete=noted)

    # -- batches --------------------------------------------------------------------------------

    def _count(self, id: Any, state: Ended) -> None:
        batch: JobBatch | None = self._writer.get(id)
        if batch is None:
            return  # forgotten before a job of it that was redriven
        batch[state] += 1
        self._writer.patch(id, {state: batch[state]})
        self.end_batch(batch)

    def end_batch(self, batch: JobBatch) -> None:
        """End a batch, if all of its jobs have, and it has not."""
        ended = batch["success"] + batch["dead"] + batch["canceled"]
        if ended < batch["total"] or "completed" in batch:
            return
        expires = self._now_ms + KEPT_SECONDS * 1000
        self._writer.patch(batch["_id"], completed=self._now_ms, expires=expires)
        completion = batch.get("on_complete")
        if completion is not None:
            result: BatchResult = {
                "total": batch["total"],
                "success": batch["success"],
                "dead": batch["dead"],
                "canceled": batch["canceled"],
            }
            self._tell(batch["_id"], completion, result)

    # -- anew -----------------------------------------------------------------------------------

    def redrive(self, job: Job) -> None:
        """Let a dead job begin anew. Its batch counts it as not ended, and stays ended itself."""
        fields = {**_OF_AN_END, "state": "pending", "due": self._now_ms, "attempts": 0}
        self._writer.patch(job["_id"], {**fields, "progress": MISSING})
        batch_id = job.get("batch")
        batch = None if batch_id is None else self._writer.get(batch_id)
        if batch is not None:
            self._writer.patch(batch["_id"], dead=batch["dead"] - 1)


def forget_expired(writer: ServiceWriter, count: int) -> None:
    """Remove jobs and batches that are not kept any longer, so many of each at most."""
    now_ms = writer.transaction.moment.now_ms
    jobs = writer.query(Jobs).with_index(Jobs.by_expiry, gte=0.0, lte=now_ms).take(count)
    batches = writer.query(JobBatches).with_index(JobBatches.by_expiry, gte=0.0, lte=now_ms)
    for job in jobs:
        writer.delete(job["_id"])
    for batch in batches.take(count):
        writer.delete(batch["_id"])


def text_of(error: BaseException) -> str:
    """What an error says, as it is kept."""
    return f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]


def _progress(progress: JobProgress | None) -> dict[str, Any]:
    return {} if progress is None else {"progress": progress}
