"""Serving a database over HTTP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwater.errors import ArgumentError
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.server.protocol import AsgiApplication, Identify


class ServingVerbs(Opened):
    """What the world sees."""

    def asgi(
        self,
        *,
        cors: Sequence[str] = (),
        dev: bool = False,
        identify: "Identify | None" = None,
        close_at_end: bool = False,
    ) -> "AsgiApplication":
        """An ASGI application with the HTTP actions and webhooks of the opened modules.

        For a server (``uvicorn``), or to be mounted into Starlette, FastAPI or Django below any
        prefix. It never blocks the event loop. Needs the extra ``headwater[server]``.

        Args:
            cors: Origins, such as ``https://example.com``, whose pages may call it from a browser;
                ``["*"]`` for all of them. None by default.
            dev: Whether errors tell their messages and tracebacks to everybody who asks.
            identify: From the token of ``Authorization: Bearer`` to who has it; for a token that is
                not valid None, or a `TokenInvalidError`. Called on a thread. `Database.identify`
                by default.
            close_at_end: Whether the database is closed when the server ends, if the server tells
                (by the lifespan protocol, which it tells to no application that is mounted).

        Raises:
            ArgumentError: An origin is none.
            ConfigurationMissingError: The secret of a webhook is in no setting.
            ModuleNotFoundError: The extra is not installed.
        """
        if isinstance(cors, str):
            raise ArgumentError(f"db.asgi(cors={cors!r}): expected a list, as in cors=[{cors!r}]")
        try:
            from headwater.server.asgi import application
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("headwater"):
                raise
            raise ModuleNotFoundError(
                f"db.asgi() needs the package {error.name!r}, which is not installed; install the "
                "extra: pip install 'headwater[server]'",
                name=error.name,
            ) from None
        from headwater.server.protocol import Backend, ServerOptions

        backend = Backend(self._runner, self._actor, self.aio, self._services.env, self.close)
        options = ServerOptions(
            identify=identify or self._services.identification.identify,
            is_dev=dev,
            cors=cors,
            closes=close_at_end,
        )
        return application(backend, options)
