"""What applications do with jobs, within one transaction: the operations of ``ctx.jobs``."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from headwater.errors import ArgumentError, DocumentNotFoundError, InvalidIdError
from headwater.functions.bound_calls import BoundCall
from headwater.functions.job_operations import EnqueueOptions
from headwater.functions.job_options import check_queue_name
from headwater.functions.jobs import (
    UNFINISHED,
    Completion,
    Job,
    JobBatch,
    JobBatches,
    Jobs,
    Queues,
)
from headwater.schema.tables import Id
from headwater.services.job_choosing import queues_of
from headwater.services.job_endings import JobEndings
from headwater.services.job_functions import JobFunctions, options_of
from headwater.services.job_settings import QueueSettings
from headwater.transactions.service_writer import ServiceWriter
from headwater_indexes.values import MISSING


class JobDesk:
    """The `JobOperations` of one transaction.

    Args:
        writer: Of the transaction.
        now_ms: The time, ms since the epoch.
        functions: Finds functions and their paths.
        settings: Of the queues.
        endings: Of the same transaction.
    """

    def __init__(
        self,
        writer: ServiceWriter,
        now_ms: float,
        functions: JobFunctions,
        settings: QueueSettings,
        endings: JobEndings,
    ) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._functions = functions
        self._settings = settings
        self._endings = endings

    # -- enqueuing ------------------------------------------------------------------------------

    def enqueue(self, call: BoundCall, options: EnqueueOptions) -> Id[Job]:
        """Add a job, unless its key is taken."""
        fields = self._fields(call, options)
        if options.unique_key is not None:
            holder = self._holder(fields["function"], options)
            if holder is not None:
                return holder["_id"]
            fields["unique_key"] = options.unique_key
        return self._writer.insert(Jobs, fields)

    def _holder(self, path: str, options: EnqueueOptions) -> Job | None:
        """The job that has the key of another one."""
        jobs = self._writer.query(Jobs)
        found = jobs.with_index(Jobs.by_unique_key, options.unique_key, path)
        newest = found.order("desc").first()
        if newest is None or options.unique_until == "forgotten":
            return newest
        return newest if newest["state"] in UNFINISHED else None

    def _fields(self, call: BoundCall, options: EnqueueOptions) -> dict[str, Any]:
        path = self._functions.path_of(call.function)
        self._functions.check(call)
        declared = options_of(call.function)
        fields: dict[str, Any] = {
            "function": path,
            "arguments": dict(call.arguments),
            "queue": declared.queue if options.queue is None else options.queue,
            "state": "pending",
            "priority": declared.priority if options.priority is None else options.priority,
            "due": self._due(options),
            "attempts": 0,
            "errors": [],
        }
        completion = self._completion(options.on_complete, options.context)
        return fields if completion is None else {**fields, "on_complete": completion}

    def _due(self, options: EnqueueOptions) -> float:
        at = options.run_at
        if at is None:
            return self._now_ms + options.delay_seconds * 1000
        at_ms = at.timestamp() * 1000 if isinstance(at, datetime) else float(at)
        # What was due before it was enqueued has no right to come before what waits already.
        return max(self._now_ms, at_ms)

    def _completion(self, function: object, context: object) -> Completion | None:
        if function is None:
            return None
        path = self._functions.path_of_mutation(function)
        return {"function": path, "context": context}

    def enqueue_many(
        self,
        calls: Iterable[BoundCall],
        options: EnqueueOptions,
        on_complete: Any,
        context: object,
    ) -> Id[JobBatch]:
        """Add a batch of jobs."""
        if options.unique_key is not None:
            raise ArgumentError(
                f"jobs.enqueue_many(): the jobs of a batch cannot all have the unique_key "
                f"{options.unique_key!r}; enqueue them one by one"
            )
        rows = [self._fields(call, options) for call in calls]
        fields: dict[str, Any] = {"total": len(rows), "success": 0, "dead": 0, "canceled": 0}
        completion = self._completion(on_complete, context)
        if completion is not None:
            fields["on_complete"] = completion
        batch = self._writer.insert(JobBatches, fields)
        if rows:
            self._writer.insert_many(Jobs, [{**row, "batch": batch} for row in rows])
        else:
            self._endings.end_batch(cast("JobBatch", self._writer.get(batch)))
        return batch

    # -- jobs -----------------------------------------------------------------------------------

    def cancel(self, job: Id[Job]) -> bool:
        """Have a job not run, or end; whether it had not ended."""
        return self._cancel(self._job(job, "cancel"))

    def _cancel(self, job: Job) -> bool:
        if job["state"] == "pending":
            self._endings.cancel(job)
        elif job["state"] == "running":
            self._writer.patch(job["_id"], is_canceled=True)
        return job["state"] in UNFINISHED

    def cancel_batch(self, batch: Id[JobBatch]) -> int:
        """Cancel those jobs of a batch that have not ended; how many these were."""
        if self._writer.normalize_id(JobBatches, batch) is None:
            raise InvalidIdError(f"cannot cancel {batch!r}: expected the id of a batch of jobs")
        jobs = self._writer.query(Jobs)
        found = [jobs.with_index(Jobs.by_batch, batch, state).collect() for state in UNFINISHED]
        return sum([self._cancel(job) for jobs_of_state in found for job in jobs_of_state])

    def redrive(self, job: Id[Job]) -> bool:
        """Let a job begin anew, if it is dead; whether it was."""
        found = self._job(job, "redrive")
        if found["state"] == "dead":
            self._endings.redrive(found)
        return found["state"] == "dead"

    def redrive_all(self, queue: str | None, limit: int) -> int:
        """Let dead jobs begin anew; how many these were."""
        dead = self._dead(queue, limit)
        for job in dead:
            self._endings.redrive(job)
        return len(dead)

    def purge(self, job: Id[Job]) -> bool:
        """Forget a job, if it has ended; whether it had."""
        found = self._job(job, "purge")
        has_ended = found["state"] not in UNFINISHED
        if has_ended:
            self._writer.delete(job)
        return has_ended

    def purge_all(self, queue: str | None, limit: int) -> int:
        """Forget dead jobs; how many these were."""
        dead = self._dead(queue, limit)
        for job in dead:
            self._writer.delete(job["_id"])
        return len(dead)

    def _job(self, id: Id[Job], verb: str) -> Job:
        if self._writer.normalize_id(Jobs, id) is None:
            raise InvalidIdError(f"cannot {verb} {id!r}: expected the id of a job")
        job = self._writer.get(id)
        if job is None:
            raise DocumentNotFoundError(
                f"cannot {verb} {id!r}: there is no such job; it was purged, or has ended so long "
                "ago that it is forgotten",
                id=id,
            )
        return job

    def _dead(self, queue: str | None, limit: int) -> Sequence[Job]:
        if type(limit) is not int or limit < 1:
            raise ArgumentError(f"limit={limit!r}: expected a whole number of jobs, 1 or more")
        found: list[Job] = []
        for name in list(queues_of(self._writer, "dead")) if queue is None else [queue]:
            jobs = self._writer.query(Jobs).with_index(Jobs.by_turn, "dead", name)
            found += jobs.take(limit - len(found))
        return found

    # -- queues ---------------------------------------------------------------------------------

    def set_paused(self, queue: str, *, is_paused: bool) -> None:
        """Pause a queue, or let it go on."""
        self._set(queue, {"is_paused": is_paused})

    def set_concurrency(self, queue: str, concurrency: int | None) -> None:
        """Set how many jobs of a queue run at the same time."""
        if concurrency is not None and (type(concurrency) is not int or concurrency < 0):
            raise ArgumentError(
                f"queue {queue!r}: concurrency={concurrency!r}, expected a whole number, 0 or "
                "more, or None for what is declared"
            )
        self._set(queue, {"concurrency": MISSING if concurrency is None else concurrency})

    def _set(self, queue: str, fields: dict[str, Any]) -> None:
        check_queue_name(queue, "jobs")
        setting = self._settings.setting(self._writer, queue)
        if setting is None:
            id = self._writer.insert(Queues, {"name": queue, "is_paused": False})
        else:
            id = setting["_id"]
        self._writer.patch(id, fields)
