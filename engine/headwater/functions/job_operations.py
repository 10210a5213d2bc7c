"""What can be done with jobs in a transaction, and the options of enqueuing them."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast

from headwater.errors import ArgumentError
from headwater.functions.bound_calls import BoundCall
from headwater.functions.job_options import check_priority, check_queue_name
from headwater.functions.jobs import BatchResult, Job, JobBatch, JobResult
from headwater.schema.tables import Id

R = TypeVar("R")
C_contra = TypeVar("C_contra", contravariant=True)


class OnJob(Protocol[C_contra]):
    """A mutation that is called when a job has ended: with its id, a context and its result."""

    def __call__(self, ctx: Any, job: Id[Job], context: C_contra, result: JobResult, /) -> Any:
        """What mutations have."""
        ...

    def later(self, job: Id[Job], context: C_contra, result: JobResult, /) -> dict[str, Any]:
        """What mutations and actions have."""
        ...


class OnBatch(Protocol[C_contra]):
    """A mutation that is called when all jobs of a batch have ended."""

    def __call__(
        self, ctx: Any, batch: Id[JobBatch], context: C_contra, result: BatchResult, /
    ) -> Any:
        """What mutations have."""
        ...

    def later(
        self, batch: Id[JobBatch], context: C_contra, result: BatchResult, /
    ) -> dict[str, Any]:
        """What mutations and actions have."""
        ...


UniqueUntil: TypeAlias = Literal["forgotten", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueOptions:
    """How a job is enqueued; see `JobClient.with_options`."""

    queue: str | None = None
    priority: int | None = None
    delay_seconds: float = 0.0
    run_at: datetime | float | None = None
    unique_key: str | None = None
    unique_until: UniqueUntil = "forgotten"
    on_complete: Any = None
    context: Any = None

    def __post_init__(self) -> None:
        where = "jobs.with_options()"
        if self.queue is not None:
            check_queue_name(self.queue, where)
        if self.priority is not None:
            check_priority(self.priority, where)
        given = cast("Any", self)  # what it is, whatever a type checker says
        if type(given.delay_seconds) not in (int, float) or not given.delay_seconds >= 0:
            raise _wrong("delay_seconds", self.delay_seconds, "a number of seconds, 0 or more")
        if isinstance(given.run_at, datetime) and given.run_at.tzinfo is None:
            raise _wrong("run_at", self.run_at, "a datetime with a time zone")
        if not isinstance(given.run_at, datetime | int | float | None):
            raise _wrong("run_at", self.run_at, "a datetime, or milliseconds since the epoch")
        if given.unique_key is not None and not isinstance(given.unique_key, str):
            raise _wrong("unique_key", self.unique_key, "a string")
        if given.unique_until not in ("forgotten", "finished"):
            raise _wrong("unique_until", self.unique_until, "'forgotten' or 'finished'")


def _wrong(name: str, value: object, expected: str) -> ArgumentError:
    return ArgumentError(f"jobs.with_options({name}={value!r}): expected {expected}")


class JobOperations(Protocol):
    """What is done with jobs, inside one transaction."""

    def enqueue(self, call: BoundCall, options: EnqueueOptions) -> Id[Job]:
        """Add a job."""
        ...

    def enqueue_many(
        self,
        calls: Iterable[BoundCall],
        options: EnqueueOptions,
        on_complete: Any,
        context: object,
    ) -> Id[JobBatch]:
        """Add a batch of jobs."""
        ...

    def cancel(self, job: Id[Job]) -> bool:
        """Have a job not run, or end."""
        ...

    def cancel_batch(self, batch: Id[JobBatch]) -> int:
        """Have the jobs of a batch not run, or end."""
        ...

    def redrive(self, job: Id[Job]) -> bool:
        """Let a dead job begin anew."""
        ...

    def redrive_all(self, queue: str | None, limit: int) -> int:
        """Let dead jobs begin anew."""
        ...

    def purge(self, job: Id[Job]) -> bool:
        """Forget a job that has ended."""
        ...

    def purge_all(self, queue: str | None, limit: int) -> int:
        """Forget dead jobs."""
        ...

    def set_paused(self, queue: str, *, is_paused: bool) -> None:
        """Pause a queue, or let it go on."""
        ...

    def set_concurrency(self, queue: str, concurrency: int | None) -> None:
        """Set how many jobs of a queue run at the same time."""
        ...


Operation: TypeAlias = Callable[[JobOperations], R]


class Transact(Protocol):
    """Runs an operation in a transaction: that of the context, or one of its own."""

    def __call__(self, operation: Operation[R], /) -> R:
        """Run it and return what it returns."""
        ...


class TransactAsync(Protocol):
    """Runs an operation in a transaction of its own, while a task waits."""

    def __call__(self, operation: Operation[R], /) -> Awaitable[R]:
        """Run it and return what it returns."""
        ...
