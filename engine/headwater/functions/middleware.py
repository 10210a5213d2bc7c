"""Middleware: decorators of one's own, which do something around each function that they declare.

A provider is handed the context and gives the one that the function gets. As a generator it goes on
when the function has ended, like what `contextlib.contextmanager` makes. What comes out is a
function of the same kind with the arguments of both, so that everything else need not know.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Never, Protocol, TypeVar, overload

from headwater.errors import DeclarationError
from headwater.functions.actions import (
    AsyncActionDecorator,
    LooseAsyncActionDecorator,
    LooseSyncActionDecorator,
    SyncActionDecorator,
    action,
)
from headwater.functions.decorators import (
    Decorator,
    LooseMutationDecorator,
    LooseQueryDecorator,
    MutationDecorator,
    QueryDecorator,
    mutation,
    query,
)
from headwater.functions.providers import Provider

B = TypeVar("B")
C = TypeVar("C")
D_co = TypeVar("D_co", covariant=True)


class Declaring(Protocol[D_co]):
    """`hw.query`, `hw.mutation`, `hw.action`, and every decorator that is made of them."""

    def __call__(self, *, internal: bool = ...) -> D_co:
        """Take options."""
        ...


@overload
def custom(
    declare: Declaring[QueryDecorator[B]], provider: Callable[[B], Iterator[C]], /
) -> QueryDecorator[C]: ...
@overload
def custom(
    declare: Declaring[QueryDecorator[B]], provider: Callable[[B], C], /
) -> QueryDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseQueryDecorator[B]],
    provider: Callable[Concatenate[B, ...], Iterator[C]],
    /,
) -> LooseQueryDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseQueryDecorator[B]], provider: Callable[Concatenate[B, ...], C], /
) -> LooseQueryDecorator[C]: ...
@overload
def custom(
    declare: Declaring[MutationDecorator[B]], provider: Callable[[B], Iterator[C]], /
) -> MutationDecorator[C]: ...
@overload
def custom(
    declare: Declaring[MutationDecorator[B]], provider: Callable[[B], C], /
) -> MutationDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseMutationDecorator[B]],
    provider: Callable[Concatenate[B, ...], Iterator[C]],
    /,
) -> LooseMutationDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseMutationDecorator[B]], provider: Callable[Concatenate[B, ...], C], /
) -> LooseMutationDecorator[C]: ...
@overload
def custom(
    declare: Declaring[AsyncActionDecorator[B]], provider: Callable[[B], AsyncIterator[C]], /
) -> AsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[AsyncActionDecorator[B]],
    provider: Callable[[B], Coroutine[object, Never, C]],
    /,
) -> AsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[AsyncActionDecorator[B]], provider: Callable[[B], Iterator[C]], /
) -> AsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[AsyncActionDecorator[B]], provider: Callable[[B], C], /
) -> AsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseAsyncActionDecorator[B]],
    provider: Callable[Concatenate[B, ...], AsyncIterator[C]],
    /,
) -> LooseAsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseAsyncActionDecorator[B]],
    provider: Callable[Concatenate[B, ...], Coroutine[object, Never, C]],
    /,
) -> LooseAsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseAsyncActionDecorator[B]],
    provider: Callable[Concatenate[B, ...], Iterator[C]],
    /,
) -> LooseAsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseAsyncActionDecorator[B]], provider: Callable[Concatenate[B, ...], C], /
) -> LooseAsyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[SyncActionDecorator[B]], provider: Callable[[B], Iterator[C]], /
) -> SyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[SyncActionDecorator[B]], provider: Callable[[B], C], /
) -> SyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseSyncActionDecorator[B]],
    provider: Callable[Concatenate[B, ...], Iterator[C]],
    /,
) -> LooseSyncActionDecorator[C]: ...
@overload
def custom(
    declare: Declaring[LooseSyncActionDecorator[B]], provider: Callable[Concatenate[B, ...], C], /
) -> LooseSyncActionDecorator[C]: ...
def custom(declare: Any, provider: Any, /) -> Any:
    """A decorator of one's own: ``user_mutation = hw.custom(hw.mutation, signed_in)``.

    A function that is declared with it runs inside the provider: the provider is called with the
    context, and the function gets what the provider returns, in place of the context. A provider
    that yields it goes on when the function has ended: with the result, as the value of the yield,
    or with what the function raised, thrown there. It may raise something else; but what it
    swallows is raised all the same, because there is no result.

    It runs at every run of the function, nested ones too, and inside of its transaction. Parameters
    of the provider after the context become arguments of the function, given by name.

    Args:
        declare: `hw.query`, `hw.mutation`, `hw.action`, or a decorator that was made of them: then
            the provider is handed what the other one gave.
        provider: A plain function or a generator; for an ``async def`` action also either as
            ``async def``.

    Raises:
        DeclarationError: One of them is something else, or the provider does not take a context.
    """
    if declare in (query, mutation, action):
        declare = declare()
    if not isinstance(declare, Decorator):
        raise DeclarationError(
            f"hw.custom: expected hw.query, hw.mutation, hw.action or what hw.custom made of them, "
            f"got {declare!r}, and the provider as the second argument"
        )
    return type(declare)(Provider(provider).declaring(declare))
