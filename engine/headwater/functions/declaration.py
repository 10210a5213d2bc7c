"""Queries and mutations: what the decorators of `headwater.functions.decorators` make.

A decorated function becomes a `Query` or a `Mutation`: an object that knows the function, its kind
and its parameters, is called with a context inside another function, and is passed to the database
outside. What its annotations mean is read when its module is opened, not here.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeAlias, TypeVar, cast

from headwater.errors import DeclarationError, FunctionKindError
from headwater.functions.bound_calls import BoundCall
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.kinds import Kind
from headwater.functions.parameters import Signature, read_signature
from headwater.functions.paths import handler_path
from headwater.schema.v import Optional
from headwater.schema.validators import ObjectValidator, Validator

if TYPE_CHECKING:
    from headwater.functions.job_options import JobOptions
    from headwater.functions.retry import Retry

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Arguments: TypeAlias = ObjectValidator | Mapping[str, Validator | Optional]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a decorator was given besides the function.

    Attributes:
        is_internal: Callable by other functions only, never from outside.
        args: Validators that replace those of the annotations, by parameter.
        returns: A validator that replaces that of the return annotation.
        record_arguments: Whether commits keep what the function was called with.
        timeout_seconds: How long an action may run, None for the limit.
        retry: Whether an action that fails is tried again; None if not.
        is_exposed: Whether strangers reach it although it is internal, as by a request.
        job: How it is run as a job; None for the defaults.
    """

    is_internal: bool = False
    args: Arguments | None = None
    returns: Validator | None = None
    record_arguments: bool = False
    timeout_seconds: float | None = None
    retry: "Retry | None" = None
    is_exposed: bool = False
    job: "JobOptions | None" = None


class Function(Generic[P, R_co]):
    """A declared function; made by ``@query``, ``@mutation`` or ``@action``.

    Attributes:
        handler: The function itself, context first.
        name: Its name in Python.
        module: The dotted name of its module.
        path: How messages call it before an application is opened: ``chat:send``.
        doc: Its docstring, or empty.
        is_async: Whether it is an ``async def``.
        is_internal: Whether it may not be called from outside.
        is_exposed: Whether strangers reach it, so that the rules of tables hold for it.
        signature: Its parameters after the context, as declared.
        options: What the decorator was given.
    """

    kind: ClassVar[Kind]

    def __init__(self, handler: Callable[..., Any], options: Options) -> None:
        if not inspect.isfunction(handler):
            raise DeclarationError(
                f"@{self.kind}: expected a function, got {handler!r}; "
                f"options are given by name, as in @{self.kind}(internal=True)"
            )
        self.handler = handler
        self.name: str = handler.__name__
        self.module: str = handler.__module__ or "__main__"
        self.path: str = handler_path(handler)
        self.doc: str = inspect.getdoc(handler) or ""
        self.is_async: bool = inspect.iscoroutinefunction(handler)
        self.is_internal: bool = options.is_internal
        self.is_exposed: bool = options.is_exposed or not options.is_internal
        self.options = options
        self.signature: Signature = read_signature(handler, self.path)
        # What inspect, help() and doctest look at.
        self.__name__: str = self.name
        self.__qualname__ = handler.__qualname__
        self.__module__ = self.module
        self.__doc__ = handler.__doc__
        self.__wrapped__ = handler

    def __repr__(self) -> str:
        return f"<{self.kind} {self.path}>"

    def arrange(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by parameter, with defaults; their types are not checked.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return self.signature.arrange(args, kwargs)


class Query(Function[P, R_co]):
    """A function that reads, and is run again for whoever watches it when that has changed."""

    kind: ClassVar[Kind] = "query"

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs inside the transaction of another function.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
        """
        return cast("R_co", ctx.run_function(self, self.signature.arrange(args, kwargs)))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "BoundQuery[R_co]":
        """The query together with arguments, to watch several queries as one.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return BoundQuery(self, self.signature.arrange(args, kwargs))


class Mutation(Function[P, R_co]):
    """A function that reads and writes, as one transaction."""

    kind: ClassVar[Kind] = "mutation"

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs inside the transaction of another mutation.

        Raises:
            ArgumentError: The arguments do not fit.
            ReturnValueError: The result does not fit.
        """
        return cast("R_co", ctx.run_function(self, self.signature.arrange(args, kwargs)))

    def later(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Its arguments by parameter, with defaults, for a call that is made later.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return self.signature.arrange(args, kwargs)

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> BoundCall:
        """The mutation together with arguments, to enqueue several jobs at once.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return BoundCall(self, self.later(*args, **kwargs))


class Action(Function[P, R_co]):
    """A function that does I/O, and calls queries and mutations."""

    kind: ClassVar[Kind] = "action"

    def later(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Its arguments by parameter, with defaults, for a call that is made later.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return self.signature.arrange(args, kwargs)

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> BoundCall:
        """The action together with arguments, to enqueue several jobs at once.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        return BoundCall(self, self.later(*args, **kwargs))

    if not TYPE_CHECKING:

        def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
            """An action is called with ``act``.

            Raises:
                FunctionKindError: Always.
            """
            raise FunctionKindError(
                f"{self.path} is an action, and does not join a transaction; call it with "
                "db.act(), or inside another action with ctx.act()"
            )


@dataclass(frozen=True, slots=True)
class BoundQuery(Generic[R_co]):
    """A query and its arguments by parameter, not yet checked for their types."""

    query: Query[..., R_co]
    arguments: Mapping[str, Any]
