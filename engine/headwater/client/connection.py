"""The connection to a server, on a thread of its own: made again whenever it breaks."""

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from headwater.client.conversation import (
    Conversation,
    Credentials,
    Done,
    ProtocolBrokenError,
    RefusedError,
)
from headwater.clock import Clock
from headwater.errors import RemoteCallError, ServerGoneError, TokenInvalidError

Credential = Callable[[], Credentials | None]
"""What to show at each connection; may block, as it is called on a thread."""

_LOG: Final = logging.getLogger("headwater.client")
_FIRST_DELAY_SECONDS: Final = 0.1
_DELAY_SECONDS_MAX: Final = 15.0
_REFUSALS_MAX: Final = 2
"""A token may have ended a moment ago; one that is fresh and refused again is not good."""


class Connection:
    """Keeps one conversation going until it is closed.

    Args:
        address: Of the server's WebSocket.
        conversation: What is said and heard; only this thread uses it from now on.
        credential: What to show.
        clock: For the randomness of delays.
    """

    def __init__(
        self, address: str, conversation: Conversation, credential: Credential, clock: Clock
    ) -> None:
        self._address = address
        self._conversation = conversation
        self._credential = credential
        self._random = random.Random(clock.seed())  # noqa: S311 - it spreads delays
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._first: Future[None] = Future()
        self._end: Exception | None = None
        self._refusals = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="headwater-client", daemon=True)

    def start(self, timeout_seconds: float) -> None:
        """Connect for the first time.

        Raises:
            ServerGoneError: The server has not been reached in time.
            TokenInvalidError: It refuses the credentials.
        """
        self._thread.start()
        try:
            self._first.result(timeout_seconds)
        except TimeoutError:
            self.close()
            raise ServerGoneError(
                f"{self._address}: no server was reached within {timeout_seconds:g} s; is it "
                "running, and is this its address?"
            ) from None

    def do(self, action: Callable[[Conversation], None]) -> None:
        """Have something done on the thread of the conversation.

        Raises:
            Exception: Why it has ended.
        """
        if self._end is not None:
            raise self._end

        def run() -> None:
            if self._end is None:
                action(self._conversation)
                self._news.set()

        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            self._loop.call_soon_threadsafe(run)

    def do_if_open(self, action: Callable[[Conversation], None]) -> None:
        """The same, for what has no meaning any more once it has ended."""
        if self._end is None:
            self.do(action)

    def ask(self, begin: Callable[[Conversation, Done], None]) -> "Future[Any]":
        """Begin something that is answered once."""
        future: Future[Any] = Future()

        def done(value: Any, error: Exception | None) -> None:
            with contextlib.suppress(InvalidStateError):  # nobody waits any more
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(value)

        self.do(lambda conversation: begin(conversation, done))
        return future

    def close(self) -> None:
        """End it; what waits is told so."""
        self._stop(ServerGoneError("the client was closed; connect again"))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _stop(self, error: Exception) -> None:
        def stop() -> None:
            if self._end is None:
                self._end = error
                self._conversation.end(error)
            if self._task is not None:
                self._task.cancel()

        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(stop)

    # -- on its thread --------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._task = self._loop.create_task(self._keep())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _keep(self) -> None:
        failures = 0
        while self._end is None:
            try:
                credentials = await asyncio.to_thread(self._credential)
                async with connect(self._address, max_size=None) as socket:
                    failures = 0
                    await self._talk(socket, credentials)
            except RefusedError as error:
                self._refused(error)
            except ProtocolBrokenError as error:
                self._give_up(RemoteCallError(f"{self._address}: {error}"))
            except (OSError, TimeoutError, WebSocketException) as error:
                _LOG.info("%s: %s", self._address, error)
            except Exception as error:  # noqa: BLE001 - the application's credential, say
                self._give_up(error)
            finally:
                self._conversation.broke()
            if self._end is None:
                await asyncio.sleep(self._delay(failures))
                failures += 1

    async def _talk(self, socket: ClientConnection, credentials: Credentials | None) -> None:
        self._conversation.begin(credentials)
        self._news.set()
        writing = asyncio.create_task(self._write(socket))
        try:
            async for text in socket:
                self._conversation.hear(text if isinstance(text, str) else text.decode("utf-8"))
                self._heard()
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, WebSocketException):
                await writing

    def _heard(self) -> None:
        self._refusals = 0
        if self._conversation.outgoing:
            self._news.set()
        if not self._first.done():
            self._first.set_result(None)

    async def _write(self, socket: ClientConnection) -> None:
        outgoing = self._conversation.outgoing
        while True:
            await self._news.wait()
            self._news.clear()
            while outgoing:
                await socket.send(outgoing.popleft())

    def _refused(self, error: RefusedError) -> None:
        self._refusals += 1
        if self._refusals >= _REFUSALS_MAX:
            self._give_up(TokenInvalidError(f"{self._address}: {error}", reason="session"))

    def _give_up(self, error: Exception) -> None:
        self._end = error
        self._conversation.end(error)
        if not self._first.done():
            self._first.set_exception(error)

    def _delay(self, failures: int) -> float:
        """Seconds until the next attempt: twice as many each time, spread by half."""
        seconds = min(_FIRST_DELAY_SECONDS * 2.0**failures, _DELAY_SECONDS_MAX)
        return seconds * (0.5 + self._random.random())
