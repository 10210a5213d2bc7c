"""Actions as an application declares them, and what they are handed.

An action does what queries and mutations may not: it talks to the world. It has no tables of its
own; each query, mutation or action that it calls is a transaction of its own, which others see at
once and which stays if the action fails later.
"""

from collections.abc import Callable, Coroutine
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Never,
    ParamSpec,
    TypeVar,
    overload,
)

from headwater.errors import DeclarationError
from headwater.functions.action_contexts import ActionCtx, SyncActionCtx
from headwater.functions.declaration import Action, Arguments, Options
from headwater.functions.decorators import Decorator
from headwater.schema.validators import Validator

if TYPE_CHECKING:
    from headwater.functions.retry import Retry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)


class LooseAsyncActionDecorator(Decorator, Generic[C_co]):
    """Declares ``async def`` actions that take more arguments than type checkers can know."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, ...], Coroutine[object, Never, R]], /
    ) -> Action[..., R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        timeout_seconds: float | None = ...,
        retry: "Retry | None" = ...,
    ) -> "LooseAsyncActionDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare an action, or take options first."""
        return self._decorate(handler, options)


class AsyncActionDecorator(LooseAsyncActionDecorator[C_co]):
    """Declares ``async def`` actions."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[C_co, P], Coroutine[object, Never, R]], /
    ) -> Action[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        timeout_seconds: float | None = ...,
        retry: "Retry | None" = ...,
    ) -> "AsyncActionDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare an action, or take options first."""
        return self._decorate(handler, options)


class LooseSyncActionDecorator(Decorator, Generic[C_co]):
    """Declares ``def`` actions that take more arguments than type checkers can know."""

    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, ...], R], /) -> Action[..., R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        timeout_seconds: float | None = ...,
        retry: "Retry | None" = ...,
    ) -> "LooseSyncActionDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare an action, or take options first."""
        return self._decorate(handler, options)


class SyncActionDecorator(LooseSyncActionDecorator[C_co]):
    """Declares ``def`` actions."""

    @overload
    def __call__(self, handler: Callable[Concatenate[C_co, P], R], /) -> Action[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        timeout_seconds: float | None = ...,
        retry: "Retry | None" = ...,
    ) -> "SyncActionDecorator[C_co]": ...
    def __call__(self, *handler: Any, **options: Any) -> Any:
        """Declare an action, or take options first."""
        return self._decorate(handler, options)


class ActionDecorator(AsyncActionDecorator[ActionCtx], SyncActionDecorator[SyncActionCtx]):
    """Declares actions of both kinds."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[ActionCtx, P], Coroutine[object, Never, R]], /
    ) -> Action[P, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[SyncActionCtx, P], R], /) -> Action[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        internal: bool = ...,
        args: Arguments | None = ...,
        returns: Validator | None = ...,
        timeout_seconds: float | None = ...,
        retry: "Retry | None" = ...,
    ) -> "ActionDecorator": ...
    # It takes what both of its bases take, which pyright does not see.
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *handler: Any, **options: Any
    ) -> Any:
        """Declare an action, or take options first."""
        return self._decorate(handler, options)


@overload
def action(
    handler: Callable[Concatenate[ActionCtx, P], Coroutine[object, Never, R]], /
) -> Action[P, R]: ...
@overload
def action(handler: Callable[Concatenate[SyncActionCtx, P], R], /) -> Action[P, R]: ...
@overload
def action(
    *,
    internal: bool = False,
    args: Arguments | None = None,
    returns: Validator | None = None,
    timeout_seconds: float | None = None,
    retry: "Retry | None" = None,
) -> ActionDecorator: ...
def action(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    internal: bool = False,
    args: Arguments | None = None,
    returns: Validator | None = None,
    timeout_seconds: float | None = None,
    retry: "Retry | None" = None,
) -> Any:
    """Declares an action: ``@hw.action``, or ``@hw.action(timeout_seconds=30)``.

    An ``async def`` takes an `ActionCtx`, a plain ``def`` a `SyncActionCtx`, then its arguments. It
    may do anything; what it has committed stays, also if it fails.

    Args:
        handler: The function.
        internal: Refuse calls from outside.
        args: Validators by parameter, in place of annotations that cannot say it.
        returns: A validator in place of the return annotation.
        timeout_seconds: How long it may run, all attempts and the waits between them together;
            ``limits.action_seconds`` by default.
        retry: How it is tried again if it fails; by default it has failed then.

    Raises:
        DeclarationError: The function has no context, or parameters that cannot be given by name;
            or the time is not above zero, or the policy is none.
    """
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise DeclarationError(
            f"@action(timeout_seconds={timeout_seconds!r}): expected a number of seconds above 0"
        )
    if retry is not None:
        from headwater.functions.retry import check_retry

        check_retry("action", retry)
    if handler is None:
        return ActionDecorator(
            action,
            internal=internal,
            args=args,
            returns=returns,
            timeout_seconds=timeout_seconds,
            retry=retry,
        )
    options = Options(
        is_internal=internal,
        args=args,
        returns=returns,
        timeout_seconds=timeout_seconds,
        retry=retry,
    )
    declared: Action[..., Any] = Action(handler, options)
    return declared
