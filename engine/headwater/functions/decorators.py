"""The decorators that declare queries and mutations, and what they are made of.

A decorator is a `Decorator`, or a function that gives one when it is called without a function:
``@hw.query`` declares, and ``hw.query(internal=True)`` is a decorator with that option. So is what
`headwater.functions.middleware` makes of them; types say which context its functions are handed.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, Never, ParamSpec, TypeVar, overload

from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.declaration import Arguments, Function, Mutation, Options, Query
from headwater.schema.validators import Validator

P = ParamSpec("P")
R = TypeVar("R")
C_co = TypeVar("C_co", covariant=True)


class Decorator:
    """Declares functions of one kind, with options.

    Args:
        declare: Makes the function of a handler and options.
        options: Those that were given already.
    """

    def __init__(self, declare: Callable[..., Function[..., Any]], /, **options: Any) -> None:
        self._declare = declare
        self._options = options

    def _decorate(self, handler: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Declare a function; without one, the same decorator with more options."""
        options = {**self._options, **options}
        if not handler:
            return type(self)(self._declare, **options)
        return self._declare(*handler, **options)

    def __repr__(self) -> str:
        return f"<decorator {getattr(self._declare, '__name__', self._declare)}>"


class LooseQueryDecorator(Decorator, Generic[C_co]):
    """Declares queries that take more arguments than type checkers can know."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, ...], Coroutine[object, Never, R]], /
    ) -> Query[..., R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, ...], R], /) -> Query[..., R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
    ) -> "LooseQueryDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare a query, or take options first."""
        return self._decorate(handler, options)


class QueryDecorator(LooseQueryDecorator[C_co]):
    """Declares queries."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, P], Coroutine[object, Never, R]], /
    ) -> Query[P, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, P], R], /) -> Query[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
    ) -> "QueryDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare a query, or take options first."""
        return self._decorate(handler, options)


class LooseMutationDecorator(Decorator, Generic[C_co]):
    """Declares mutations that take more arguments than type checkers can know."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, ...], Coroutine[object, Never, R]], /
    ) -> Mutation[..., R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, ...], R], /) -> Mutation[..., R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        record_arguments: bool = ...,
    ) -> "LooseMutationDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare a mutation, or take options first."""
        return self._decorate(handler, options)


class MutationDecorator(LooseMutationDecorator[C_co]):
    """Declares mutations."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, P], Coroutine[object, Never, R]], /
    ) -> Mutation[P, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, P], R], /) -> Mutation[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        record_arguments: bool = ...,
    ) -> "MutationDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare a mutation, or take options first."""
        return self._decorate(handler, options)


@overload
def query(
    handler: Callable[Concatenate[QueryCtx, P], Coroutine[object, Never, R]], /
) -> Query[P, R]: ...
@overload
def query(handler: Callable[Concatenate[QueryCtx, P], R], /) -> Query[P, R]: ...
@overload
def query(
    *, internal: bool = False, args: Arguments | None = None, returns: Validator | None = None
) -> QueryDecorator[QueryCtx]: ...
def query(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    internal: bool = False,
    args: Arguments | None = None,
    returns: Validator | None = None,
) -> Any:
    """Declares a query: ``@hw.query``, or ``@hw.query(internal=True)``.

    The function takes a `QueryCtx` and then its arguments; their annotations are checked at run
    time. It is deterministic and reads only. ``async def`` is accepted as long as it never really
    waits.

    Args:
        handler: The function.
        internal: Refuse calls from outside.
        args: Validators by parameter, in place of annotations that cannot say it.
        returns: A validator in place of the return annotation.

    Raises:
        DeclarationError: The function has no context, or parameters that cannot be given by name.
    """
    if handler is None:
        return QueryDecorator[QueryCtx](query, internal=internal, args=args, returns=returns)
    options = Options(is_internal=internal, args=args, returns=returns)
    declared: Query[..., Any] = Query(handler, options)
    return declared


@overload
def mutation(
    handler: Callable[Concatenate[MutationCtx, P], Coroutine[object, Never, R]], /
) -> Mutation[P, R]: ...
@overload
def mutation(handler: Callable[Concatenate[MutationCtx, P], R], /) -> Mutation[P, R]: ...
@overload
def mutation(
    *,
    internal: bool = False,
    args: Arguments | None = None,
    returns: Validator | None = None,
    record_arguments: bool = False,
) -> MutationDecorator[MutationCtx]: ...
def mutation(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    internal: bool = False,
    args: Arguments | None = None,
    returns: Validator | None = None,
    record_arguments: bool = False,
) -> Any:
    """Declares a mutation: ``@hw.mutation``, or ``@hw.mutation(internal=True)``.

    The function takes a `MutationCtx` and then its arguments, and is one transaction: all of its
    writes happen or none. It may be run more than once, so it does nothing but read and write
    documents. ``async def`` is accepted as long as it never really waits.

    Args:
        handler: The function.
        internal: Refuse calls from outside.
        args: Validators by parameter, in place of annotations that cannot say it.
        returns: A validator in place of the return annotation.
        record_arguments: Keep the arguments of each call in the log with what it wrote, so that
            `Database.replay` can run it again. Not for secrets: the log is never rewritten.

    Raises:
        DeclarationError: The function has no context, or parameters that cannot be given by name.
    """
    if handler is None:
        return MutationDecorator[MutationCtx](
            mutation,
            internal=internal,
            args=args,
            returns=returns,
            record_arguments=record_arguments,
        )
    options = Options(
        is_internal=internal, args=args, returns=returns, record_arguments=record_arguments
    )
    declared: Mutation[..., Any] = Mutation(handler, options)
    return declared
