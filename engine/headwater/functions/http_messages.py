"""Requests and responses as the application's HTTP actions see them."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Self, TypeAlias

from headwater.errors import ArgumentError, RequestInvalidError, UsageError
from headwater.functions.http_fields import (
    GivenFields,
    Headers,
    QueryParameters,
    read_cookies,
    response_headers,
)

Chunk: TypeAlias = bytes | str
Content: TypeAlias = Chunk | Iterable[Chunk] | AsyncIterable[Chunk]
"""What a response is made of: all of it, or pieces that are sent as they come."""

_STATUS_MIN: Final = 200
_STATUS_MAX: Final = 599
_NO_CONTENT: Final = frozenset({204, 205, 304})
_TEXT: Final = "text/plain; charset=utf-8"
_BINARY: Final = "application/octet-stream"
_JSON: Final = "application/json"


class _RequestFacts:
    """What both kinds of requests know before the body has come.

    Attributes:
        method: In capitals.
        path: Below the place where the application is mounted, decoded; begins with a slash.
        query: What follows the question mark.
        headers: Its headers.
        client: Address of the other side, as the server says it; None if it does not.
        request_id: Stands in the log, in the origin of commits and in the answer.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        query: GivenFields = (),
        headers: GivenFields = (),
        client: str | None = None,
        request_id: str = "",
    ) -> None:
        self.method: str = method
        self.path: str = path
        self.query: QueryParameters = QueryParameters(query)
        self.headers: Headers = Headers(headers)
        self.client: str | None = client
        self.request_id: str = request_id

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the browser has sent, by name: ``request.cookies.get("name")``.

        Of several with one name the first, which has the longest path (RFC 6265, section 5.4).
        """
        return read_cookies(self.headers.get_all("cookie"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.path}>"


class Request(_RequestFacts):
    """A request, for an HTTP action that is an ``async def``.

    Attributes:
        method: In capitals.
        path: Below the place where the application is mounted, decoded; begins with a slash.
        query: What follows the question mark.
        headers: Its headers.
        client: Address of the other side, as the server says it; None if it does not.
        request_id: Stands in the log, in the origin of commits and in the answer.
    """

    def __init__(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        method: str,
        path: str,
        *,
        query: GivenFields = (),
        headers: GivenFields = (),
        body: bytes | AsyncIterable[bytes] = b"",
        client: str | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(
            method, path, query=query, headers=headers, client=client, request_id=request_id
        )
        self._coming: AsyncIterable[bytes] | None = None
        self._body: bytes | None = None
        if isinstance(body, bytes):
            self._body = body
        else:
            self._coming = body

    async def body(self) -> bytes:
        """The whole body. It is kept, and may be asked for again.

        Raises:
            LimitExceededError: It is larger than ``limits.http_body_bytes``.
            TimeLimitError: It has not come within ``limits.http_body_seconds``.
            ClientGoneError: The other side has gone before all of it had come.
        """
        if self._body is None:
            self._body = b"".join([chunk async for chunk in self.stream()])
        return self._body

    async def text(self) -> str:
        """The whole body as UTF-8. Raises what `body` raises, and RequestInvalidError."""
        return read_text(await self.body())

    async def json(self) -> Any:
        """The whole body as JSON. Raises what `body` raises, and RequestInvalidError."""
        return read_json(await self.body())

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes, once. Raises what `body` raises.

        Raises:
            UsageError: It was streamed before.
        """
        if self._body is not None:
            yield self._body
            return
        coming, self._coming = self._coming, None
        if coming is None:
            raise UsageError(
                f"the body of {self!r} was streamed before; await request.body() keeps it"
            )
        async for chunk in coming:
            yield chunk


