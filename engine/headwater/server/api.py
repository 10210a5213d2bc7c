"""The HTTP API that clients of Convex speak: one entrance for all of its endpoints.

Source: ``browser/http_client.ts`` of the npm package ``convex`` 1.48.0, ``http_client.py`` of the
PyPI package 0.8.1, and Convex's documentation of its HTTP API.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from starlette.routing import BaseRoute, Route

from headwater.errors import ClientGoneError
from headwater.functions.http_messages import Response
from headwater.server import refusals
from headwater.server.authentication import Authentication
from headwater.server.bodies import BodyLimit
from headwater.server.client_calls import Caller
from headwater.server.incoming import Incoming
from headwater.server.protocol import Backend, Receive, Scope, Send
from headwater.server.refusals import RefusalError

_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

_LOG: Final = logging.getLogger("headwater.http")


class ApiRequest(NamedTuple):
    """A request to one of the endpoints.

    Attributes:
        incoming: The request.
        caller: Who has sent it.
        names: What its path names.
    """

    incoming: Incoming
    caller: Caller
    names: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """The one that the answer and the logs have."""
        return self.incoming.request_id


Answer = Callable[[ApiRequest], Awaitable[Response]]


class Entrance:
    """Makes routes of endpoints: who is it, what is the answer, and what if there is none.

    Args:
        backend: The database.
        authentication: Recognizes callers.
        is_dev: Whether everybody is told what went wrong inside.
    """

    def __init__(self, backend: Backend, authentication: Authentication, *, is_dev: bool) -> None:
        self.backend: Backend = backend
        self.authentication: Authentication = authentication
        self.is_dev: bool = is_dev

    def route(
        self,
        path: str,
        *,
        is_for_all: bool = False,
        limit: BodyLimit = "api_body_bytes",
        **answers: Answer,
    ) -> BaseRoute:
        """A route of Starlette.

        Args:
            path: Below the place where the application is mounted.
            is_for_all: Whether it does not matter who asks.
            limit: What counts for the body.
            answers: By method, in capitals.
        """
        endpoint = _Endpoint(self, answers, limit, is_for_all=is_for_all)
        return Route(path, endpoint=endpoint)


class _Endpoint:
    """One path, as an application of ASGI."""

    def __init__(
        self,
        entrance: Entrance,
        answers: dict[str, Answer],
        limit: BodyLimit,
        *,
        is_for_all: bool,
    ) -> None:
        self._entrance = entrance
        self._limit: BodyLimit = limit
        self._answers = answers
        if "GET" in answers:
            self._answers = answers | {"HEAD": answers["GET"]}
        self._is_for_all = is_for_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive, self._entrance.backend, self._limit)
        incoming.request_id_headers = ("x-request-id", "convex-request-id")
        try:
            response = await self._answer(incoming, scope.get("path_params", {}))
        except ClientGoneError as error:
            _LOG.info("%s given up (request %s): %s", incoming.path, incoming.request_id, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            response = self._refuse(error, incoming)
        await self._send(response, incoming, send)

    async def _answer(self, incoming: Incoming, names: Mapping[str, str]) -> Response:
        answer = self._answers.get(incoming.method)
        if answer is None:
            raise RefusalError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                f"{incoming.method[:20]} is not answered here; {', '.join(self._answers)}",
                (("allow", ", ".join(self._answers)),),
            )
        caller = Caller()
        if not self._is_for_all:
            given = incoming.headers.get_all("authorization")
            caller = await self._entrance.authentication.caller(given, incoming.client or "")
        return await answer(ApiRequest(incoming, caller, names))

    async def _send(self, response: Response, incoming: Incoming, send: Send) -> None:
        content = response.content
        if isinstance(content, bytes | str):
            await incoming.send(response, content, send)
            return
        assert isinstance(content, AsyncGenerator), "pieces have to be waited for"
        pieces = cast("AsyncGenerator[bytes]", content)
        try:
            await incoming.send_streaming(response, pieces, send)
        finally:
            await pieces.aclose()

    def _refuse(self, error: Exception, incoming: Incoming) -> Response:
        refusal = refusals.refusal_of(error, is_dev=self._entrance.is_dev)
        shown = (incoming.method, incoming.path, incoming.request_id)
        if refusal.status is HTTPStatus.INTERNAL_SERVER_ERROR:
            _LOG.error("%s %r failed (request %s)", *shown, exc_info=error)
        else:
            _LOG.info("%s %r refused (request %s): %s", *shown, error)
        return refusals.answer(refusal, write({"code": refusal.code, "message": str(refusal)}))


def write(facts: Any) -> bytes:
    """JSON as it is sent. What no UTF-8 can hold is written as JSON's escapes."""
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


async def answer_json(facts: Callable[[], Any], *, is_large: bool = True) -> Response:
    """A response in JSON, which nobody keeps.

    Args:
        facts: Makes what it says.
        is_large: Whether it may be so much that it is written on a thread.
    """
    made = await asyncio.to_thread(lambda: write(facts())) if is_large else write(facts())
    return Response(made, headers=_HEADERS, content_type="application/json")
