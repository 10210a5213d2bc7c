"""What actions are handed: calls, and what services give them."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    TypeVar,
)

from headwater.functions.call_log import FunctionLog, Level
from headwater.functions.context_services import Configuration, ContextServices
from headwater.functions.declaration import Action, Mutation, Query
from headwater.functions.identity import Identity
from headwater.functions.job_attempt import PROGRESS, JobAttempt
from headwater.functions.kinds import Kind
from headwater.schema.tables import Id
from headwater.transactions.transaction import Transaction

if TYPE_CHECKING:
    from headwater.functions.crons import AsyncCronRegistry, CronRegistry
    from headwater.functions.files import ActionFiles, AsyncActionFiles
    from headwater.functions.job_client import JobClient
    from headwater.functions.job_client_async import AsyncJobClient
    from headwater.functions.jobs import Job
    from headwater.functions.scheduling import AsyncScheduler, Scheduler
    from headwater.functions.session_client import SessionClient
    from headwater.functions.session_client_async import AsyncSessionClient

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class ActionCalls(Protocol):
    """How the calls of a running action reach the database."""

    @property
    def now_ms(self) -> float:
        """The time, ms since the epoch."""
        ...

    @property
    def random(self) -> random.Random:
        """Randomness of this run."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Who called the action."""
        ...

    def add_line(self, level: Level, message: str) -> None:
        """Keep a line that it logs."""
        ...

    @property
    def services(self) -> ContextServices:
        """What the context hands out besides its calls."""
        ...

    def entered(self) -> AbstractContextManager[None]:
        """A block for one use of a service; raises if the action must not go on."""
        ...

    @property
    def is_canceled(self) -> bool:
        """Whether the action must not go on."""
        ...

    @property
    def attempt(self) -> JobAttempt | None:
        """The attempt of a job that this is a part of."""
        ...

    def call(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a function and wait for its result."""
        ...

    def serve(self, name: str, run: Callable[[Transaction], T]) -> T:
        """Have a service do something in a transaction of its own."""
        ...

    async def serve_async(self, name: str, run: Callable[[Transaction], T]) -> T:
        """The same without blocking the event loop."""
        ...

    async def call_async(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a function without blocking the event loop."""
        ...


class _Context:
    """What both kinds of actions have."""

    __slots__ = ("_calls",)

    def __init__(self, of: "ActionCalls | _Context") -> None:
        self._calls: ActionCalls = of.calls if isinstance(of, _Context) else of

    @property
    def calls(self) -> ActionCalls:
        """How its calls reach the database; for the floors above."""
        return self._calls

    @property
    def now(self) -> float:
        """The time, ms since the epoch. It goes on while the action runs."""
        return self._calls.now_ms

    @property
    def random(self) -> random.Random:
        """Randomness from the database's clock, so that a test can repeat it. Not for secrets."""
        return self._calls.random

    @property
    def identity(self) -> Identity | None:
        """Who called the action, None for nobody in particular. What it calls sees the same."""
        return self._calls.identity

    @property
    def log(self) -> FunctionLog:
        """Lines that are kept with the call: ``ctx.log.info("...")``; see ``db.calls``."""
        return FunctionLog(self._calls.add_line)

    @property
    def env(self) -> Configuration:
        """The settings of the database: ``ctx.env["API_KEY"]``."""
        return self._calls.services.env

    @property
    def is_canceled(self) -> bool:
        """Whether the action must not go on: it was canceled, or its time is up.

        Its next call says so as well; this is for threads that work for long without one.
        """
        return self._calls.is_canceled

    @property
    def job_id(self) -> "Id[Job] | None":
        """The job that the action is, the same in each attempt; None if it is none."""
        attempt = self._calls.attempt
        return None if attempt is None else attempt.id

    @property
    def attempt(self) -> int:
        """How often the job was begun, this time included; 1 if the action is no job."""
        attempt = self._calls.attempt
        return 1 if attempt is None else attempt.number


class SyncActionCtx(_Context):
    """The context of an action that is a plain ``def``; it runs on a thread of its own.

    Args:
        of: Another one, for a class of one's own that has more to it, as middleware makes.
    """

    __slots__ = ()

    def __init__(self, of: "ActionCalls | SyncActionCtx") -> None:
        super().__init__(of)

    @property
    def scheduler(self) -> "Scheduler":
        """Has functions run later; durable on return, whatever becomes of the action."""
        return self._calls.services.scheduler(self._calls.serve)

    @property
    def storage(self) -> "ActionFiles":
        """The stored files."""
        return self._calls.services.files.in_action(self._calls.entered)

    @property
    def jobs(self) -> "JobClient":
        """Enqueues jobs; durable on return, whatever becomes of the action."""
        return self._calls.services.jobs(self._calls.serve)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Show how far the job is: as ``progress`` of its document, and to whoever watches that.

        A commit of its own, four times a second at most; what comes sooner is written a little
        later. Does nothing in an action that is no job.

        Args:
            done: How much is done.
            total: How much there is to do, in the same unit; None if that is not known.
            note: What is being done, for people.

        Raises:
            ArgumentError: The numbers are none.
            TimeLimitError: The action has run for too long.
            ActionCanceledError: It was canceled, or the database was closed.
        """
        attempt = self._calls.attempt
        write = None if attempt is None else attempt.report(done, total, note)
        if write is not None:
            self._calls.serve(PROGRESS, write)

    @property
    def crons(self) -> "CronRegistry":
        """Crons that are registered at run time; durable on return."""
        return self._calls.services.crons(self._calls.serve)

    @property
    def sessions(self) -> "SessionClient":
        """Signing up, in and out; durable on return, whatever becomes of the action."""
        return self._calls.services.sessions(self._calls.entered)

    def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query on a snapshot of the newest commit.

        Raises:
            ArgumentError: The arguments do not fit.
            TimeLimitError: The action has run for too long.
            ActionCanceledError: It was canceled, or the database was closed.
        """
        result: R = self._calls.call("query", function, args, kwargs)
        return result

    def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation as one transaction. What it wrote is durable on return, and stays.

        Raises:
            ArgumentError: The arguments do not fit.
            TimeLimitError: The action has run for too long.
            ActionCanceledError: It was canceled, or the database was closed.
        """
        result: R = self._calls.call("mutation", function, args, kwargs)
        return result

    def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run another action, within the time of this one.

        Raises:
            ArgumentError: The arguments do not fit.
            TimeLimitError: The action has run for too long.
            ActionCanceledError: It was canceled, or the database was closed.
        """
        result: R = self._calls.call("action", function, args, kwargs)
        return result


class ActionCtx(_Context):
    """The context of an action that is an ``async def``.

    Args:
        of: Another one, for a class of one's own that has more to it, as middleware makes.
    """

    __slots__ = ()

    def __init__(self, of: "ActionCalls | ActionCtx") -> None:
        super().__init__(of)

    @property
    def scheduler(self) -> "AsyncScheduler":
        """Has functions run later; durable once awaited, whatever becomes of the action."""
        return self._calls.services.async_scheduler(self._calls.serve_async)

    @property
    def storage(self) -> "AsyncActionFiles":
        """The stored files."""
        return self._calls.services.files.in_async_action(self._calls.entered)

    @property
    def jobs(self) -> "AsyncJobClient":
        """Enqueues jobs; durable once awaited, whatever becomes of the action."""
        return self._calls.services.async_jobs(self._calls.serve_async)

    async def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Show how far the job is, as `SyncActionCtx.progress`. Raises what it raises."""
        attempt = self._calls.attempt
        write = None if attempt is None else attempt.report(done, total, note)
        if write is not None:
            await self._calls.serve_async(PROGRESS, write)

    @property
    def crons(self) -> "AsyncCronRegistry":
        """Crons that are registered at run time; durable once awaited."""
        return self._calls.services.async_crons(self._calls.serve_async)

    @property
    def sessions(self) -> "AsyncSessionClient":
        """Signing up, in and out; durable once awaited, whatever becomes of the action."""
        from headwater.functions.session_client_async import AsyncSessionClient

        return AsyncSessionClient(self._calls.services.sessions(self._calls.entered))

    async def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query on a snapshot of the newest commit. Raises what `SyncActionCtx` does."""
        result: R = await self._calls.call_async("query", function, args, kwargs)
        return result

    async def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation as one transaction. Raises what `SyncActionCtx` does."""
        result: R = await self._calls.call_async("mutation", function, args, kwargs)
        return result

    async def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run another action, within the time of this one. Raises what `SyncActionCtx` does."""
        result: R = await self._calls.call_async("action", function, args, kwargs)
        return result
