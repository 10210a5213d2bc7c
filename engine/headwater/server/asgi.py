"""The ASGI application of a database, put together from its routers."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount

from headwater.errors import ArgumentError
from headwater.functions.routes import METHODS
from headwater.server.api import Entrance
from headwater.server.api_files import FileEndpoints
from headwater.server.api_functions import FunctionEndpoints
from headwater.server.api_versions import version_routes
from headwater.server.attempts import attempts_of
from headwater.server.authentication import Authentication
from headwater.server.client_calls import ClientCalls
from headwater.server.hosts import HostCheck, check_hosts
from headwater.server.openapi import OpenApi
from headwater.server.protocol import AsgiApplication, Backend, ServerOptions
from headwater.server.routing import HttpRoutes
from headwater.server.sync_endpoint import SyncEndpoint

_CORS_SECONDS: Final = 600
_LOCAL_ORIGIN: Final = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
"""A page that is served by the developer's own machine."""


def application(
    backend: Backend, options: ServerOptions, more: Sequence[BaseRoute] = ()
) -> AsgiApplication:
    """What a server serves, or another application mounts.

    Args:
        backend: The database.
        options: How it behaves.
        more: Routes that come before all others, and that pages of other origins never reach.

    Raises:
        ArgumentError: An origin or host is none, or the admin token is no secret.
        ConfigurationMissingError: A webhook's secret is in no setting.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        if options.closes:
            backend.close()

    api = _api_routes(backend, options) if options.has_api else []
    routes: list[BaseRoute] = [*api, Mount("", app=HttpRoutes(backend, options))]
    if cors := _cors(options):
        routes = [Mount("", routes=routes, middleware=cors)]
    return Starlette(routes=[*more, *routes], middleware=_checks(options), lifespan=lifespan)


def _api_routes(backend: Backend, options: ServerOptions) -> list[BaseRoute]:
    """What clients of Convex speak to; these paths come before those of the application."""
    authentication = Authentication(options.identify, options.admin_token, attempts_of(backend))
    calls = ClientCalls(backend, is_dev=options.is_dev)
    entrance = Entrance(backend, authentication, is_dev=options.is_dev)
    sync = SyncEndpoint(backend, calls, authentication, partial(_is_allowed, options))
    described = OpenApi(entrance).routes() if options.has_openapi else []
    return [
        *described,
        *FunctionEndpoints(entrance, calls).routes(),
        *FileEndpoints(entrance).routes(),
        *version_routes(entrance),
        *sync.routes(),
    ]


def _is_allowed(options: ServerOptions, origin: str) -> bool:
    """Whether pages of an origin may call the application."""
    is_local = options.is_dev and re.fullmatch(_LOCAL_ORIGIN, origin) is not None
    return is_local or origin in options.cors or "*" in options.cors


def _checks(options: ServerOptions) -> list[Middleware]:
    hosts = check_hosts(options.hosts)
    return [Middleware(HostCheck, hosts=hosts)] if hosts else []


def _cors(options: ServerOptions) -> list[Middleware]:
    if not (options.cors or options.is_dev):
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=[_origin(origin) for origin in options.cors],
            allow_origin_regex=_LOCAL_ORIGIN if options.is_dev else None,
            allow_methods=[*METHODS, "HEAD"],
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=_CORS_SECONDS,
        ),
    ]


def _origin(origin: str) -> str:
    """An origin as browsers send it."""
    if origin != "*":
        parts = urlsplit(origin)
        if f"{parts.scheme}://{parts.netloc}" != origin or not parts.netloc:
            raise ArgumentError(
                f"db.asgi(cors=[{origin!r}]): expected an origin such as 'https://example.com', "
                "without a path, or '*' for every page"
            )
    return origin
