"""Calling the functions of a database as somebody, without a ``with`` block around each call."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from headwater.functions.declaration import Action, BoundQuery, Mutation, Query
from headwater.functions.identity import Identity, acting_as, check_identity
from headwater.functions.running_action import RunningAction
from headwater.reactive.live import Live
from headwater.verbs.functions import FunctionVerbs

if TYPE_CHECKING:
    from headwater.verbs.async_calling import AsyncCaller

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")


class Caller:
    """Somebody who calls the functions of a database; made by `Database.acting_as`.

    Has no state besides who it is, and is safe to use from any thread. Its verbs are those of the
    database and raise what these raise.

    Attributes:
        identity: Who calls; None for nobody in particular.
    """

    def __init__(self, database: FunctionVerbs, identity: Identity | None) -> None:
        self.identity: Identity | None = identity
        self._database = database

    @property
    def aio(self) -> "AsyncCaller":
        """The same verbs for asyncio."""
        from headwater.verbs.async_calling import AsyncCaller

        return AsyncCaller(self._database.aio, self.identity)

    @overload
    def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def query(
        self, function: Query[..., R], *args: Any, at: int | datetime | None, **kwargs: Any
    ) -> R: ...

    def query(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a query, as `Database.query` does."""
        with acting_as(self.identity):
            return self._database.query(function, *args, **kwargs)

    def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation, as `Database.mutate` does. Its commit names who called."""
        with acting_as(self.identity):
            return self._database.mutate(function, *args, **kwargs)

    def call(
        self,
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        at: int | datetime | None = None,
    ) -> Any:
        """Call a public function by its path, as `Database.call` does."""
        with acting_as(self.identity):
            return self._database.call(path, arguments, at=at)

    def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action, as `Database.act` does."""
        with acting_as(self.identity):
            return self._database.act(function, *args, **kwargs)

    def start(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> RunningAction[R]:
        """Start an action, as `Database.start` does."""
        with acting_as(self.identity):
            return self._database.start(function, *args, **kwargs)

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """A live result, as `Database.watch` gives it."""
        with acting_as(self.identity):
            return self._database.watch(function, *args, **kwargs)

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
        """Several live queries as one, as `Database.watch_all` gives them."""
        with acting_as(self.identity):
            return self._database.watch_all(*queries)

    def __repr__(self) -> str:
        return f"<headwater.Caller {self.identity!r}>"


class CallingVerbs(FunctionVerbs):
    """Acting as somebody."""

    def acting_as(self, identity: Identity | None) -> Caller:
        """This database's functions, called by somebody: ``db.acting_as(ada).mutate(...)``.

        Costs nothing and may be kept, as one for each connection of a server.

        Args:
            identity: Who calls; None for nobody in particular. The caller vouches for it:
                `Database.identify` verifies what comes from elsewhere.

        Raises:
            ArgumentError: It is no `Identity`.
        """
        return Caller(self, check_identity(identity, "db.acting_as"))
