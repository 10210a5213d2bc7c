"""Serving a database: ``headwater serve`` for users, ``headwater dev`` for who writes it."""

import asyncio
import logging
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headwater.cli.application import RUNNING, STOPPED, Create, application, check_exists
from headwater.cli.opening import OpenWith
from headwater.cli.output import refusal, say
from headwater.cli.serving_options import (
    PORT,
    AdminTokenFile,
    Api,
    Cors,
    Host,
    Hosts,
    Port,
    PublicOrigin,
    ServingOptions,
    admin_token_of,
)
from headwater.cli.sources import DatabaseOption, Modules, default_database, find_source
from headwater.cli.tokens import new_token

if TYPE_CHECKING:
    from headwater.cli.workers import Work

_LOOPBACK: Final = "127.0.0.1"
_LOCAL: Final = (_LOOPBACK, "::1", "localhost")
_LOCAL_NAMES: Final = (_LOOPBACK, "[::1]", "localhost")
_WORKERS_MAX: Final = 64
_DEV_GRACE_SECONDS: Final = 3.0


@application.command(rich_help_panel=RUNNING)
def serve(
    modules: Modules,
    database: DatabaseOption = None,
    open_with: OpenWith = None,
    host: Host = _LOOPBACK,
    port: Port = PORT,
    workers: Annotated[
        int, typer.Option(min=1, max=_WORKERS_MAX, help="Processes that serve it together.")
    ] = 1,
    api: Api = True,
    cors: Cors = None,
    allow_host: Hosts = None,
    admin_token_file: AdminTokenFile = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Show the database to administrators.")
    ] = False,
    public_origin: PublicOrigin = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that requests may take to finish at the end.")
    ] = 30.0,
    create: Create = False,
) -> None:
    """Serve an application. SIGTERM and Ctrl-C finish what was asked, and end it."""
    path = database or default_database(find_source(modules))
    check_exists(path, create=create)
    options = ServingOptions(
        api=api,
        cors=tuple(cors or ()),
        hosts=tuple(allow_host or ()),
        admin_token=admin_token_of(admin_token_file),
        public_origin=public_origin,
        dashboard=dashboard,
    )
    if dashboard and options.admin_token is None:
        raise refusal(
            "--dashboard: nobody could sign in; expected --admin-token-file, with a token as "
            "headwater token makes one"
        )
    log_to_stderr()
    with _server_needed("serve"):
        from headwater.cli.workers import Work

        work = Work(
            modules=modules,
            database=path,
            open_with=open_with,
            options=options,
            grace_seconds=grace,
        )
        _serve(work, host, port, workers)


@application.command(rich_help_panel=RUNNING)
def dev(
    modules: Modules,
    database: DatabaseOption = None,
    open_with: OpenWith = None,
    host: Host = _LOOPBACK,
    port: Port = PORT,
    cors: Cors = None,
    allow_host: Hosts = None,
    admin_token_file: AdminTokenFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show each call.")] = False,
) -> None:
    """Serve an application while you write it: changes are taken over, errors are shown.

    Makes the database if there is none. Clients get the messages and tracebacks of errors.
    """
    source = find_source(modules)
    path = database or default_database(source)
    given = admin_token_of(admin_token_file)
    options = ServingOptions(
        cors=tuple(cors or ()),
        # Or a page elsewhere could let its name point here, and call what asks for no token.
        hosts=tuple(allow_host or (_LOCAL_NAMES if host in _LOCAL else ())),
        admin_token=given or new_token(),
        dashboard=True,
        dev=True,
    )
    with _server_needed("dev"):
        from headwater.cli.developing import Development
        from headwater.cli.listening import address_of, listen

        with listen(host, port) as listener:
            if host not in _LOCAL:
                say(f"anybody who can reach {host} can read what errors tell")
            url = address_of(listener)
            shown = "your admin token" if given else options.admin_token
            ready = (
                f"{modules} with {path} is served at {url}\n"
                f"the dashboard is at {url}/_dashboard/ for {shown}"
            )
            Development(source, path, open_with, options, is_quiet=quiet).run(
                listener, ready, grace_seconds=_DEV_GRACE_SECONDS
            )


def _serve(work: "Work", host: str, port: int, workers: int) -> None:
    from headwater.cli.listening import address_of, listen
    from headwater.cli.workers import Workers, serve_here

    with listen(host, port) as listener:
        ready = f"{work.modules} with {work.database} is served at {address_of(listener)}"

        def tell() -> None:
            say(ready)
            sys.stdout.flush()

        if workers == 1:
            serve_here(work, listener, tell)
            return
        work.open().close()  # tables are made, and errors told, once
        ended_by = asyncio.run(Workers(work, workers, listener, tell).run())
        if ended_by == signal.SIGINT:
            raise typer.Exit(STOPPED)


@contextmanager
def _server_needed(command: str) -> Generator[None]:
    """Say which extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("headwater"):
            raise
        raise refusal(
            f"headwater {command} needs the package {error.name!r}, which is not installed; "
            "install the extra: pip install 'headwater[cli,server]'"
        ) from None


def log_to_stderr() -> None:
    """Write what is worth knowing of the server and of functions to standard error."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
