"""Calling the functions of a database as somebody, from asyncio."""

from datetime import datetime
from typing import Any, ParamSpec, TypeVar, overload

from headwater.aio import AsyncVerbs
from headwater.functions.declaration import Action, Mutation, Query
from headwater.functions.identity import Identity, acting_as
from headwater.reactive.live import Live

P = ParamSpec("P")
R = TypeVar("R")


class AsyncCaller:
    """What `Caller` is, for asyncio. It is ``db.acting_as(...).aio``.

    Attributes:
        identity: Who calls; None for nobody in particular.
    """

    def __init__(self, verbs: AsyncVerbs, identity: Identity | None) -> None:
        self.identity: Identity | None = identity
        self._verbs = verbs

    @overload
    async def query(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def query(
        self, function: Query[..., R], *args: Any, at: int | datetime | None, **kwargs: Any
    ) -> R: ...

    async def query(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a query, as `AsyncVerbs.query` does."""
        with acting_as(self.identity):
            return await self._verbs.query(function, *args, **kwargs)

    async def mutate(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a mutation, as `AsyncVerbs.mutate` does. Its commit names who called."""
        with acting_as(self.identity):
            return await self._verbs.mutate(function, *args, **kwargs)

    async def act(self, function: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action, as `AsyncVerbs.act` does."""
        with acting_as(self.identity):
            return await self._verbs.act(function, *args, **kwargs)

    async def call(
        self,
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        at: int | datetime | None = None,
    ) -> Any:
        """Call a public function by its path, as `AsyncVerbs.call` does."""
        with acting_as(self.identity):
            return await self._verbs.call(path, arguments, at=at)

    def watch(self, function: Query[P, R], *args: P.args, **kwargs: P.kwargs) -> Live[R]:
        """A live result, as `AsyncVerbs.watch` gives it."""
        with acting_as(self.identity):
            return self._verbs.watch(function, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<headwater.AsyncCaller {self.identity!r}>"
