"""An application in front of others: which one answers can be changed while clients are there."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from headwater.server.protocol import AsgiApplication, Message, Receive, Scope, Send

RESTARTING: Final = 1012
"""Why a WebSocket is closed: "service restart", of RFC 6455's registry. Clients connect again."""


class Switch:
    """Hands requests to the application of the moment.

    While it is paused, requests wait and connections stay. WebSockets are closed then: what they
    were promised by the old application the new one does not know.

    Args:
        application: Who answers first.
    """

    def __init__(self, application: AsgiApplication) -> None:
        self._application = application
        self._open = asyncio.Event()
        self._open.set()
        self._running: set[asyncio.Task[Any]] = set()
        self._sockets: set[_WebSocket] = set()

    @property
    def is_paused(self) -> bool:
        """Whether requests wait."""
        return not self._open.is_set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a WebSocket."""
        while self.is_paused:  # still, or again
            await self._open.wait()
        task = asyncio.current_task()
        assert task is not None, "a server answers in tasks"
        self._running.add(task)
        try:
            if scope["type"] == "websocket":
                await self._serve_websocket(scope, receive, send)
            else:
                await self._application(scope, receive, send)
        finally:
            self._running.discard(task)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = _WebSocket(receive, send)
        self._sockets.add(connection)
        try:
            await self._application(scope, connection.receive, connection.send)
        finally:
            self._sockets.discard(connection)
            connection.forget()

    async def pause(self, patience_seconds: float) -> None:
        """Let requests wait from now on, and those that are being answered finish.

        Args:
            patience_seconds: What takes longer is canceled.
        """
        self._open.clear()
        for connection in self._sockets:
            connection.leave()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=patience_seconds)

    def resume(self, application: AsgiApplication) -> None:
        """Go on, with another application or the same."""
        self._application = application
        self._open.set()


class _WebSocket:
    """A WebSocket of a client, which can be closed from outside of the application."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._left = asyncio.get_running_loop().create_future()
        self._coming: asyncio.Future[Message] | None = None
        self._is_closed = False

    def leave(self) -> None:
        """Close it at the next moment at which the application listens."""
        if not self._left.done():
            self._left.set_result(None)

    async def receive(self) -> Message:
        """What comes next from the client; its end once it was left."""
        coming = self._coming or asyncio.ensure_future(self._receive())
        self._coming = coming
        either: list[asyncio.Future[Any]] = [coming, self._left]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            self._coming = None
            return coming.result()
        await self._close()
        return {"type": "websocket.disconnect", "code": RESTARTING, "reason": "restarting"}

    async def send(self, message: Message) -> None:
        """Send to the client, unless it was left."""
        if not self._is_closed:
            self._is_closed = message["type"] == "websocket.close"
            await self._send(message)

    async def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            with suppress(OSError, RuntimeError):  # the client has gone meanwhile
                message = {"type": "websocket.close", "code": RESTARTING, "reason": "restarting"}
                await self._send(message)

    def forget(self) -> None:
        """Nobody listens any more."""
        if self._coming is not None:
            self._coming.cancel()
        self._left.cancel()


class Unavailable:
    """Answers every request with 503: there is nothing to serve yet.

    Args:
        text: Why.
    """

    def __init__(self, text: str) -> None:
        self._body = f"{text}\n".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse one request."""
        await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": RESTARTING, "reason": "not ready"})
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(self._body)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})
