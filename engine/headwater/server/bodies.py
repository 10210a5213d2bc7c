"""The body of a request: counted as it comes, and given up when it does not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, TypeAlias

from headwater.clock import Clock
from headwater.errors import ClientGoneError, LimitExceededError, TimeLimitError
from headwater.functions.alarm import Alarm
from headwater.limits import Limits
from headwater.server.exchange import call_from_thread
from headwater.server.protocol import Message, Receive

TimeLimit: TypeAlias = Literal["http_body_seconds", "upload_seconds"]
BodyLimit: TypeAlias = Literal[
    "http_body_bytes", "webhook_body_bytes", "api_body_bytes", "file_bytes"
]


class Body:
    """The body of one request, which can be read once.

    Args:
        receive: Of the server.
        declared_bytes: What its header says; None if it says nothing.
        limits: Bounds of the database.
        limit: The one that counts.
        alarm: Of the database.
        clock: Of the database.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        declared_bytes: int | None,
        limits: Limits,
        limit: BodyLimit,
        alarm: Alarm,
        clock: Clock,
    ) -> None:
        self._receive = receive
        self._declared_bytes = declared_bytes
        self._limits = limits
        self._limit: BodyLimit = limit
        self._time_limit: TimeLimit = (
            "upload_seconds" if limit == "file_bytes" else "http_body_seconds"
        )
        self._alarm = alarm
        self._clock = clock
        self._is_begun = False
        self._ended = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, as they come.

        Raises:
            LimitExceededError: It is too large.
            TimeLimitError: It has not come in time.
            ClientGoneError: The other side has gone before.
        """
        self._is_begun = True
        size = self._declared_bytes or 0
        self._check(size)
        size, deadline = 0, self._clock.monotonic() + self._seconds
        try:
            while not self._ended.is_set():
                message = await self._next(deadline)
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                self._check(size)
                if not message.get("more_body", False):
                    self._ended.set()
                if chunk:
                    yield chunk
        finally:
            self._ended.set()

    async def read(self) -> bytes:
        """All of it. Raises what the iteration raises."""
        return b"".join([chunk async for chunk in self])

    async def receive_afterwards(self) -> Message:
        """What comes after the body; for whoever waits for the other side to go."""
        if self._is_begun:
            await self._ended.wait()
        return await self._receive()

    async def _next(self, deadline: float) -> Message:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as timeout:

                def expire() -> None:
                    call_from_thread(loop, lambda: _expire(timeout, loop))

                number = self._alarm.call_at(deadline, expire)
                try:
                    message = await self._receive()
                finally:
                    self._alarm.cancel(number)
        except TimeoutError:
            seconds = self._seconds
            raise TimeLimitError(
                f"the body of the request has not come within {seconds:g} s, the limit "
                f"{self._time_limit}",
                limit=self._time_limit,
                value=seconds,
                maximum=seconds,
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the other side has gone before all of its request had come")
        return message

    @property
    def _seconds(self) -> float:
        seconds: float = getattr(self._limits, self._time_limit)
        return seconds

    def _check(self, size: int) -> None:
        maximum: int = getattr(self._limits, self._limit)
        if size > maximum:
            raise LimitExceededError(
                f"the body of the request has {size:,} bytes or more, the limit {self._limit} is "
                f"{maximum:,}",
                limit=self._limit,
                value=size,
                maximum=maximum,
            )


def _expire(timeout: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    try:
        timeout.reschedule(loop.time())
    except RuntimeError:  # it has come at the last moment
        return
