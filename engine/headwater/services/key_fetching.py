"""Keys of an identity provider, fetched from its address."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from headwater._version import __version__
from headwater.clock import SystemClock
from headwater.limits import MIB

if TYPE_CHECKING:
    from ssl import SSLContext

FETCH_SECONDS: Final = 5.0
"""For each wait on the network, and for the whole body."""
FETCH_BYTES_MAX: Final = MIB
_REDIRECTS_MAX: Final = 3
_PIECE_BYTES: Final = 64 * 1024


def origin_of_address(address: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address.

    Raises:
        ValueError: It is none.
    """
    parts: SplitResult = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else None)


def fetch(address: str, *, context: "SSLContext | None" = None) -> bytes:
    """What is at an address that begins with ``https://``.

    A redirect is followed to the same host and port only, so that a provider cannot have this
    process ask an address of its own network.

    Args:
        address: Where.
        context: Which certificates are trusted; those of the system by default.

    Raises:
        OSError: It could not be fetched in time, or is not there.
        ValueError: It is larger than a mebibyte.
    """
    import ssl
    from urllib.request import HTTPSHandler, ProxyHandler, Request

    opener = _opener(ProxyHandler(), HTTPSHandler(context=context or ssl.create_default_context()))
    headers = {
        "Accept": "application/jwk-set+json, application/json",
        "User-Agent": f"headwater/{__version__}",
    }
    request = Request(address, headers=headers)  # noqa: S310 - the opener knows https alone
    monotonic = SystemClock().monotonic
    deadline = monotonic() + FETCH_SECONDS
    with opener.open(request, timeout=FETCH_SECONDS) as response:
        body = bytearray()
        while piece := response.read1(_PIECE_BYTES):
            body += piece
            if len(body) > FETCH_BYTES_MAX:
                raise ValueError(f"{address} has more than {FETCH_BYTES_MAX:,} bytes")
            if monotonic() > deadline:
                raise TimeoutError(f"{address} takes more than {FETCH_SECONDS:g} s")
        return bytes(body)


def _opener(*handlers: Any) -> Any:
    """An opener that knows https alone: no files, no ftp, no http."""
    from urllib.error import HTTPError
    from urllib.request import (
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        HTTPRedirectHandler,
        OpenerDirector,
        UnknownHandler,
    )

    class SameOrigin(HTTPRedirectHandler):
        max_redirections = _REDIRECTS_MAX

        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            if origin_of_address(newurl) != origin_of_address(req.full_url):
                raise HTTPError(req.full_url, code, "a redirect to another host", headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = OpenerDirector()
    errors = (HTTPDefaultErrorHandler(), HTTPErrorProcessor(), UnknownHandler())
    for handler in (*handlers, SameOrigin(), *errors):
        opener.add_handler(handler)
    return opener
