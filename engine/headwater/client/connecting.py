"""`headwater.connect`: the way to a database that another process serves."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.client.client import Client


def connect(
    url: str,
    *,
    modules: Iterable[ModuleType | str] | None = None,
    token: str | Callable[[], str] | None = None,
    admin_token: str | None = None,
    timeout_seconds: float | None = 30.0,
) -> "Client":
    """Connect to a database that another process serves: ``hw.connect("http://127.0.0.1:3210")``.

    What is returned has the verbs of an open database, so that code which was written for one works
    with the other: ``query``, ``mutate``, ``act``, ``call``, ``watch``, ``watch_all`` and ``aio``.
    Values come back exactly as they are. Needs the extra ``headwater[client]``.

    Args:
        url: Of the server, with the prefix below which it is mounted.
        modules: Those that the server has opened, as for `headwater.open`: needed only for modules
            of packages, whose paths depend on where the package begins, and for ``call`` without
            ``kind``.
        token: Who calls: a token that the server's ``identify`` knows, or a function that gives a
            fresh one for each connection, called on a thread. Nobody by default.
        admin_token: The server's admin token, to call internal functions too.
        timeout_seconds: How long to wait for the server now, and for the answer to each call; None
            to wait for answers for ever.

    Raises:
        ArgumentError: It is no address of a server.
        ServerGoneError: No server was reached in time.
        TokenInvalidError: It refuses the token.
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from headwater.client.client import open_client
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("headwater"):
            raise
        raise ModuleNotFoundError(
            f"hw.connect() needs the package {error.name!r}, which is not installed; install the "
            "extra: pip install 'headwater[client]'",
            name=error.name,
        ) from None
    return open_client(
        url,
        modules=modules,
        token=token,
        admin_token=admin_token,
        timeout_seconds=timeout_seconds,
    )
