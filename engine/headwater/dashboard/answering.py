"""How the API of the dashboard answers: work on threads, results as exact JSON, errors in words."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from headwater.dashboard.asked import Asked, asked_by_address, asked_by_body
from headwater.errors import (
    ClientGoneError,
    ClosedError,
    DocumentNotFoundError,
    HeadwaterError,
    RequestInvalidError,
    StorageError,
    UndoConflictError,
)
from headwater.exchange.json_values import write_value
from headwater.functions.http_messages import Response
from headwater.server.api import Answer, ApiRequest
from headwater.server.refusals import RefusalError
from headwater.transactions.origins import origin

Work: TypeAlias = Callable[[Asked], Any]
"""Finds or does what is asked for, on a thread; gives what JSON and values can say."""

IDENTITY: Final = "dashboard"
"""What commits by hand that are made here say of who has made them."""

_SAFETY: Final = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
)
_OF_THE_SERVER: Final = (ClientGoneError, ClosedError, RequestInvalidError, StorageError)
"""Errors that the server has words for."""


def reading(work: Work) -> Answer:
    """Answers what an address asks for."""

    async def answer(request: ApiRequest) -> Response:
        return await _on_thread(work, asked_by_address(request))

    return telling(answer)


def doing(work: Work) -> Answer:
    """Answers what a body asks for."""

    async def answer(request: ApiRequest) -> Response:
        return await _on_thread(work, await asked_by_body(request))

    return telling(answer)


def awaiting(work: Callable[[Asked], Awaitable[Any]]) -> Answer:
    """Answers what a body asks for, by something that is awaited."""

    async def answer(request: ApiRequest) -> Response:
        facts = await work(await asked_by_body(request))
        return await asyncio.to_thread(written, facts)

    return telling(answer)


def written_text(facts: Any) -> str:
    """Facts as exact JSON."""
    text = write_value(facts, "exact")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def written(facts: Any) -> Response:
    """Facts as a response in exact JSON."""
    return Response(written_text(facts), headers=_SAFETY, content_type="application/json")


def downloaded(pieces: AsyncGenerator[bytes]) -> Response:
    """A response whose bytes no browser is to interpret."""
    headers = [*_SAFETY, ("content-disposition", "attachment")]
    return Response(pieces, headers=headers, content_type="application/octet-stream")


def telling(answer: Answer) -> Answer:
    """The same answer, and errors in the words that administrators are told."""

    async def tell(request: ApiRequest) -> Response:
        try:
            return await answer(request)
        except HeadwaterError as error:
            raise told(error) from error

    return tell


async def _on_thread(work: Work, asked: Asked) -> Response:
    def run() -> Response:
        with origin(identity=IDENTITY, request_id=asked.request_id):
            return written(work(asked))

    return await asyncio.to_thread(run)


def told(error: HeadwaterError) -> Exception:
    """An error as administrators are told it: all of its words, which others are not."""
    if isinstance(error, _OF_THE_SERVER):
        return error
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, DocumentNotFoundError):
        status = HTTPStatus.NOT_FOUND
    elif isinstance(error, UndoConflictError):
        status = HTTPStatus.CONFLICT
    return RefusalError(status, error.code, str(error))
