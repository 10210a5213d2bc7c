"""uvicorn on a port of this machine, on a thread of the test."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

PATIENCE_SECONDS = 60
"""Not a measure of anything: a server that hangs must fail the test and not stop the suite."""


class _Server(uvicorn.Server):
    """Tells when it is there, and does not touch the signals of the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_there = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_there.set()


@contextmanager
def serving(app: Any, port: int = 0) -> Generator[int]:
    """Serve an application; gives the port, which is a free one unless it is said."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert server.is_there.wait(PATIENCE_SECONDS), "the server has not started"
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listener.close()


def talk(port: int, sent: bytes, *, ends: bool) -> bytes:
    """Send bytes, and read what comes back until the server closes the connection.

    Args:
        port: Of the server.
        sent: All that is sent.
        ends: Whether this side ends then, too, because the server waits for more.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has refused before it had read all
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received
