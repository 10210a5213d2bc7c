"""What is answered when there is no response of the application's."""

import math
import traceback
from http import HTTPStatus
from typing import Any, Final

from headwater.errors import (
    ActionCanceledError,
    ApplicationError,
    ClientGoneError,
    ClosedError,
    CodeRefusedError,
    HeadwaterError,
    LimitExceededError,
    RateLimitedError,
    RequestInvalidError,
    SignatureInvalidError,
    SignInRefusedError,
    SignUpRefusedError,
    TokenInvalidError,
    TokenKeysUnavailableError,
)
from headwater.exchange.json_values import write_line
from headwater.functions.http_messages import Response, write_json

_BODY_LIMITS: Final = frozenset({"http_body_bytes", "webhook_body_bytes"})
_SHOWN_CHARACTERS: Final = 200


def not_found(method: str, path: str) -> Response:
    """Nothing answers there."""
    shown = path[:_SHOWN_CHARACTERS]
    return Response(f"Nothing answers {method} {shown!r}.\n", status=HTTPStatus.NOT_FOUND.value)


def method_not_allowed(method: str, allowed: tuple[str, ...]) -> Response:
    """Something answers there, and not this method."""
    return Response(
        f"{method[:_SHOWN_CHARACTERS]} is not answered here; {', '.join(allowed)} is.\n",
        status=HTTPStatus.METHOD_NOT_ALLOWED.value,
        headers={"allow": ", ".join(allowed)},
    )


def is_expected(error: BaseException) -> bool:
    """Whether nobody has to mend something: the request was wrong, or the application says no."""
    is_said = isinstance(error, ApplicationError | ClientGoneError)
    return is_said or _status_of_request(error) is not None


def failed(error: BaseException, request_id: str, *, is_dev: bool) -> Response:
    """The answer to a request that failed.

    Everybody is told what is wrong with the request itself, and what the application says by an
    `ApplicationError`; anything else only in dev mode.
    """
    status = _status_of_request(error)
    facts: dict[str, Any] = {"code": "server_error", "message": "Server Error"}
    headers: dict[str, str] = {}
    if status is not None and isinstance(error, HeadwaterError):
        facts = {"code": error.code, "message": _public_message(error)}
    elif isinstance(error, RateLimitedError):
        status = HTTPStatus.TOO_MANY_REQUESTS
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
        facts = {"code": error.code, "message": "too many requests"}
    elif isinstance(error, ApplicationError):
        status = _status_of_refusal(error)
        facts = {"code": error.code, "message": str(error), "data": error.data}
    elif isinstance(error, TokenKeysUnavailableError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        facts = {"code": error.code, "message": "who you are cannot be verified at present"}
    elif isinstance(error, ActionCanceledError | ClosedError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        facts["message"] = "the server is stopping"
    elif is_dev:
        facts["message"] = f"{type(error).__name__}: {error}"
        facts["trace"] = "".join(traceback.format_exception(error))
    facts["requestId"] = request_id
    return Response(
        _written(facts),
        status=(status or HTTPStatus.INTERNAL_SERVER_ERROR).value,
        headers=headers,
        content_type="application/json",
    )


def _status_of_request(error: BaseException) -> HTTPStatus | None:
    """What a request is answered with that cannot be right; None if it is no fault of its own."""
    if isinstance(error, RequestInvalidError):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, SignatureInvalidError | TokenInvalidError):
        return HTTPStatus.UNAUTHORIZED
    if isinstance(error, LimitExceededError):
        if error.limit in _BODY_LIMITS:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if error.limit == "http_body_seconds":
            return HTTPStatus.REQUEST_TIMEOUT
    return None


def _status_of_refusal(error: ApplicationError) -> HTTPStatus | None:
    """What the refusals of sessions are answered with; None if it is another one."""
    if isinstance(error, SignInRefusedError | CodeRefusedError):
        return HTTPStatus.UNAUTHORIZED
    return HTTPStatus.BAD_REQUEST if isinstance(error, SignUpRefusedError) else None


def _public_message(error: HeadwaterError) -> str:
    # Which part of a signature is wrong is for the log, and helps nobody outside but forgers.
    return "the signature is not right" if isinstance(error, SignatureInvalidError) else str(error)


def _written(facts: dict[str, Any]) -> bytes:
    try:
        return write_line(facts, "exact").encode("utf-8")
    except (TypeError, ValueError):  # the data of an ApplicationError that is no value
        return write_json({name: fact for name, fact in facts.items() if name != "data"})
