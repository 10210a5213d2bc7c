"""The page itself: files of this package, read once, and the headers that keep it safe."""

import hashlib
import re
from importlib.resources import files
from typing import Final

from starlette.routing import BaseRoute, Route

from headwater.functions.http_messages import Response
from headwater.server.incoming import Incoming
from headwater.server.protocol import Backend, Receive, Scope, Send

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SAFETY: Final = (
    ("content-security-policy", _POLICY),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
"""Nothing is loaded from elsewhere, nothing runs that is not a file of ours, nobody frames it."""

_INDEX: Final = "index.html"
_PLACE: Final = "/_dashboard"


class _File:
    """One file of the page.

    Attributes:
        content: Its bytes.
        content_type: Of what.
        etag: Changes with its bytes.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.content: bytes = content
        self.content_type: str = _TYPES[re.sub(r".*(?=\.)", "", name)]
        self.etag: str = f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def page_routes(backend: Backend) -> list[BaseRoute]:
    """Routes of the page. A file that is not in the package is answered by nobody.

    Args:
        backend: The database.
    """
    folder = files("headwater.dashboard") / "static"
    found = {one.name: _File(one.name, one.read_bytes()) for one in folder.iterdir()}
    paths = {f"{_PLACE}/{name}": file for name, file in found.items() if name != _INDEX}
    paths[f"{_PLACE}/"] = found[_INDEX]
    routes: list[BaseRoute] = [
        Route(path, endpoint=_Endpoint(backend, file)) for path, file in paths.items()
    ]
    return [*routes, Route(_PLACE, endpoint=_Endpoint(backend, None))]


class _Endpoint:
    """A file as an application of ASGI; None for the way to the first one."""

    def __init__(self, backend: Backend, file: _File | None) -> None:
        self._backend = backend
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive, self._backend, "api_body_bytes")
        response = self._respond(incoming)
        content = response.content
        assert isinstance(content, bytes | str), "files are there as a whole"
        await incoming.send(response, content, send)

    def _respond(self, incoming: Incoming) -> Response:
        if incoming.method not in ("GET", "HEAD"):
            return Response(status=405, headers=[*SAFETY, ("allow", "GET, HEAD")])
        if self._file is None:
            # Relative, so that it holds wherever the application is mounted.
            return Response(status=307, headers=[*SAFETY, ("location", "./_dashboard/")])
        file = self._file
        headers = [*SAFETY, ("etag", file.etag), ("cache-control", "no-cache")]
        if incoming.headers.get("if-none-match") == file.etag:
            return Response(status=304, headers=headers)
        return Response(file.content, headers=headers, content_type=file.content_type)
