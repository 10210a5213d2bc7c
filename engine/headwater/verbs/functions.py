"""Calling functions, and watching queries."""

from datetime import datetime
from typing import Any, ParamSpec, TypeVar, overload

from headwater.functions.declaration import Action, BoundQuery, Mutation, Query
from headwater.functions.running_action import RunningAction
from headwater.functions.snapshots import query_at, take_moment
from headwater.reactive.live import Live
from headwater.tables.moments import moment_of
from headwater.verbs.opened import Opened

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")


class FunctionVerbs(Opened):
    """Queries, mutations and live queries."""

    @overload
    def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def query(
        self, function: Query[..., R], *args: Any, at: int | datetime | None, **kwargs: Any
    ) -> R: ...

    def query(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a query on a snapshot of the newest commit and return its result.

        Args:
            function: The query.
            *args: Its arguments by position.
            **kwargs: Its arguments by name. ``at``, unless the function has an argument of that
                name, is the moment to look at instead: nanoseconds since the epoch, or an aware
                datetime. Then the function, which is that of today, sees the state after all
                commits up to it, ``ctx.now`` is that moment, and there is no time limit. Its ranges
                cost what was committed since, besides what they read.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
            LogTrimmedError: The log does not reach back so far.
        """
        at = take_moment(function, kwargs) if "at" in kwargs else None
        call = self._runner.call("query", function, args, kwargs)
        return self._runner.query(call) if at is None else query_at(self._runner, call, at)

    def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation as one serializable transaction and return its result.

        What it wrote is durable on return (with ``durability="full"``). It is run again when it
        lost a conflict; if it raises, nothing was written.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
        """
        result: R = self._runner.mutate(self._runner.call("mutation", function, args, kwargs))
        return result

    def call(
        self,
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        at: int | datetime | None = None,
    ) -> Any:
        """Call a public query or mutation by its path: ``db.call("chat:send", {...})``.

        Args:
            path: Of the function.
            arguments: By name.
            at: The moment to look at, for a query; as in `query`.

        Raises:
            FunctionNotFoundError: There is none; the nearest path is named.
            FunctionInternalError: It is internal.
            ArgumentError: The arguments do not fit.
            LogTrimmedError: The log does not reach back to ``at``.
            UsageError: A mutation with ``at``.
        """
        call = self._runner.call_by_path(path, arguments or {})
        if call.compiled.function.kind == "action":
            return self._actor.start(call).result()
        if at is not None:
            return query_at(self._runner, call, moment_of(at))
        if call.compiled.function.kind == "query":
            return self._runner.query(call)
        return self._runner.mutate(call)

    def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action on a thread of its own, wait for its end and return its result.

        What it has committed stays, also if it raises. Ctrl-C ends the wait and cancels it.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
            TimeLimitError: It has run for too long. A thread may still be inside, and is stopped
                at its next call.
            ActionCanceledError: The database was closed.
        """
        running = self.start(function, *args, **kwargs)
        try:
            return running.result()
        except KeyboardInterrupt:
            running.cancel()
            raise

    def start(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> RunningAction[R]:
        """Start an action on a thread of its own, and go on meanwhile.

        It waits for its turn if ``limits.actions_concurrent`` are running; its time counts at
        once.

        Raises:
            ArgumentError: The arguments do not fit.
        """
        call = self._runner.call("action", function, args, kwargs)
        running: RunningAction[R] = self._actor.start(call)
        return running

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """The result of a query now and after every commit that changes it.

        Raises:
            ArgumentError: The arguments do not fit.
        """
        wanted = self._runner.wanted(self._runner.call("query", function, args, kwargs))
        return Live(self._watching(), [wanted], is_single=True)

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
        """Several queries as one: a tuple of results, always all of one moment.

        ``db.watch_all(chat.latest.bind(channel=general), chat.channels.bind())``
        """
        wanted = [self._runner.wanted(self._runner.bound(query)) for query in queries]
        return Live(self._watching(), wanted, is_single=False)
