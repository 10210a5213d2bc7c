"""A request as ASGI gives it, and responses as it takes them."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import Response as WholeResponse
from starlette.responses import StreamingResponse

from headwater.functions.http_fields import Headers
from headwater.functions.http_messages import Chunk, Request, Response, SyncRequest, encoded
from headwater.server.bodies import Body, BodyLimit
from headwater.server.protocol import Backend, Receive, Scope, Send

_NO_LENGTH: Final = frozenset({204, 304})
_REQUEST_ID_BYTES: Final = 8


def path_of(scope: Scope) -> str:
    """The path below the place where the application is mounted, from the first slash on."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    # Whether a server has the root in the path differs; ASGI says that it has.
    below = path[len(root) :] if root and (path + "/").startswith(root + "/") else path
    return below or "/"


class Incoming:
    """One request.

    Attributes:
        method: In capitals.
        path: Below the place where the application is mounted.
        headers: Its headers.
        body: Its body.
        request_id: A new one.
        request_id_headers: Headers of the answer that tell it.
    """

    def __init__(self, scope: Scope, receive: Receive, backend: Backend, limit: BodyLimit) -> None:
        clock, limits = backend.runner.store.clock, backend.runner.store.limits
        self._scope = scope
        self.method: str = scope["method"].upper()
        self.path: str = path_of(scope)
        self.headers: Headers = Headers(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        length = self.headers.get("content-length", "")
        self.body: Body = Body(
            receive,
            declared_bytes=int(length) if length.isascii() and length.isdigit() else None,
            limits=limits,
            limit=limit,
            alarm=backend.actor.alarm,
            clock=clock,
        )
        self.request_id: str = clock.secret(_REQUEST_ID_BYTES).hex()
        self.request_id_headers: tuple[str, ...] = ("x-request-id",)

    @property
    def client(self) -> str | None:
        """Address of the other side."""
        client = self._scope.get("client")
        return client[0] if client else None

    @property
    def query(self) -> list[tuple[str, str]]:
        """What follows the question mark, decoded."""
        return parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def root_path(self) -> str:
        """Where the application is mounted; empty if it is not."""
        root: str = self._scope.get("root_path", "")
        return root

    @property
    def raw_path(self) -> str:
        """The path as it was sent, below the place where the application is mounted."""
        sent: bytes = self._scope.get("raw_path") or self._scope["path"].encode("utf-8")
        root = self.root_path
        path = sent.partition(b"?")[0].decode("latin-1")
        return path[len(root) :] if root and path.startswith(root + "/") else path

    @property
    def raw_query(self) -> str:
        """What follows the question mark, as it was sent."""
        query: bytes = self._scope["query_string"]
        return query.decode("latin-1")

    @property
    def bearer(self) -> str | None:
        """The token of ``Authorization: Bearer``, None unless there is exactly one."""
        given = self.headers.get_all("authorization")
        if len(given) != 1:
            return None
        scheme, _, token = given[0].strip().partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None

    def request(self) -> Request:
        """The request for an action that is a task."""
        return Request(
            self.method,
            self.path,
            query=self.query,
            headers=self.headers.pairs(),
            body=self.body,
            client=self.client,
            request_id=self.request_id,
        )

    def sync_request(self, body: bytes) -> SyncRequest:
        """The request for an action that is a thread."""
        return SyncRequest(
            self.method,
            self.path,
            query=self.query,
            headers=self.headers.pairs(),
            body=body,
            client=self.client,
            request_id=self.request_id,
        )

    async def send(self, response: Response, content: Chunk, send: Send) -> None:
        """Send a response that is there as a whole."""
        body = encoded(content)
        headers = self._headers(response)
        if response.status not in _NO_LENGTH:
            headers.append((b"content-length", b"%d" % len(body)))
        answer = WholeResponse(b"" if self.method == "HEAD" else body, response.status)
        answer.raw_headers = headers
        await answer(self._scope, self.body.receive_afterwards, send)

    async def send_streaming(
        self, response: Response, content: AsyncIterator[bytes], send: Send
    ) -> None:
        """Send a response as it comes, until its end or until the other side has gone."""
        answer = StreamingResponse(content, response.status)
        answer.raw_headers = self._headers(response)
        await answer(self._scope, self.body.receive_afterwards, send)

    def _headers(self, response: Response) -> list[tuple[bytes, bytes]]:
        ids = [(name, self.request_id) for name in self.request_id_headers]
        pairs = [*response.headers.pairs(), *ids]
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
