"""Requests for other hosts are refused, so that no page makes itself one of this server's.

A page elsewhere may let its own name point to this machine, after it was loaded (DNS rebinding).
For the browser it then is of the same origin as the server; the header ``Host`` still tells it.
"""

import re
from collections.abc import Sequence
from typing import Final

from headwater.errors import ArgumentError
from headwater.server.protocol import AsgiApplication, Receive, Scope, Send

_HOST: Final = re.compile(r"([a-z0-9_.-]*[a-z0-9_-]|\[[0-9a-f:.]+\])\.?(?::[0-9]*)?", re.ASCII)
_MISDIRECTED: Final = 421
"""RFC 9110, section 15.5.20."""
_POLICY_VIOLATION: Final = 1008
_MESSAGE: Final = b'{"code":"HostNotAllowed","message":"this server is not for that host"}'


class HostCheck:
    """An application that lets requests for some hosts through to another one.

    Args:
        app: The other one.
        hosts: Names or addresses, as `check_hosts` gives them.
    """

    def __init__(self, app: AsgiApplication, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        else:
            length = str(len(_MESSAGE)).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            start = {"type": "http.response.start", "status": _MISDIRECTED, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": _MESSAGE})

    def _is_allowed(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and _name_in(given[0].decode("latin-1")) in self._hosts


def _name_in(host: str) -> str:
    """The name or address in a header, without its port; empty if there is none."""
    found = _HOST.fullmatch(host.lower())
    return "" if found is None else found[1]


def check_hosts(hosts: Sequence[str]) -> frozenset[str]:
    """Names or addresses, without ports, in lower case.

    Raises:
        ArgumentError: One of them is none.
    """
    return frozenset(map(_checked, hosts))


def _checked(host: str) -> str:
    if not host or _name_in(host) != host.lower():
        raise ArgumentError(
            f"db.asgi(hosts=[{host!r}]): expected a name or an address, as in 'example.com', "
            "'127.0.0.1' or '[::1]', without a scheme and a port"
        )
    return host.lower()
