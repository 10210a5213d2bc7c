"""What the page is told as it happens: one WebSocket for the log, or for one query.

The first message says who it is, by the admin token, and what is to be followed; everything after
that comes from the server. What is slow to take its messages holds nobody up, and is told less.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from headwater.dashboard.admission import Admission
from headwater.dashboard.answering import told, written_text
from headwater.dashboard.asked import Asked, asked_by_text
from headwater.errors import ClosedError, HeadwaterError, RequestInvalidError
from headwater.server.protocol import Backend
from headwater.server.refusals import RefusalError, refusal_of

Following: TypeAlias = Callable[[Asked], AsyncGenerator[Any]]
"""What is told of something, as long as somebody listens."""

_LOG: Final = logging.getLogger("headwater.server")
_FIRST_MESSAGE_SECONDS: Final = 10
_REQUEST_ID_BYTES: Final = 8
_POLICY_VIOLATION: Final = 1008
_GOING_AWAY: Final = 1001
_TRY_AGAIN: Final = 1013
_INTERNAL_ERROR: Final = 1011
_REFUSED: Final = 4400


class LiveEndpoint:
    """Takes the connections of the page.

    Args:
        backend: The database.
        admission: Lets administrators in.
        following: What can be followed, by name.
        is_dev: Whether errors of the inside are told.
    """

    def __init__(
        self,
        backend: Backend,
        admission: Admission,
        following: dict[str, Following],
        *,
        is_dev: bool,
    ) -> None:
        self._backend = backend
        self._admission = admission
        self._following = following
        self._is_dev = is_dev
        self._count = 0

    def route(self, path: str) -> BaseRoute:
        """Where it is."""
        return WebSocketRoute(path, self._connect)

    async def _connect(self, socket: WebSocket) -> None:
        if not _is_own(socket):
            await socket.close(_POLICY_VIOLATION)  # which refuses the handshake with 403
            return
        await socket.accept()
        if self._count >= self._backend.runner.store.limits.client_connections:
            await socket.close(_TRY_AGAIN)
            return
        self._count += 1
        try:
            await self._answer(socket)
        finally:
            self._count -= 1

    async def _answer(self, socket: WebSocket) -> None:
        try:
            await self._talk(socket)
        except (WebSocketDisconnect, ConnectionError, TimeoutError):
            await _close(socket, _POLICY_VIOLATION)
        except ClosedError:
            await _close(socket, _GOING_AWAY)
        except (RefusalError, HeadwaterError) as error:
            await self._refuse(socket, error)
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _LOG.exception("a connection of the dashboard failed")
            await _close(socket, _INTERNAL_ERROR)

    async def _talk(self, socket: WebSocket) -> None:
        store = self._backend.runner.store
        async with asyncio.timeout(_FIRST_MESSAGE_SECONDS):
            text = await _receive(socket, store.limits.client_message_bytes)
        asked = await asked_by_text(text, store.clock.secret(_REQUEST_ID_BYTES).hex())
        address = socket.client.host if socket.client is not None else ""
        self._admission.admit(address, asked.text("token", ""))
        follow = self._following[asked.one_of("follow", tuple(self._following), "")]
        telling = asyncio.create_task(_tell(socket, follow(asked)))
        leaving = asyncio.create_task(_until_gone(socket))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)
        if not telling.cancelled():
            telling.result()
            raise ClosedError("the database is closing")

    async def _refuse(self, socket: WebSocket, error: RefusalError | HeadwaterError) -> None:
        shown = told(error) if isinstance(error, HeadwaterError) else error
        refusal = refusal_of(shown, is_dev=self._is_dev)
        facts = {"refused": refusal.code, "message": str(refusal), "status": refusal.status.value}
        try:
            await socket.send_text(written_text(facts))
        except (WebSocketDisconnect, RuntimeError, OSError):
            return
        await _close(socket, _REFUSED)


def _is_own(socket: WebSocket) -> bool:
    """Whether it is a page of this server; other programs name no origin."""
    origins = socket.headers.getlist("origin")
    host = socket.headers.get("host")
    return not origins or (len(origins) == 1 and urlsplit(origins[0]).netloc == host)


async def _receive(socket: WebSocket, bytes_max: int) -> bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text: str | None = message.get("text")
    if text is None:
        raise RequestInvalidError("the first message: expected text")
    coded = text.encode("utf-8", "surrogatepass")
    if len(coded) > bytes_max:
        raise RequestInvalidError("the first message is larger than the limit client_message_bytes")
    return coded


async def _tell(socket: WebSocket, pieces: AsyncGenerator[Any]) -> None:
    try:
        async for piece in pieces:
            await socket.send_text(await asyncio.to_thread(written_text, piece))
    finally:
        await pieces.aclose()


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # the page has nothing more to say


async def _close(socket: WebSocket, code: int) -> None:
    try:
        await socket.close(code)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return  # the page was faster
