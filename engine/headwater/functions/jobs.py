"""Jobs, batches and queues as they are stored: tables that everybody reads."""

from typing import Any, ClassVar, Final, Literal, NotRequired, TypeAlias, TypedDict

from headwater.schema.tables import Document, Id, Index, Table

JobState: TypeAlias = Literal["pending", "running", "success", "dead", "canceled"]
"""Pending jobs wait for their time and their turn; dead ones have failed for good."""

UNFINISHED: Final = ("pending", "running")

DEFAULT_QUEUE: Final = "default"


class JobError(TypedDict):
    """Why an attempt failed. ``at`` is in milliseconds since the epoch."""

    attempt: int
    at: float
    error: str


class JobProgress(TypedDict):
    """How far a job says that it is. ``at`` is in milliseconds since the epoch."""

    done: float
    total: float | None
    note: str
    at: float


class JobSuccess(TypedDict):
    """The job has returned a value."""

    kind: Literal["success"]
    value: Any


class JobFailure(TypedDict):
    """The job is dead. ``data`` is that of its `ApplicationError`, if it was one."""

    kind: Literal["failure"]
    error: str
    data: NotRequired[Any]


class JobCanceled(TypedDict):
    """The job was canceled."""

    kind: Literal["canceled"]


JobResult: TypeAlias = JobSuccess | JobFailure | JobCanceled
"""How a job has ended."""


class Completion(TypedDict):
    """What is called when a job or a batch has ended.

    ``error`` says why that failed, in which case it has written nothing.
    """

    function: str
    context: Any
    error: NotRequired[str]


class Job(Document["Job"]):
    """A call of a function that runs when its turn comes. Times are ms since the epoch."""

    function: str
    arguments: dict[str, Any]
    queue: str
    state: JobState
    priority: int
    due: float
    attempts: int
    errors: list[JobError]
    batch: "NotRequired[Id[JobBatch]]"
    unique_key: NotRequired[str]
    on_complete: NotRequired[Completion]
    attempts_allowed: NotRequired[int]
    owner: NotRequired[str]
    started: NotRequired[float]
    is_canceled: NotRequired[bool]
    progress: NotRequired[JobProgress]
    completed: NotRequired[float]
    expires: NotRequired[float]
    result: NotRequired[JobResult]


class BatchResult(TypedDict):
    """How the jobs of a batch have ended: how many in each way, and together."""

    total: int
    success: int
    dead: int
    canceled: int


class JobBatch(Document["JobBatch"]):
    """Jobs that were enqueued together. Times are ms since the epoch."""

    total: int
    success: int
    dead: int
    canceled: int
    on_complete: NotRequired[Completion]
    completed: NotRequired[float]
    expires: NotRequired[float]


class QueueSetting(Document["QueueSetting"]):
    """What was set of a queue while the application ran."""

    name: str
    is_paused: bool
    concurrency: NotRequired[int]


class Jobs(Table[Job], name="_jobs", number=1011):
    """All jobs: those that wait, those that run, and for a time those that have ended."""

    by_turn: ClassVar[Index] = Index("state", "queue", "priority", "due")
    by_unique_key: ClassVar[Index] = Index("unique_key", "function")
    by_batch: ClassVar[Index] = Index("batch", "state")
    by_expiry: ClassVar[Index] = Index("expires")


class JobBatches(Table[JobBatch], name="_job_batches", number=1012):
    """All batches, for as long as their jobs are kept."""

    by_expiry: ClassVar[Index] = Index("expires")


class Queues(Table[QueueSetting], name="_queues", number=1013):
    """The queues that were paused, or have another concurrency than the declared one."""

    by_name: ClassVar[Index] = Index("name", unique=True)
