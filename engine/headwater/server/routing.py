"""The application's HTTP actions and webhooks as an application of ASGI."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, NamedTuple

from headwater.errors import ClientGoneError, TokenInvalidError
from headwater.functions.http_actions import HttpAction
from headwater.functions.http_messages import Response
from headwater.functions.identity import Identity, acting_as, current_identity
from headwater.functions.routes import Found, Route
from headwater.server import answers
from headwater.server.bodies import BodyLimit
from headwater.server.exchange import HttpExchange
from headwater.server.incoming import Incoming, path_of
from headwater.server.protocol import Backend, Receive, Scope, Send, ServerOptions
from headwater.services.tokens import VerifiedToken
from headwater.services.webhook_endpoints import Webhook
from headwater.services.webhook_events import WebhookEvent
from headwater.transactions.origins import origin

_LOG: Final = logging.getLogger("headwater.http")
_VERIFIED_AT_ONCE_BYTES: Final = 64 * 1024
"""A body up to here is verified on the event loop: that takes less than handing it over."""


class _Answer(NamedTuple):
    """A response, and where its pieces come from if it is sent as it comes."""

    response: Response
    exchange: HttpExchange | None = None
    action: "asyncio.Task[Exception | None] | None" = None


class _BrokenOffError(ConnectionError):
    """A response that has begun and cannot be finished: the server breaks the connection."""


class HttpRoutes:
    """Answers requests by the routes of an application."""

    def __init__(self, backend: Backend, options: ServerOptions) -> None:
        self._backend = backend
        self._options = options
        self._routes = backend.runner.application.routes
        self._tasks: set[asyncio.Task[Any]] = set()
        for route in self._routes.routes:
            if isinstance(route, Webhook):
                route.check(backend.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _refuse_websocket(scope, receive, send)
            return
        found = self._routes.find(scope["method"].upper(), path_of(scope))
        is_webhook = isinstance(found.route, Webhook)
        limit: BodyLimit = "webhook_body_bytes" if is_webhook else "http_body_bytes"
        incoming = Incoming(scope, receive, self._backend, limit)
        try:
            answer = await self._answer(found, incoming)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            if self._note(error, found.route, incoming):
                return
            is_dev = self._options.is_dev
            answer = _Answer(answers.failed(error, incoming.request_id, is_dev=is_dev))
        await self._send(answer, found.route, incoming, send)

    async def _answer(self, found: Found, incoming: Incoming) -> _Answer:
        route = found.route
        if isinstance(route, Webhook):
            return _Answer(await self._receive(route, incoming))
        if isinstance(route, HttpAction):
            return await self._act(route, incoming)
        if found.allowed:
            return _Answer(answers.method_not_allowed(incoming.method, found.allowed))
        return _Answer(answers.not_found(incoming.method, incoming.path))

    async def _send(
        self, answer: _Answer, route: Route | None, incoming: Incoming, send: Send
    ) -> None:
        response, content = answer.response, answer.response.content
        if isinstance(content, bytes | str):
            await incoming.send(response, content, send)
            return
        assert answer.exchange is not None, "only an action sends pieces"
        assert answer.action is not None, "only an action sends pieces"
        try:
            pieces = self._pieces(answer.exchange, answer.action, route, incoming)
            if incoming.method == "HEAD":
                answer.exchange.channel.close()
            await incoming.send_streaming(response, pieces, send)
        finally:
            answer.exchange.channel.close()

    async def _pieces(
        self,
        exchange: HttpExchange,
        action: "asyncio.Task[Exception | None]",
        route: Route | None,
        incoming: Incoming,
    ) -> AsyncIterator[bytes]:
        if incoming.method == "HEAD":
            return
        async for piece in exchange.channel:
            yield piece
        error = await action
        if error is not None:
            self._note(error, route, incoming)
            raise _BrokenOffError(f"request {incoming.request_id}: {type(error).__name__}")

    def _note(self, error: Exception, route: Route | None, incoming: Incoming) -> bool:
        """Write a failure into the log; whether nobody is there to be told."""
        where = route.path if route is not None else "no route"
        shown = f"{incoming.method} {incoming.path!r} ({where}, request {incoming.request_id})"
        if answers.is_expected(error):
            _LOG.info("%s refused: %s", shown, error)
        else:
            _LOG.error("%s failed", shown, exc_info=error)
        return isinstance(error, ClientGoneError)

    # -- webhooks -------------------------------------------------------------------------------

    async def _receive(self, webhook: Webhook, incoming: Incoming) -> Response:
        body = await incoming.body.read()
        clock, settings = self._backend.runner.store.clock, self._backend.settings

        def verify() -> WebhookEvent:
            return webhook.verify(incoming.headers, body, now_ns=clock.now_ns(), settings=settings)

        is_small = len(body) <= _VERIFIED_AT_ONCE_BYTES
        event = verify() if is_small else await asyncio.to_thread(verify)
        with origin(request_id=incoming.request_id), acting_as(None):
            call = self._backend.runner.prepared(webhook.receiving, {"event": event})
            received = await self._backend.calls.run(call)
        return Response.json({"status": received})

    # -- HTTP actions ---------------------------------------------------------------------------

    async def _act(self, route: HttpAction, incoming: Incoming) -> _Answer:
        body = b"" if route.action.is_async else await incoming.body.read()
        exchange = HttpExchange(incoming.request(), incoming.sync_request(body))
        identity = await self._identity(incoming)
        # A task of its own: it goes on when the server gives up the request.
        action = self._keep(self._run(route, exchange, incoming.request_id, identity))
        either: list[asyncio.Future[Any]] = [action, exchange.answered]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if exchange.answered.done():
            return _Answer(exchange.answered.result(), exchange, action)
        error = action.result()
        assert error is not None, "an action that ends well has answered"
        raise error

    async def _run(
        self, route: HttpAction, exchange: HttpExchange, request_id: str, identity: Identity | None
    ) -> Exception | None:
        try:
            with origin(request_id=request_id), acting_as(identity):
                call = self._backend.runner.prepared(route.action, {"exchange": exchange})
                await self._backend.actor.act(call)
        except Exception as error:  # noqa: BLE001 - it is told to whoever waits
            return error
        finally:
            exchange.channel.end()
        return None

    def _keep(
        self, coroutine: Coroutine[Any, Any, Exception | None]
    ) -> "asyncio.Task[Exception | None]":
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _identity(self, incoming: Incoming) -> Identity | None:
        """Who sends the request: by its token, or else whom the caller of the application says."""
        if "authorization" not in incoming.headers:
            return current_identity()
        token, identify = incoming.bearer, self._options.identify
        if token is None or identify is None:
            return None
        try:
            found = await asyncio.to_thread(identify, token)
        except TokenInvalidError:
            return None
        return found.identity if isinstance(found, VerifiedToken) else found


async def _refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
