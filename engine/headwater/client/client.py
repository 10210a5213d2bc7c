"""A database that another process serves, with the verbs of one that is open here."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTimeError
from functools import partial
from types import ModuleType, TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, overload
from urllib.parse import urlsplit

from headwater._version import __version__
from headwater.client.calls import RemoteCall, RemoteFunctions
from headwater.client.connection import Connection
from headwater.client.conversation import Conversation, Credentials, Done, Watch
from headwater.clock import Clock, SystemClock
from headwater.errors import ArgumentError, ServerGoneError
from headwater.functions.declaration import Action, BoundQuery, Mutation, Query
from headwater.functions.kinds import Kind
from headwater.reactive.callbacks import Callbacks
from headwater.reactive.live import Live
from headwater.reactive.subscription import Subscription

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")

_SESSION_BYTES: Final = 16


class Client:
    """A served database: functions are called, and queries watched, as in one that is open here.

    Made by `headwater.connect`. Safe for any thread. When the connection breaks it is made again;
    calls wait meanwhile, a mutation has its effect once however often it is sent, and watched
    queries go on with the next state. Close it, or use it in a ``with`` block.

    Attributes:
        aio: The same verbs for asyncio.
    """

    def __init__(
        self,
        connection: Connection,
        functions: RemoteFunctions,
        timeout_seconds: float | None,
    ) -> None:
        self._connection = connection
        self._functions = functions
        self._timeout_seconds = timeout_seconds
        self._callbacks = Callbacks()
        self.aio: AsyncClient = AsyncClient(self)

    def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query on the newest state that the server has, and return its result.

        Raises:
            ArgumentError: The arguments do not fit.
            ApplicationError: The function says so.
            RemoteCallError: It failed; why is in the server's log.
            ServerGoneError: There was no answer in time.
        """
        result: R = self._wait(self._functions.call("query", function, args, kwargs))
        return result

    def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation; what it wrote is durable when this returns. Raises what `query` raises.

        Mutations of one client run in the order in which they were called. After a
        `ServerGoneError` it may run yet, once.
        """
        result: R = self._wait(self._functions.call("mutation", function, args, kwargs))
        return result

    def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action and wait for its result. Raises what `query` raises.

        If the connection breaks meanwhile it is not run again: `ServerGoneError`.
        """
        result: R = self._wait(self._functions.call("action", function, args, kwargs))
        return result

    def call(
        self, path: str, arguments: dict[str, Any] | None = None, *, kind: Kind | None = None
    ) -> Any:
        """Call a public function by its path: ``client.call("chat:send", {...})``.

        Args:
            path: Of the function.
            arguments: By the names that are used outside.
            kind: What the function is; not needed if the client knows its module.

        Raises:
            UsageError: The kind is not known.
            FunctionNotFoundError: The server has no such function.
            Exception: What `query` raises.
        """
        return self._wait(self._functions.by_path(path, arguments, kind))

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """The result of a query now and after every commit that changes it.

        Raises:
            ArgumentError: Names do not fit. Wrong types are told by the first result.
        """
        call = self._functions.call("query", function, args, kwargs)
        return Live(_RemoteSource(self._connection, self._callbacks), [call], is_single=True)

    @overload
    def watch_all(self, a: BoundQuery[A], /) -> Live[tuple[A]]: ...
    @overload
    def watch_all(self, a: BoundQuery[A], b: BoundQuery[B], /) -> Live[tuple[A, B]]: ...
    @overload
    def watch_all(
        self, a: BoundQuery[A], b: BoundQuery[B], c: BoundQuery[C], /
    ) -> Live[tuple[A, B, C]]: ...
    @overload
    def watch_all(
        self, a: BoundQuery[A], b: BoundQuery[B], c: BoundQuery[C], d: BoundQuery[E], /
    ) -> Live[tuple[A, B, C, E]]: ...
    @overload
    def watch_all(self, *queries: BoundQuery[Any]) -> Live[tuple[Any, ...]]: ...

    def watch_all(self, *queries: BoundQuery[Any]) -> Live[Any]:
        """Several queries as one: a tuple of results, always all of one moment."""
        calls = [self._functions.bound(query) for query in queries]
        return Live(_RemoteSource(self._connection, self._callbacks), calls, is_single=False)

    def ask(self, call: RemoteCall) -> "Future[Any]":
        """Have a call made; for the verbs."""

        def begin(conversation: Conversation, done: Done) -> None:
            conversation.ask(call, done)

        return self._connection.ask(begin)

    @property
    def functions(self) -> RemoteFunctions:
        """The functions that it knows; for the verbs."""
        return self._functions

    @property
    def timeout_seconds(self) -> float | None:
        """How long a call waits for its answer; None for ever."""
        return self._timeout_seconds

    def close(self) -> None:
        """End the connection and all that is watched. Idempotent."""
        self._connection.close()
        self._callbacks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, call: RemoteCall) -> Any:
        future = self.ask(call)
        try:
            return future.result(self._timeout_seconds)
        except NotInTimeError:
            if future.done():
                raise
            raise no_answer(call, self._timeout_seconds) from None


