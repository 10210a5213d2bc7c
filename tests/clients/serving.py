"""A server in a child process, which can be cut off, killed and started again on its port."""

from collections.abc import Callable
from pathlib import Path

from tests.processes.children import Child

ADMIN_TOKEN = "an-admin-token-of-the-clients-tests"

SERVER = """
    import asyncio, json, socket, uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles
    from tests.clients import application
    from tests.clients.serving import ADMIN_TOKEN
    from tests.server import served
    from tests.services import filing

    _, _, port, prefix, jwks, page = sys.argv
    listener = socket.create_server(("127.0.0.1", int(port)))
    port = listener.getsockname()[1]
    provider = hw.TokenProvider(
        issuer="https://id.example", audience="clients", jwks=json.loads(jwks), clock_skew_seconds=0
    )
    db = hw.open(
        path,
        modules=[application, served, filing],
        providers=[provider],
        public_origin=f"http://127.0.0.1:{port}{prefix}",
    )
    app = db.asgi(api=True, dev=True, admin_token=ADMIN_TOKEN)
    withholds = threading.Event()

    async def tapped(scope, receive, send):
        # Once told to, it lets the answer to a mutation be lost, and says that it was.
        async def tap(message):
            if withholds.is_set() and '"type":"MutationResponse"' in message.get("text", ""):
                withholds.clear()
                say("withheld")
                await asyncio.Event().wait()
            await send(message)

        await app(scope, receive, tap if scope["type"] == "websocket" else send)

    if prefix:
        from fastapi import FastAPI

        outer = FastAPI()
        outer.mount(prefix, tapped)
    else:
        routes = [Mount("/page", StaticFiles(directory=page))] if page else []
        outer = Starlette(routes=[*routes, Mount("", tapped)])

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            self.loop = asyncio.get_running_loop()
            say(port)

        def drop(self):
            for connection in list(self.server_state.connections):
                if "WebSocket" in type(connection).__name__:
                    connection.transport.abort()

    server = Server(uvicorn.Config(outer, log_level="warning"))

    def obey():
        while order := hear():
            if order == "drop":
                server.loop.call_soon_threadsafe(server.drop)
            elif order == "withhold":
                withholds.set()
                say("withholding")
        server.should_exit = True

    threading.Thread(target=obey, daemon=True).start()
    server.run([listener])
    db.close()
"""


class Served:
    """The server, through all its lives.

    Args:
        start: Starts a child process: from `nursery`.
        path: Of the database.
        jwks: The keys of the provider of identities, as JSON.
        prefix: The path below which a FastAPI application has it; empty for the root.
        page: A folder that is served at ``/page``.
    """

    def __init__(
        self,
        start: Callable[..., Child],
        path: Path,
        jwks: str,
        *,
        prefix: str = "",
        page: Path | None = None,
    ) -> None:
        self._start = start
        self._facts = (path, jwks, prefix, page or "")
        self._port = 0
        self._child = self._born()
        self.url = f"http://127.0.0.1:{self._port}{prefix}"

    def _born(self) -> Child:
        path, *rest = self._facts
        jwks, prefix, page = rest
        child = self._start(SERVER, path, self._port, prefix, jwks, page)
        port = child.hear()
        assert port, child.errors
        self._port = int(port)
        return child

    def drop(self) -> None:
        """Cut every WebSocket off, as a network does that breaks."""
        self._child.tell("drop")

    def withhold(self) -> None:
        """Let the next answer to a mutation be lost; returns when that is arranged."""
        self._child.tell("withhold")
        assert self._child.hear() == "withholding", self._child.errors

    def has_withheld(self) -> None:
        """Wait until an answer was lost, after what it answers was committed."""
        assert self._child.hear() == "withheld", self._child.errors

    def kill(self) -> None:
        """Kill -9."""
        self._child.kill()

    def restart(self) -> None:
        """Start it again, on the same port, after `kill`."""
        self._child = self._born()

    def finish(self) -> None:
        """Let it end by itself, and see that it does so well."""
        self._child.finish()
