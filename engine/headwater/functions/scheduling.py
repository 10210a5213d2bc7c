"""Scheduled functions as contexts hand them out, and the table that shows them."""

from datetime import datetime
from typing import (
    Any,
    ClassVar,
    Literal,
    NotRequired,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypedDict,
)

from headwater.schema.tables import Document, Id, Index, Table

P = ParamSpec("P")

ScheduledPhase: TypeAlias = Literal["pending", "in_progress", "success", "failed", "canceled"]


class ScheduledState(TypedDict):
    """How a scheduled function stands: ``error`` says why it failed."""

    kind: ScheduledPhase
    error: NotRequired[str]


class ScheduledFunction(Document["ScheduledFunction"]):
    """One call of a function at a later time.

    Times are in milliseconds since the epoch. ``name`` is the function's path and ``args`` are its
    arguments. ``owner`` is the open database that runs an action, while it does. ``attempts``
    counts how often an action with ``retry=`` has begun; ``scheduledTime`` is that of the next.
    """

    name: str
    args: dict[str, Any]
    scheduledTime: float  # noqa: N815 - as clients in other languages know it
    completedTime: NotRequired[float]  # noqa: N815
    state: ScheduledState
    owner: NotRequired[str]
    attempts: NotRequired[int]


class ScheduledFunctions(Table[ScheduledFunction], name="_scheduled_functions", number=1001):
    """All scheduled functions; those that have ended are kept for seven days.

    ``by_state`` begins with a phase such as ``"pending"``, then a path, then the time.
    """

    by_state: ClassVar[Index] = Index("state.kind", "name", "scheduledTime")
    by_completion: ClassVar[Index] = Index("completedTime")


class Schedulable(Protocol[P]):
    """A function that may run later: a mutation or an action."""

    def later(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Its arguments by parameter, for a call that is made later."""
        ...


class Scheduler(Protocol):
    """Has mutations and actions run later. It is ``ctx.scheduler`` and ``db.scheduler``.

    In a mutation it is a part of the transaction: if that is not committed, nothing is scheduled.
    Everywhere else each call is a transaction of its own, durable on return.

    A scheduled mutation runs exactly once, an action at most once, unless it is declared with
    ``retry``. They run as nobody: the identity
    of whoever schedules them is not passed on. What is due at the same time begins in the order in
    which it was scheduled.
    """

    def run_after(
        self, seconds: float, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> Id[ScheduledFunction]:
        """Call a function once that many seconds have passed; 0 is right after the commit.

        O(log n), about the cost of inserting a document.

        Args:
            seconds: From now, 0 or more, at most five years.
            function: A mutation or an action of a module that the database was opened with.
            *args: Its arguments by position. They are checked now.
            **kwargs: Its arguments by name.

        Raises:
            ArgumentError: The arguments or the time do not fit.
            FunctionKindError: It is a query, or no function.
            FunctionNotFoundError: No opened module has it.
            LimitExceededError: The arguments are too large, or the mutation schedules too much.
        """
        ...

    def run_at(
        self,
        time: float | datetime,
        function: Schedulable[P],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Call a function at a time; at once if that has passed. Raises what `run_after` raises.

        Args:
            time: Milliseconds since the epoch, or an aware datetime; at most five years away.
            function: A mutation or an action of a module that the database was opened with.
            *args: Its arguments by position. They are checked now.
            **kwargs: Its arguments by name.
        """
        ...

    def cancel(self, id: Id[ScheduledFunction]) -> bool:
        """Keep a function from running; whether it had not ended before.

        An action that runs already goes on, and what it schedules from then on is canceled, too.

        Raises:
            InvalidIdError: It is no id of a scheduled function.
        """
        ...


class AsyncScheduler(Protocol):
    """The same for ``async def`` actions and ``db.aio``: each call is awaited."""

    async def run_after(
        self, seconds: float, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> Id[ScheduledFunction]:
        """Call a function once that many seconds have passed, as `Scheduler.run_after`."""
        ...

    async def run_at(
        self,
        time: float | datetime,
        function: Schedulable[P],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Call a function at a time, as `Scheduler.run_at`."""
        ...

    async def cancel(self, id: Id[ScheduledFunction]) -> bool:
        """Keep a function from running, as `Scheduler.cancel`."""
        ...