class AsyncClient:
    """The verbs of a `Client` for asyncio. It is ``client.aio``. None blocks the event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a query, as `Client.query`."""
        result: R = await self._wait(self._client.functions.call("query", function, args, kwargs))
        return result

    async def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation, as `Client.mutate`."""
        call = self._client.functions.call("mutation", function, args, kwargs)
        result: R = await self._wait(call)
        return result

    async def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action, as `Client.act`."""
        result: R = await self._wait(self._client.functions.call("action", function, args, kwargs))
        return result

    async def call(
        self, path: str, arguments: dict[str, Any] | None = None, *, kind: Kind | None = None
    ) -> Any:
        """Call a function by its path, as `Client.call`."""
        return await self._wait(self._client.functions.by_path(path, arguments, kind))

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """The result now and after every change: ``async for result in client.aio.watch(...)``."""
        return self._client.watch(function, *args, **kwargs)

    async def _wait(self, call: RemoteCall) -> Any:
        future = asyncio.wrap_future(self._client.ask(call))
        try:
            async with asyncio.timeout(self._client.timeout_seconds):
                return await future
        except TimeoutError:
            if future.done() and not future.cancelled():
                raise
            raise no_answer(call, self._client.timeout_seconds) from None


class _RemoteSource:
    """The `LiveSource` of queries that a server runs, for one subscription."""

    def __init__(self, connection: Connection, callbacks: Callbacks) -> None:
        self._connection = connection
        self._callbacks = callbacks
        self._watch: Watch | None = None

    def subscribe(self, subscription: Subscription, queries: Sequence[RemoteCall]) -> None:
        """Deliver the current results, and every change from then on."""
        watch = self._watch = Watch(subscription)
        self._connection.do(lambda conversation: conversation.watch(watch, queries))

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing more."""
        self.abandon(subscription)

    def abandon(self, subscription: Subscription) -> None:  # noqa: ARG002 - it is that of the watch
        """Unsubscribe soon."""
        watch = self._watch
        if watch is not None:
            self._connection.do_if_open(lambda conversation: conversation.unwatch(watch))

    def call(self, callback: Callable[[], None]) -> None:
        """Call back on a thread that may be slow."""
        self._callbacks.call(callback)


def no_answer(call: RemoteCall, seconds: float | None) -> ServerGoneError:
    """A call that was not answered in time."""
    may_run = " It may have run, or run yet, once." if call.kind == "mutation" else ""
    return ServerGoneError(f"{call.path}: no answer within {seconds:g} s.{may_run}")


def open_client(
    url: str,
    *,
    modules: Iterable[ModuleType | str] | None = None,
    token: str | Callable[[], str] | None = None,
    admin_token: str | None = None,
    timeout_seconds: float | None = 30.0,
    clock: Clock | None = None,
) -> Client:
    """Connect to a served database; see `headwater.connect`."""
    if token is not None and admin_token is not None:
        raise ArgumentError("hw.connect(token=..., admin_token=...): expected one of them")
    functions, clock = RemoteFunctions(modules), clock or SystemClock()
    conversation = Conversation(clock.secret(_SESSION_BYTES).hex())
    shown = partial(_credentials, token, admin_token)
    connection = Connection(_address(url), conversation, shown, clock)
    connection.start(30.0 if timeout_seconds is None else timeout_seconds)
    return Client(connection, functions, timeout_seconds)


def _credentials(
    token: str | Callable[[], str] | None, admin_token: str | None
) -> Credentials | None:
    if admin_token is not None:
        return Credentials("Admin", admin_token)
    if token is None:
        return None
    return Credentials("User", token if isinstance(token, str) else token())


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ArgumentError(
            f"hw.connect({url!r}): expected the address of a server, as in 'http://127.0.0.1:3210'"
        )
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/headwater-{__version__}/sync"
