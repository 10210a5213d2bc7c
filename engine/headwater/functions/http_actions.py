"""HTTP actions: functions of the application that answer requests at a path or below a prefix."""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, overload

from headwater.errors import DeclarationError, ReturnValueError
from headwater.functions.action_contexts import ActionCtx, SyncActionCtx
from headwater.functions.declaration import Action, Options
from headwater.functions.http_messages import Request, Response, SyncRequest
from headwater.functions.routes import Place, Route, place_of

_PARAMETERS: Final = 2


class Exchange(Protocol):
    """One request on its way through an action, as the server has it."""

    @property
    def request(self) -> Request:
        """The request."""
        ...

    async def respond(self, response: Response) -> None:
        """Send the response; returns when all of it is sent, or nobody takes it any more."""
        ...


class SyncExchange(Protocol):
    """The same for an action that runs on a thread."""

    @property
    def sync_request(self) -> SyncRequest:
        """The request, of which all has come."""
        ...

    def respond_sync(self, response: Response) -> None:
        """Send the response; returns when all of it is sent, or nobody takes it any more."""
        ...


class HttpAction(Route):
    """An action that answers requests; made by ``@http_action``.

    Attributes:
        handler: The function itself.
        action: The action that a request runs; it takes the exchange of the server.
    """

    def __init__(self, handler: Callable[..., Any], place: Place, options: Options) -> None:
        check_handler("http_action", handler, "ctx, request")
        is_async = inspect.iscoroutinefunction(handler)
        serve = _serving_async(handler) if is_async else _serving(handler)
        self.handler = handler
        self.action: Action[..., None] = Action(named_after(handler, serve), options)
        super().__init__(place, self.action.path, self.action.module)


def _serving_async(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def serve(ctx: ActionCtx, exchange: Any) -> None:
        await exchange.respond(_checked(handler, await handler(ctx, exchange.request)))

    return serve


def _serving(handler: Callable[..., Any]) -> Callable[..., Any]:
    def serve(ctx: SyncActionCtx, exchange: Any) -> None:
        exchange.respond_sync(_checked(handler, handler(ctx, exchange.sync_request)))

    return serve


def _checked(handler: Callable[..., Any], response: object) -> Response:
    if isinstance(response, Response):
        return response
    raise ReturnValueError(
        f"{handler.__module__}:{handler.__name__}: an HTTP action returns an hw.Response, got "
        f"{type(response).__name__}; hw.Response('text') and hw.Response.json(data) make one",
        function=handler.__name__,
    )


def check_handler(declared: str, handler: Callable[..., Any], parameters: str) -> None:
    """Refuse what cannot be a handler of two parameters.

    Raises:
        DeclarationError: It is no function, or takes others.
    """
    if not inspect.isfunction(handler):
        raise DeclarationError(f"@{declared}: expected a function, got {handler!r}")
    try:
        inspect.signature(handler).bind(*range(_PARAMETERS))
    except TypeError:
        raise DeclarationError(
            f"{handler.__module__}:{handler.__name__}: @{declared} expects a function of two "
            f"parameters, as in 'def {handler.__name__}({parameters})'"
        ) from None


def named_after(handler: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """A function around a handler, under its name."""
    wrapper.__name__ = handler.__name__
    wrapper.__qualname__ = handler.__qualname__
    wrapper.__module__ = handler.__module__
    wrapper.__doc__ = handler.__doc__
    return wrapper


class HttpActionDecorator(Protocol):
    """What ``@http_action(...)`` gives."""

    @overload
    def __call__(
        self, handler: Callable[[ActionCtx, Request], Coroutine[Any, Any, Response]], /
    ) -> HttpAction: ...
    @overload
    def __call__(
        self, handler: Callable[[SyncActionCtx, SyncRequest], Response], /
    ) -> HttpAction: ...


def http_action(
    path: str | None = None,
    /,
    *,
    prefix: str | None = None,
    methods: Sequence[str] = ("GET",),
    timeout_seconds: float | None = None,
) -> HttpActionDecorator:
    """Declares an HTTP action: ``@hw.http_action("/hello")``.

    An ``async def`` takes an `ActionCtx` and a `Request`, a plain ``def`` a `SyncActionCtx` and a
    `SyncRequest`; either returns a `Response`. It goes on if the other side goes away.

    Args:
        path: Where it answers, below the place where the application is mounted; decoded.
        prefix: Instead of a path: it answers everything below, unless something more exact does.
        methods: In capitals. HEAD is answered by GET.
        timeout_seconds: How long it may run; ``limits.action_seconds`` by default.

    Raises:
        DeclarationError: The path, the methods or the parameters of the function cannot be.
    """
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise DeclarationError(
            f"@http_action(timeout_seconds={timeout_seconds!r}): expected a number of seconds "
            "above 0"
        )
    place = place_of("http_action", path, prefix, methods)
    options = Options(is_internal=True, is_exposed=True, timeout_seconds=timeout_seconds)

    def declare(handler: Callable[..., Any]) -> HttpAction:
        return HttpAction(handler, place, options)

    return declare
