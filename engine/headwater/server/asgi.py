"""The ASGI application of a database, put together from its routers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from headwater.errors import ArgumentError
from headwater.functions.routes import METHODS
from headwater.server.protocol import AsgiApplication, Backend, ServerOptions
from headwater.server.routing import HttpRoutes

_CORS_SECONDS: Final = 600


def application(backend: Backend, options: ServerOptions) -> AsgiApplication:
    """What a server serves, or another application mounts.

    Raises:
        ArgumentError: An origin is none.
        ConfigurationMissingError: A webhook's secret is in no setting.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        if options.closes:
            backend.close()

    return Starlette(
        routes=[Mount("", app=HttpRoutes(backend, options))],
        middleware=_middleware(options),
        lifespan=lifespan,
    )


def _middleware(options: ServerOptions) -> list[Middleware]:
    if not options.cors:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=[_origin(origin) for origin in options.cors],
            allow_methods=[*METHODS, "HEAD"],
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=_CORS_SECONDS,
        )
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
