"""Jobs as work for the executor."""

from collections.abc import Awaitable, Iterable, Sequence
from math import inf, isinf
from typing import Final, TypeVar, cast
from weakref import WeakValueDictionary

from headwater.errors import ActionCanceledError
from headwater.functions.alarm import Alarm
from headwater.functions.context_services import AsyncServe, Serve
from headwater.functions.job_client import JobClient
from headwater.functions.job_client_async import AsyncJobClient
from headwater.functions.job_operations import Operation
from headwater.functions.jobs import Job, JobBatches, Jobs, Queues
from headwater.functions.runner import Runner
from headwater.schema.tables import Id
from headwater.services.job_attempts import RunningAttempt
from headwater.services.job_choosing import Choosing
from headwater.services.job_desk import JobDesk
from headwater.services.job_endings import JobEndings, forget_expired
from headwater.services.job_functions import JobFunctions
from headwater.services.job_settings import QueueSettings
from headwater.services.scheduling import now_ms
from headwater.services.work import Agenda, Claimed, Outcome, Room, Task, TaskKind, Work
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.values import MISSING

R = TypeVar("R")

_ORIGIN: Final = "_jobs"
"""Of the commits that are made with jobs outside of mutations."""

_REMOVED_AT_ONCE: Final = 256


class JobWork:
    """The `Source` of what `ctx.jobs` has written.

    Args:
        runner: Runs functions.
        alarm: Of the same database.
    """

    tables: Sequence[str] = (Jobs.table_name, Queues.table_name)
    is_endless = False

    def __init__(self, runner: Runner, alarm: Alarm) -> None:
        self._runner = runner
        self._alarm = alarm
        self._functions = JobFunctions(runner)
        self._settings = QueueSettings(runner.application.queues)
        self._choosing = Choosing(self._functions, self._settings)
        self._attempts: WeakValueDictionary[str, RunningAttempt] = WeakValueDictionary()

    # -- for applications -----------------------------------------------------------------------

    def client(self, serve: Serve) -> JobClient:
        """What applications do with jobs."""

        def transact(operation: Operation[R]) -> R:
            return serve(_ORIGIN, lambda transaction: operation(self._desk(transaction)))

        return JobClient(transact)

    def async_client(self, serve: AsyncServe) -> AsyncJobClient:
        """The same for tasks."""

        def transact(operation: Operation[R]) -> Awaitable[R]:
            return serve(_ORIGIN, lambda transaction: operation(self._desk(transaction)))

        return AsyncJobClient(transact)

    def _desk(self, transaction: Transaction) -> JobDesk:
        writer = self._writer(transaction)
        at_ms, endings = now_ms(self._runner, transaction), self._endings(writer)
        return JobDesk(writer, at_ms, self._functions, self._settings, endings)

    def _writer(self, transaction: Transaction) -> ServiceWriter:
        return ServiceWriter(transaction, self._runner.store.rules)

    def _endings(self, writer: ServiceWriter, untold: str = "") -> JobEndings:
        return JobEndings(writer, self._runner, self._functions, self._settings, untold)

    # -- what is due ----------------------------------------------------------------------------

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:
        """What is due, and when to ask again."""
        choice = self._choosing.choose(reader, now_ms, max(room.mutations, room.actions))
        next_ms = None if isinf(choice.next_ms) else choice.next_ms
        return Agenda(self._tasks(choice.jobs, room), next_ms, self._upkeep_ms(reader))

    def _tasks(self, jobs: Iterable[Job], room: Room) -> list[Task]:
        """The tasks of jobs, which stay in their order within each queue."""
        left = {"mutation": room.mutations, "action": room.actions}
        latest: dict[str, float] = {}
        tasks: list[Task] = []
        for place, job in enumerate(jobs):
            task = self._task(job, latest, place)
            if left[task.kind] > 0:
                left[task.kind] -= 1
                tasks.append(task)
        return tasks

    def _task(self, job: Job, latest: dict[str, float], place: int) -> Task:
        due = latest[job["queue"]] = max(job["due"], latest.get(job["queue"], -inf))
        kind: TaskKind = "mutation" if self._functions.is_mutation(job) else "action"
        return Task(self, job["_id"], job["function"], kind, (due, place, job["_id"]))

    @staticmethod
    def _upkeep_ms(reader: Reader) -> float | None:
        """When the first job or batch is not kept any longer."""
        job = reader.query(Jobs).with_index(Jobs.by_expiry, gte=0.0).first()
        batch = reader.query(JobBatches).with_index(JobBatches.by_expiry, gte=0.0).first()
        times = [one.get("expires", inf) for one in (job, batch) if one is not None]
        return min(times, default=None)

    # -- attempts -------------------------------------------------------------------------------

    def begin(self, transaction: Transaction, task: Task, owner: str) -> Work | None:
        """Begin an attempt, if its time and its turn have come."""
        writer = self._writer(transaction)
        at_ms = transaction.moment.now_ms
        job = writer.get(cast("Id[Job]", task.id))
        if job is None or job["state"] != "pending" or job["due"] > at_ms:
            return None
        function = self._functions.find(job["function"])
        if function is None or not self._functions.knows(writer, job):
            return None
        if self._choosing.free(writer, job["queue"]) < 1:
            return None
        if not self._may_begin(writer, job["queue"], at_ms):
            return None
        job["attempts"] += 1
        job["owner"] = owner
        writer.patch(
            job["_id"],
            state="running",
            attempts=job["attempts"],
            attempts_allowed=self._functions.retry_of(job).attempts,
            owner=owner,
            started=at_ms,
        )
        attempt = self._attempts[job["_id"]] = RunningAttempt(self._runner, self._alarm, job)
        return Work(function, job["arguments"], attempt)

    def _may_begin(self, writer: ServiceWriter, queue: str, at_ms: float) -> bool:
        """Take a token of the queue's rate, if it has one."""
        rate = self._settings.declared(queue).rate
        taken = None if rate is None else rate.take(writer)
        if taken is None or taken.ok:
            return True
        self._choosing.held_until[queue] = int(at_ms) + taken.retry_after_seconds * 1000
        return False

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """End an attempt: with a result, or with another one to come."""
        writer = self._writer(transaction)
        job = self._running(writer, task, owner)
        if job is None:
            return
        attempt = self._attempts.get(job["_id"])
        progress = None if attempt is None else attempt.latest
        endings = self._endings(writer, outcome.untold)
        if outcome.is_lost or isinstance(outcome.error, ActionCanceledError):
            endings.interrupt(job, outcome.text, progress)
        elif outcome.error is not None:
            endings.fail(job, outcome.error, progress)
        else:
            endings.succeed(job, outcome.value, progress)

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Take an attempt back that was begun and not run."""
        writer = self._writer(transaction)
        job = self._running(writer, task, owner)
        if job is not None:
            fields = {"owner": MISSING, "started": MISSING, "attempts_allowed": MISSING}
            writer.patch(job["_id"], fields, state="pending", attempts=job["attempts"] - 1)

    @staticmethod
    def _running(writer: ServiceWriter, task: Task, owner: str) -> Job | None:
        job = writer.get(cast("Id[Job]", task.id))
        if job is None or job["state"] != "running" or job.get("owner") != owner:
            return None
        return job

    # -- others ---------------------------------------------------------------------------------

    def claimed(self, reader: Reader) -> Sequence[Claimed]:
        """The jobs that somebody has begun and not ended, and that this process could end."""
        running = reader.query(Jobs).with_index(Jobs.by_turn, "running")
        return [
            Claimed(self._task(job, {}, 0), job.get("owner", ""))
            for job in running
            if self._functions.knows(reader, job)
        ]

    def canceled(self, reader: Reader, running: Iterable[Task]) -> Sequence[Task]:
        """Those tasks that have to end."""
        found = [(task, reader.get(cast("Id[Job]", task.id))) for task in running]
        return [task for task, job in found if job is not None and job.get("is_canceled")]

    def upkeep(self, transaction: Transaction) -> None:
        """Remove a batch of what is not kept any longer."""
        forget_expired(self._writer(transaction), _REMOVED_AT_ONCE)
