"""Where clients connect by WebSocket: ``/api/sync`` and ``/api/{version}/sync``."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from headwater.functions.identity import current_identity
from headwater.server.authentication import Authentication
from headwater.server.client_calls import Caller, ClientCalls
from headwater.server.loop_wakeups import LoopWakeups
from headwater.server.protocol import Backend
from headwater.server.sync_context import SyncContext, WrittenResults
from headwater.server.sync_messages import fatal_error
from headwater.server.sync_session import (
    INTERNAL_ERROR,
    TRY_AGAIN,
    Connection,
    SessionOverError,
    SyncSession,
)
from headwater.services.client_requests import forget_old

_LOG: Final = logging.getLogger("headwater.server")
_TICK_SECONDS: Final = 15
"""The client of npm gives a connection up on which it hears nothing for a minute, others sooner."""
_TICKS_PER_FORGETTING: Final = 40
_NAME_BYTES: Final = 8
_REASON_BYTES_MAX: Final = 123
_JOINS_CHUNKS: Final = (1, 28)
_OWN_CLIENT: Final = "headwater-"
"""Headwater's own client says its version so."""
_MESSAGE_TOO_BIG: Final = 1009


class SyncEndpoint:
    """Takes connections of clients and holds them.

    Args:
        backend: The database.
        calls: Finds and runs functions.
        authentication: Recognizes callers.
        is_allowed: Whether pages of an origin may connect; those of the server itself may.
    """

    def __init__(
        self,
        backend: Backend,
        calls: ClientCalls,
        authentication: Authentication,
        is_allowed: Callable[[str], bool],
    ) -> None:
        self._backend = backend
        self._calls = calls
        self._authentication = authentication
        self._is_allowed = is_allowed
        self._written = WrittenResults()
        self._sessions: set[SyncSession] = set()
        self._context: SyncContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticks = 0
        self._keeping: set[asyncio.Task[None]] = set()

    def routes(self) -> Sequence[BaseRoute]:
        """Where it is."""
        return [
            WebSocketRoute("/api/sync", self._connect),
            WebSocketRoute("/api/{version}/sync", self._connect),
        ]

    async def _connect(self, socket: WebSocket) -> None:
        if not self._may_connect(socket):
            await socket.close(1008)  # which refuses the handshake with 403
            return
        limits = self._backend.runner.store.limits
        await socket.accept()
        if len(self._sessions) >= limits.client_connections:
            await socket.close(TRY_AGAIN, "TooManyConcurrentRequests")
            return
        name = self._backend.runner.store.clock.secret(_NAME_BYTES).hex()
        version: str = socket.path_params.get("version", "")
        is_own = version.startswith(_OWN_CLIENT)
        connection = Connection(
            name=name,
            address="" if socket.client is None else socket.client.host,
            joins_chunks=is_own or _joins_chunks(version),
            wire_format="exact" if is_own else "encoded",
        )
        caller = Caller(current_identity())
        session = SyncSession(self._shared(), caller, connection, socket.send_text)
        self._sessions.add(session)
        try:
            await self._talk(socket, session, name, limits.client_message_bytes)
        finally:
            self._sessions.discard(session)

    async def _talk(
        self, socket: WebSocket, session: SyncSession, name: str, bytes_max: int
    ) -> None:
        async def receive() -> str:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            text: str | None = message.get("text")
            if text is None:
                raise SessionOverError(last=fatal_error("a message is not text"))
            # A character takes one byte at least, and four at most.
            if 4 * len(text) > bytes_max and len(text.encode("utf-8")) > bytes_max:
                raise SessionOverError(_MESSAGE_TOO_BIG, "MessageTooBig")
            return text

        try:
            await session.talk(receive)
        except (WebSocketDisconnect, ConnectionError):
            return
        except SessionOverError as over:
            await _close(socket, over)
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _LOG.exception("the connection %s of a client failed", name)
            await _close(socket, SessionOverError(INTERNAL_ERROR, "InternalServerError"))

    def _may_connect(self, socket: WebSocket) -> bool:
        """Whether a browser's page may be let in; other programs name no origin."""
        origins = socket.headers.getlist("origin")
        if not origins:
            return True
        host = socket.headers.get("host")
        is_own = len(origins) == 1 and urlsplit(origins[0]).netloc == host
        return len(origins) == 1 and (is_own or self._is_allowed(origins[0]))

    # -- what is done from time to time ---------------------------------------------------------

    def _shared(self) -> SyncContext:
        loop = asyncio.get_running_loop()
        if self._context is None or loop is not self._loop:
            self._loop = loop
            self._backend.reactor.start()
            self._context = SyncContext(
                self._backend,
                self._calls,
                self._authentication,
                self._written,
                LoopWakeups(loop),
            )
            self._wait(loop)
        return self._context

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        clock, alarm = self._backend.runner.store.clock, self._backend.actor.alarm

        def tick() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._tick, loop)

        alarm.call_at(clock.monotonic() + _TICK_SECONDS, tick)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        if not self._sessions:
            self._loop = None  # the next client winds it up again
            return
        self._wait(loop)
        for session in self._sessions:
            session.tick()
        self._ticks += 1
        if self._ticks % _TICKS_PER_FORGETTING == 1:
            task = asyncio.create_task(self._forget())
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _forget(self) -> None:
        try:
            await asyncio.to_thread(forget_old, self._backend.runner)
        except Exception:  # noqa: BLE001 - it is tried again later
            _LOG.exception("old requests of clients could not be forgotten")


async def _close(socket: WebSocket, over: SessionOverError) -> None:
    reason = over.reason.encode("utf-8")[:_REASON_BYTES_MAX].decode("utf-8", "ignore")
    try:
        if over.last:
            await socket.send_text(over.last)
        await socket.close(over.code, reason)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return  # the client was faster


def _joins_chunks(version: str) -> bool:
    """Whether the client takes parts of messages: that of npm does, which names its version."""
    found = re.match(r"(\d{1,5})\.(\d{1,5})\.", version)
    return found is not None and (int(found[1]), int(found[2])) >= _JOINS_CHUNKS
