"""Requests to an application of ASGI, within the process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx


def serve(app: Any, talk: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Run a conversation with an application on an event loop of its own."""

    async def run() -> Any:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return await talk(client)

    return asyncio.run(run())


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    """One request."""

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(method, path, **options)

    return serve(app, talk)


class Wire:
    """One request by hand: what the server gives to the application, and what it takes.

    Attributes:
        sent: The messages of the application.
    """

    def __init__(self, method: str, path: str, headers: Any = (), **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list(headers),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            **scope,
        }
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.begun = asyncio.Event()

    def give(self, body: bytes = b"", *, more: bool = False) -> None:
        """Let a piece of the body come."""
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def go(self) -> None:
        """Let the other side go away."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.begun.set()
        await asyncio.sleep(0)

    async def run(self, app: Any) -> None:
        """Let the application answer."""
        await app(self.scope, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])
