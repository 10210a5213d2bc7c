"""Serving a database over HTTP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwater.errors import ArgumentError
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.server.protocol import AsgiApplication, Identify


class ServingVerbs(Opened):
    """What the world sees."""

    def asgi(  # noqa: PLR0913 - each option is of its own, and given by name
        self,
        *,
        api: bool = False,
        openapi: bool | None = None,
        cors: Sequence[str] = (),
        hosts: Sequence[str] = (),
        dev: bool = False,
        identify: "Identify | None" = None,
        admin_token: str | None = None,
        dashboard: bool = False,
        close_at_end: bool = False,
    ) -> "AsgiApplication":
        """An ASGI application with the HTTP actions and webhooks of the opened modules.

        For a server (``uvicorn``), or to be mounted into Starlette, FastAPI or Django below any
        prefix. It never blocks the event loop. Needs the extra ``headwater[server]``.

        Args:
            api: Whether clients of Convex are answered below ``/api``: then everybody may call
                every public function, and who may do what is up to the functions and to the rules
                of the tables. Off by default, because an application that only wants its webhooks
                answered has perhaps never thought of its functions as public.
            openapi: Whether ``/api/openapi.json`` describes the public functions to everybody; by
                default in dev mode.
            cors: Origins, such as ``https://example.com``, whose pages may call it from a browser;
                ``["*"]`` for all of them. None by default.
            hosts: Names and addresses that requests may be for, such as ``localhost``; by default
                any. A server on this machine's own addresses that asks nobody for a token needs it:
                a page elsewhere can let its name point there.
            dev: Whether errors tell their messages and tracebacks to everybody who asks, functions
                tell what they log, and pages of this machine may call.
            identify: From the token of ``Authorization: Bearer`` to who has it, an `Identity`, or
                a `VerifiedToken` if it ends some time; for a token that is not valid None, or a
                `TokenInvalidError`. Called on a thread. `Database.verify_token` by default.
            admin_token: What administrators show (``Authorization: Convex <token>``), who may call
                internal functions and act as anybody: printable ASCII of at least 16 characters.
                There are none by default.
            dashboard: Whether administrators find a page below ``/_dashboard`` that shows and
                changes everything. Off by default; needs an admin token.
            close_at_end: Whether the database is closed when the server ends, if the server tells
                (by the lifespan protocol, which it tells to no application that is mounted).

        Raises:
            ArgumentError: An origin or host is none, the admin token is no secret, or there is
                none for the dashboard.
            ConfigurationMissingError: The secret of a webhook is in no setting.
            ModuleNotFoundError: The extra is not installed.
        """
        if openapi and not api:
            raise ArgumentError("db.asgi(openapi=True): there is nothing to describe; add api=True")
        for name, given in (("cors", cors), ("hosts", hosts)):
            if isinstance(given, str):
                raise ArgumentError(
                    f"db.asgi({name}={given!r}): expected a list, as in {name}=[{given!r}]"
                )
        if dashboard and admin_token is None:
            raise ArgumentError(
                "db.asgi(dashboard=True): expected an admin token, without which nobody can sign "
                "in: db.asgi(dashboard=True, admin_token=...)"
            )
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
        from headwater.services.storage import Storage

        backend = Backend(
            runner=self._runner,
            actor=self._actor,
            calls=self.aio,
            reactor=self._watching(),
            settings=self._services.env,
            close=self.close,
            is_closed=lambda: self._is_closed,
            file_urls=lambda: Storage(self._services.files).urls,
        )
        options = ServerOptions(
            identify=identify or self._services.identification.verify,
            is_dev=dev,
            cors=cors,
            hosts=hosts,
            closes=close_at_end,
            has_api=api,
            has_openapi=dev if openapi is None else openapi,
            admin_token=admin_token,
        )
        if not dashboard:
            return application(backend, options)
        from headwater.dashboard.routes import dashboard_routes

        return application(backend, options, dashboard_routes(backend, self.aio, options))