class SyncRequest(_RequestFacts):
    """A request, for an HTTP action that is a plain ``def``. All of its body has come already.

    Attributes:
        method: In capitals.
        path: Below the place where the application is mounted, decoded; begins with a slash.
        query: What follows the question mark.
        headers: Its headers.
        client: Address of the other side, as the server says it; None if it does not.
        request_id: Stands in the log, in the origin of commits and in the answer.
    """

    def __init__(  # noqa: PLR0913 - each is of its own, and given by name
        self,
        method: str,
        path: str,
        *,
        query: GivenFields = (),
        headers: GivenFields = (),
        body: bytes = b"",
        client: str | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(
            method, path, query=query, headers=headers, client=client, request_id=request_id
        )
        self._body = body

    def body(self) -> bytes:
        """The body."""
        return self._body

    def text(self) -> str:
        """The body as UTF-8.

        Raises:
            RequestInvalidError: It is not.
        """
        return read_text(self._body)

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            RequestInvalidError: It is not.
        """
        return read_json(self._body)


class Response:
    """What an HTTP action answers.

    Attributes:
        content: Bytes or text, or an iterable or async iterable of either, which is sent piece by
            piece: then the action lasts until the last piece is sent, or the other side has gone.
        status: 200 to 599.
        headers: Its headers, ``content-type`` among them.
    """

    __slots__ = ("content", "headers", "status")

    def __init__(
        self,
        content: Content = b"",
        *,
        status: int = 200,
        headers: GivenFields = (),
        content_type: str | None = None,
    ) -> None:
        """Make a response.

        Args:
            content: What is sent; text is sent as UTF-8.
            status: 200 to 599.
            headers: A dict, or pairs where a name may come several times.
            content_type: By default that of plain text for text, and of unknown bytes for bytes.

        Raises:
            ArgumentError: The status or a header cannot be sent, or the content is none.
        """
        if type(status) is not int or not _STATUS_MIN <= status <= _STATUS_MAX:
            raise ArgumentError(
                f"hw.Response(status={status!r}): expected a number from 200 to 599"
            )
        _check_content(content)
        if content not in (b"", "") and status in _NO_CONTENT:
            raise ArgumentError(f"hw.Response(status={status}): such a response has no content")
        fields = list(Headers(headers).pairs())
        kind = content_type or _default_type(content)
        if kind and (content_type or all(name != "content-type" for name, _ in fields)):
            fields = [pair for pair in fields if pair[0] != "content-type"]
            fields.append(("content-type", kind))
        self.content: Content = content
        self.status: int = status
        self.headers: Headers = response_headers(fields)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @classmethod
    def json(cls, data: Any, *, status: int = 200, headers: GivenFields = ()) -> Self:
        """A response in JSON.

        Args:
            data: What JSON has: no bytes, no NaN.
            status: 200 to 599.
            headers: A dict, or pairs where a name may come several times.

        Raises:
            ArgumentError: The data cannot be written as JSON.
        """
        return cls(write_json(data), status=status, headers=headers, content_type=_JSON)


def _check_content(content: object) -> None:
    kinds: tuple[type, ...] = (bytes, str, Iterable, AsyncIterable)
    name = type(content).__name__
    if not isinstance(content, kinds) or isinstance(content, Mapping):
        raise ArgumentError(
            f"hw.Response({name}): expected bytes, text, or an iterable of "
            "either; hw.Response.json(...) takes a dict"
        )


def _default_type(content: Content) -> str | None:
    if isinstance(content, bytes | str):
        if not content:
            return None
        return _BINARY if isinstance(content, bytes) else _TEXT
    return _BINARY


def write_json(data: Any) -> bytes:
    """JSON as it is sent.

    Raises:
        ArgumentError: The data cannot be written as JSON.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(
            f"hw.Response.json: {error}; JSON has None, bool, int, finite float, str, list and "
            "dict. Send bytes as base64 text, or as a response of their own"
        ) from None


def read_text(body: bytes) -> str:
    """A body as UTF-8.

    Raises:
        RequestInvalidError: It is not.
    """
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestInvalidError(
            f"the body of the request is no UTF-8: {error.reason} at byte {error.start}"
        ) from None


def read_json(body: bytes) -> Any:
    """A body as JSON, of which everything but a number that is too large can be stored.

    Raises:
        RequestInvalidError: It is no JSON, has NaN or infinity, or half a surrogate pair.
    """
    text = read_text(body)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        problem = "a string in it has half a surrogate pair"
    except RecursionError:
        problem = "it is nested too deeply"
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos}"
    except ValueError as error:
        problem = str(error)
    else:
        return value
    raise RequestInvalidError(f"the body of the request is no JSON: {problem}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is none of its numbers")


def encoded(chunk: object) -> bytes:
    """A piece of a response as it is sent.

    Raises:
        ArgumentError: It is neither bytes nor text.
    """
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode("utf-8")
    raise ArgumentError(f"a response is made of bytes and text, got {type(chunk).__name__}")


def pieces(content: Content) -> Iterator[Chunk] | AsyncIterator[Chunk] | None:
    """The pieces of a response that is sent as it comes; None if it is there as a whole."""
    if isinstance(content, bytes | str):
        return None
    if isinstance(content, AsyncIterable):
        return aiter(content)
    return iter(content)
