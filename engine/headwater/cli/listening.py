"""A server on a socket: uvicorn, told what to serve, and heard when it is ready."""

import errno
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final

import uvicorn

from headwater.cli.output import refusal
from headwater.server.protocol import AsgiApplication

_BACKLOG: Final = 2048
_ANY_PORT: Final = 0

Hook = Callable[[], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: An address of this machine, or a name of one.
        port: 0 for any that is free.

    Raises:
        HeadwaterError: It is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = ""
        if error.errno == errno.EADDRINUSE:
            hint = "; --port takes another, --port 0 any that is free"
        number = error.errno or 0  # those of names that nobody knows are below 0
        reason = os.strerror(number) if number > 0 else error.strerror
        raise refusal(f"cannot listen on {host}, port {port}: {reason}{hint}") from None


def address_of(listener: socket.socket) -> str:
    """Where a socket can be reached, as an address of the web."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """Serves until it is told to stop: by Ctrl-C, by SIGTERM or by `stop`.

    It finishes the requests that it has, for so long; a second Ctrl-C ends it at once.

    Args:
        application: What it serves.
        grace_seconds: How long it waits for requests to finish.
        begin: Awaited once it listens, before anybody is answered late for it.
        end: Awaited when it has stopped listening.
    """

    def __init__(
        self,
        application: AsgiApplication,
        *,
        grace_seconds: float,
        begin: Hook,
        end: Hook | None = None,
    ) -> None:
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=max(round(grace_seconds), 0),
        )
        super().__init__(config)
        self._begin = begin
        self._end = end

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it is told to stop; returns after SIGTERM, raises after Ctrl-C."""
        # What uvicorn has heard it sends again at its end, to whoever listened before.
        signal.signal(signal.SIGTERM, _go_on)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        await self._begin()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish what was asked."""
        if self._end is not None:
            await self._end()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Stop, as SIGTERM does."""
        self.should_exit = True


def _go_on(_number: int, _frame: FrameType | None) -> None:
    """Let the database be closed."""
