"""The verbs of the database for asyncio."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

from headwater.functions.acting import Actor
from headwater.functions.calls import Call
from headwater.functions.crons import AsyncCronRegistry
from headwater.functions.declaration import Action, Mutation, Query
from headwater.functions.identity import Identity
from headwater.functions.job_client_async import AsyncJobClient
from headwater.functions.purity import outside
from headwater.functions.runner import Runner
from headwater.functions.scheduling import AsyncScheduler
from headwater.functions.session_client_async import AsyncSessionClient
from headwater.functions.snapshots import optional_moment, query_at, take_moment
from headwater.reactive.live import Live
from headwater.reactive.log_reading import open_tail, read_log
from headwater.reactive.log_tail import LogTail
from headwater.reactive.reactor import Reactor
from headwater.schema.tables import Id
from headwater.services.services import Services
from headwater.services.tokens import VerifiedToken
from headwater.tables.log_entries import LogEntry, TableFilter, Wanted
from headwater.tables.moments import moment_of
from headwater.transactions.commit_request import Run
from headwater.transactions.store import Store
from headwater.transactions.transaction import TableMissing, Transaction
from headwater.transactions.writer import Writer

if TYPE_CHECKING:
    from headwater.services.migrating_async import AsyncMigrationClient
    from headwater.services.storage import AsyncStorage

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_QUICK_SECONDS: Final = 0.001
"""A query up to here runs on the event loop's own thread; handing it over would take longer."""


class _Completions:
    """Outcomes on their way to one event loop; many share one wake-up of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[asyncio.Future[None]] = deque()
        self._is_scheduled = False

    def add(self, future: "asyncio.Future[None]") -> None:
        """Note that somebody's outcome is there; called by the committer."""
        self._done.append(future)
        if not self._is_scheduled and not self._loop.is_closed():
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        # Before the first look: what comes after the last one schedules anew.
        self._is_scheduled = False
        while self._done:
            future = self._done.popleft()
            if not future.done():
                future.set_result(None)


class AsyncLog:
    """The log for asyncio. It is ``db.aio.log``."""

    def __init__(self, store: Store, reactor: Reactor) -> None:
        self._store = store
        self._reactor = reactor

    async def read(
        self,
        after: int | datetime = 0,
        *,
        limit: int | None = None,
        tables: TableFilter = None,
    ) -> list[LogEntry]:
        """The commits later than ``after``, oldest first, as `Log.read` gives them."""
        moment, wanted = moment_of(after, "after"), Wanted(tables)
        return await _in_thread(lambda: read_log(self._store, moment, limit, wanted))

    def tail(self, after: int | datetime | None = None, *, tables: TableFilter = None) -> LogTail:
        """What comes after a moment: ``async for entry in db.aio.log.tail(...)``."""
        begin = None if after is None else moment_of(after, "after")
        return open_tail(self._store, self._reactor, begin, Wanted(tables))


