"""A request and its response, between the event loop of a server and the action that answers."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from headwater.errors import ReturnValueError
from headwater.functions.http_messages import Request, Response, SyncRequest, encoded, pieces

_PIECES_AHEAD: Final = 8
"""Pieces of a response that may wait for a slow receiver; the action waits with the next one."""


class Channel:
    """Pieces on their way to one receiver, from a task or a thread. Made on its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._places = threading.Semaphore(_PIECES_AHEAD)
        self._pieces: deque[bytes] = deque()
        self._room = asyncio.Event()
        self._news = asyncio.Event()
        self._is_ended = False
        self._is_closed = False

    async def put(self, piece: bytes) -> bool:
        """Hand over a piece; False if nobody takes it any more."""
        while len(self._pieces) >= _PIECES_AHEAD and not self._is_closed:
            self._room.clear()
            await self._room.wait()
        if not self._is_closed:
            self._add(piece)
        return not self._is_closed

    def put_from_thread(self, piece: bytes) -> bool:
        """Hand over a piece from a thread; False if nobody takes it any more."""
        self._places.acquire()
        if self._is_closed:
            self._places.release()
        return not self._is_closed and call_from_thread(self._loop, lambda: self._add(piece))

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._news.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._is_ended = True
        self._news.set()

    def close(self) -> None:
        """Nobody takes more."""
        self._is_closed = True
        self._room.set()
        self._places.release()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, until the end."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._room.set()
                self._places.release()
                yield piece
            if self._is_ended:
                return
            self._news.clear()
            await self._news.wait()


class HttpExchange:
    """One request and its response. Made on the event loop of the server.

    Attributes:
        request: For an action that is a task.
        sync_request: For one that is a thread.
        answered: The response, once there is one; its pieces may still be coming.
        channel: The pieces of a response that is sent as it comes.
    """

    def __init__(self, request: Request, sync_request: SyncRequest) -> None:
        self.request: Request = request
        self.sync_request: SyncRequest = sync_request
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Response] = self._loop.create_future()
        self.channel: Channel = Channel()

    async def respond(self, response: Response) -> None:
        """Send the response; returns when all of it is taken, or nobody takes it any more."""
        coming = pieces(response.content)
        self._answer(response)
        if coming is None:
            return
        try:
            if isinstance(coming, AsyncIterator):
                async for piece in coming:
                    if not await self.channel.put(encoded(piece)):
                        break
            else:
                for piece in coming:
                    if not await self.channel.put(encoded(piece)):
                        break
        finally:
            await _close(coming)

    def respond_sync(self, response: Response) -> None:
        """The same from a thread.

        Raises:
            ReturnValueError: Its pieces come from an async iterator.
        """
        coming = pieces(response.content)
        if isinstance(coming, AsyncIterator):
            raise ReturnValueError(
                "an HTTP action that is a plain def answers with bytes, text or a plain iterator; "
                "make it an async def to answer with an async iterator"
            )
        is_heard = call_from_thread(self._loop, lambda: self._answer(response))
        if coming is None:
            return
        try:
            for piece in coming if is_heard else ():
                if not self.channel.put_from_thread(encoded(piece)):
                    break
        finally:
            close = getattr(coming, "close", None)
            if close is not None:
                close()

    def _answer(self, response: Response) -> None:
        if not self.answered.done():
            self.answered.set_result(response)


def call_from_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> bool:
    """Call back on an event loop; False if it is closed."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return False
    return True


async def _close(coming: object) -> None:
    """Let a generator that is not taken to its end run its ``finally`` blocks now."""
    if (aclose := getattr(coming, "aclose", None)) is not None:
        await aclose()
    elif (close := getattr(coming, "close", None)) is not None:
        close()
