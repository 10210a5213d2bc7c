"""Work that is done at its time: where it is kept, and how one piece of it is done.

A `Source` keeps work in a table of its own and says what is due. A piece that is a mutation is
begun, run and ended in one transaction, so it happens exactly once, whatever is killed when. One
that is an action is claimed in a transaction of its own, then run, and its end is another one; what
is found claimed by somebody who is gone has been lost, and is not run again by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from headwater.errors import (
    ClosedError,
    ConflictError,
    ForkedError,
    HeadwaterError,
    IndexBuildingError,
    SnapshotTooOldError,
    StorageError,
)
from headwater.functions.declaration import Function
from headwater.functions.job_attempt import JobAttempt
from headwater.transactions.reader import Reader
from headwater.transactions.transaction import Transaction

_ERROR_CHARACTERS: Final = 4000

_PASSING: Final = (
    ClosedError,
    ConflictError,
    ForkedError,
    IndexBuildingError,
    SnapshotTooOldError,
    StorageError,
)
"""Errors that say nothing about the work: it is done later."""


TaskKind: TypeAlias = Literal["mutation", "action"]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work that is due.

    Attributes:
        source: Where it is kept.
        id: Of the document that says so.
        function: Path of what is to run.
        kind: What that is.
        order: What is less begins first: the time at which it was due, then that of its creation.
    """

    source: "Source" = field(repr=False, compare=False)
    id: str
    function: str
    kind: TaskKind
    order: tuple[float, float, str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """An action that somebody has begun, or will not end any more.

    Attributes:
        task: The action.
        owner: The open database that has begun it.
    """

    task: Task
    owner: str


def _nobody(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Room:
    """How much is asked for.

    Attributes:
        mutations: Mutations, at most.
        actions: Actions, at most.
        is_busy: Whether no task of a function can begin now, so that none is asked for.
    """

    mutations: int
    actions: int
    is_busy: Callable[[str], bool] = _nobody

    def of(self, kind: str) -> int:
        """Room for tasks of a kind."""
        return self.mutations if kind == "mutation" else self.actions


@dataclass(frozen=True, slots=True)
class Agenda:
    """What a source has to do.

    Attributes:
        tasks: What is due, of each kind the first ones; in any order.
        next_ms: When something that is not due yet will be, ms since the epoch; None for never.
        upkeep_ms: When `Source.upkeep` has something to do; None for never.
    """

    tasks: Sequence[Task] = ()
    next_ms: float | None = None
    upkeep_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a task has to run.

    Attributes:
        function: A mutation or an action.
        arguments: By parameter; not checked yet.
        attempt: For jobs, what their actions see of the attempt.
        is_tried_again: Whether an action that fails is tried again at once, as a part of the run,
            if its policy says so; otherwise that is up to the source.
    """

    function: Function[..., Any]
    arguments: dict[str, Any]
    attempt: JobAttempt | None = None
    is_tried_again: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        value: What it returned.
        error: What it raised; None if it returned.
        is_lost: Whether whoever ran it is gone, so that nobody knows how far it came.
        untold: Why nobody else is told of the end, which could not be noted otherwise; else empty.
    """

    value: Any = None
    error: BaseException | None = None
    is_lost: bool = False
    untold: str = ""

    @property
    def text(self) -> str:
        """Why it failed; empty if it has not."""
        if self.is_lost:
            return (
                "the process that ran it is gone; whether it did what it should is unknown, so it "
                "was not run again"
            )
        if self.error is None:
            return ""
        return f"{type(self.error).__name__}: {self.error}"[:_ERROR_CHARACTERS]


class Source(Protocol):
    """Where work is kept. All that it writes, it writes into the transaction that it is handed."""

    @property
    def tables(self) -> Sequence[str]:
        """Names of the tables in which it keeps work; a commit to one of them may make it due."""
        ...

    @property
    def is_endless(self) -> bool:
        """Whether there is always more to come, so that nobody can wait for its end."""
        ...

    def agenda(self, reader: Reader, now_ms: float, room: Room) -> Agenda:
        """What is due, and when to ask again. Only of functions that this process has.

        Must not cost more the more work waits for its time.
        """
        ...

    def begin(self, transaction: Transaction, task: Task, owner: str) -> Work | None:
        """Mark a task as begun; None if there is nothing to run.

        A mutation is run in the same transaction, and then ended. An action is run if and once the
        transaction is committed.

        Args:
            transaction: Takes the mark.
            task: From `agenda`, perhaps of an older snapshot.
            owner: Who has begun it: the name of this open database.
        """
        ...

    def end(self, transaction: Transaction, task: Task, outcome: Outcome, owner: str) -> None:
        """Mark a task that ``owner`` has begun as ended; does nothing if it is not any more."""
        ...

    def release(self, transaction: Transaction, task: Task, owner: str) -> None:
        """Let an action that was claimed, and never run, be due again."""
        ...

    def claimed(self, reader: Reader) -> Sequence[Claimed]:
        """All actions that somebody has begun and not ended."""
        ...

    def canceled(self, reader: Reader, running: Sequence[Task]) -> Sequence[Task]:
        """Those of its actions that run here and have to end."""
        ...

    def upkeep(self, transaction: Transaction) -> None:
        """Remove a batch of what is not kept any longer."""
        ...


def is_passing(error: BaseException) -> bool:
    """Whether an error says nothing about the work that met it."""
    # One that is nothing more special is a commit whose outcome is unknown.
    return isinstance(error, _PASSING) or type(error) is HeadwaterError


def order_of(task: Task) -> tuple[float, float, str]:
    """A key to sort tasks by."""
    return task.order