class AsyncVerbs:
    """The same verbs as the database's own. None of them blocks the event loop.

    Many mutations in flight share one flush: start them together, with ``asyncio.gather`` or in
    tasks. One whose task is cancelled is committed or not, as if its caller had stopped listening.

    Attributes:
        log: The log, to read and to follow.
    """

    def __init__(self, runner: Runner, reactor: Reactor, actor: Actor, services: Services) -> None:
        self._runner = runner
        self._reactor = reactor
        self._actor = actor
        self.log: AsyncLog = AsyncLog(runner.store, reactor)
        self._services = services
        self._completions: dict[asyncio.AbstractEventLoop, _Completions] = {}

    @cached_property
    def storage(self) -> "AsyncStorage":
        """The stored files: to store, read and delete them."""
        from headwater.services.storage import AsyncStorage

        return AsyncStorage(self._services.files)

    @overload
    async def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def query(
        self, function: Query[..., R], *args: Any, at: int | datetime | None, **kwargs: Any
    ) -> R: ...

    async def query(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a query on a snapshot of the newest commit, or ``at`` a moment, as `Database.query`.

        Raises what it raises.
        """
        at = take_moment(function, kwargs) if "at" in kwargs else None
        return await self._query(self._runner.call("query", function, args, kwargs), at)

    async def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation; what it wrote is durable when this returns. Raises what it raises."""
        call = self._runner.call("mutation", function, args, kwargs)
        result: R = await self.mutate_as(call)
        return result

    async def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action: an ``async def`` as a part of this task, a ``def`` on a thread.

        Canceling the task cancels it. Raises what `Database.act` raises.
        """
        call = self._runner.call("action", function, args, kwargs)
        result: R = await self._actor.act(call)
        return result

    async def run(self, call: Call) -> Any:
        """Run a call that was checked."""
        kind = call.compiled.function.kind
        if kind == "action":
            return await self._actor.act(call)
        return await (self._query(call, None) if kind == "query" else self.mutate_as(call))

    async def call(
        self,
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        at: int | datetime | None = None,
    ) -> Any:
        """Call a public query or mutation by its path, such as ``chat:send``; a query ``at``."""
        call = self._runner.call_by_path(path, arguments or {})
        if at is not None:
            return await self._query(call, optional_moment(at))
        return await self.run(call)

    async def transact(self, function: Callable[[Writer], T]) -> T:
        """Run a plain function as one transaction, again if it lost a conflict."""
        return await _in_thread(lambda: self._runner.transact(function))

    async def undo(self, ts: int, *, override: bool = False) -> int:
        """Undo a commit, as `Database.undo`."""
        from headwater.transactions.undo import undo

        return await _in_thread(lambda: undo(self._runner.store, ts, override=override))

    async def restore(self, id: Id[Any], ts: int, *, override: bool = False) -> int:
        """Let a document go back to what it was at a moment, as `Database.restore`."""
        from headwater.transactions.undo import restore

        return await _in_thread(lambda: restore(self._runner.store, id, ts, override=override))

    @property
    def scheduler(self) -> AsyncScheduler:
        """Has functions run later, as `Database.scheduler`; each call is awaited."""
        return self._runner.services.async_scheduler(self._serve)

    @property
    def jobs(self) -> AsyncJobClient:
        """Enqueues jobs, as `Database.jobs`; each call is awaited."""
        return self._runner.services.async_jobs(self._serve)

    @property
    def crons(self) -> AsyncCronRegistry:
        """Crons that are registered at run time, as `Database.crons`; each call is awaited."""
        return self._runner.services.async_crons(self._serve)

    @property
    def sessions(self) -> AsyncSessionClient:
        """Signing up, in and out, as `Database.sessions`; each call is awaited."""
        return AsyncSessionClient(self._services.sessions(outside))

    @property
    def migrations(self) -> "AsyncMigrationClient":
        """Starts, tries and undoes migrations, as `Database.migrations`; each call is awaited."""
        from headwater.services.migrating_async import AsyncMigrationClient

        return AsyncMigrationClient(self._services.migrations)

    async def _serve(self, name: str, run: Callable[[Transaction], T]) -> T:
        return await _in_thread(lambda: self._runner.serve(name, run))

    async def identify(self, token: str) -> Identity:
        """Who has a token, as `Database.identify`."""
        return (await self.verify_token(token)).identity

    async def verify_token(self, token: str) -> VerifiedToken:
        """Who has a token, and until when, as `Database.verify_token`."""
        return await _in_thread(lambda: self._services.identification.verify(token))

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """The result now and after every change: ``async for result in db.aio.watch(...)``."""
        call = self._runner.call("query", function, args, kwargs)
        return Live(self._reactor, [self._runner.wanted(call)], is_single=True)

    async def _query(self, call: Call, at: int | None) -> Any:
        if at is not None:
            return await _in_thread(lambda: query_at(self._runner, call, at))
        statistics = call.statistics
        if statistics.runs and statistics.mean_seconds < _QUICK_SECONDS:
            return self._runner.query(call)
        return await _in_thread(lambda: self._runner.query(call))

    async def mutate_as(self, call: Call, run: Run | None = None) -> Any:
        """Run the call of a mutation, by something that runs it and does something more."""
        if not call.statistics.is_short:
            return await _in_thread(lambda: self._runner.mutate(call, run))
        loop = asyncio.get_running_loop()
        completions = self._completions_of(loop)
        future: asyncio.Future[None] = loop.create_future()
        with self._runner.noted(call):
            request = self._runner.request(call, lambda _: completions.add(future), run)
            await future
            try:
                return request.outcome()
            except TableMissing:
                return await _in_thread(lambda: self._runner.mutate_unnoted(call, run))

    def _completions_of(self, loop: asyncio.AbstractEventLoop) -> _Completions:
        completions = self._completions.get(loop)
        if completions is None:
            for other in [other for other in self._completions if other.is_closed()]:
                del self._completions[other]
            completions = self._completions[loop] = _Completions(loop)
        return completions


async def _in_thread(function: Callable[[], T]) -> T:
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: context.run(function))
