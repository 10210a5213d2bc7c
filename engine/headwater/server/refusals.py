"""Requests of clients that are not answered, in the words that clients of Convex know.

They look at the status, and show code and message to the developer.
"""

import traceback
from http import HTTPStatus
from typing import Final

from headwater.errors import (
    ActionCanceledError,
    ClosedError,
    ConflictError,
    LimitExceededError,
    LogTrimmedError,
    RequestInvalidError,
    SnapshotTooOldError,
    TokenKeysUnavailableError,
)
from headwater.functions.http_messages import Response


class RefusalError(Exception):
    """A request that is refused before any function is called.

    Attributes:
        status: Of the answer.
        code: In a word.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status: HTTPStatus = status
        self.code: str = code
        self.headers: tuple[tuple[str, str], ...] = headers


_STATUS_OF_LIMIT: Final = {
    "api_body_bytes": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLarge"),
    "api_queries": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLarge"),
    "upload_seconds": (HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout"),
    "http_body_seconds": (HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout"),
}
_STOPPING: Final = (HTTPStatus.SERVICE_UNAVAILABLE, "ServerStopping", "the server is stopping")
_KNOWN: Final[dict[type[Exception], tuple[HTTPStatus, str, str]]] = {
    RequestInvalidError: (HTTPStatus.BAD_REQUEST, "BadRequest", ""),
    LogTrimmedError: (HTTPStatus.BAD_REQUEST, "OutOfRetention", ""),
    ConflictError: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "OptimisticConcurrencyControlFailure",
        "other mutations have changed the same documents again and again; try again",
    ),
    SnapshotTooOldError: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "OutOfRetention",
        "the snapshot was held for too long; try again",
    ),
    TokenKeysUnavailableError: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "AuthProviderUnavailable",
        "who you are cannot be verified at present",
    ),
    ActionCanceledError: _STOPPING,
    ClosedError: _STOPPING,
}
"""Status, code and message by error; an empty message is that of the error."""


def refusal_of(error: Exception, *, is_dev: bool) -> RefusalError:
    """What a client is told of an error that no function of the application has raised."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, LimitExceededError) and error.limit in _STATUS_OF_LIMIT:
        status, code = _STATUS_OF_LIMIT[error.limit]
        return RefusalError(status, code, str(error))
    for kind, (status, code, message) in _KNOWN.items():
        if isinstance(error, kind):
            return RefusalError(status, code, message or str(error))
    message = "".join(traceback.format_exception(error)) if is_dev else "Server Error"
    return RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", message)


def answer(refusal: RefusalError, written: bytes) -> Response:
    """The response to a refused request."""
    return Response(
        written,
        status=refusal.status.value,
        headers=(*refusal.headers, ("x-content-type-options", "nosniff")),
        content_type="application/json",
    )
