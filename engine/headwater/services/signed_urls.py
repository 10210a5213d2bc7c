"""URLs that are good for one thing and one time, and nobody else can make.

The signature is HMAC-SHA256 (RFC 2104) over the method, the id, the second from which on the URL is
not good any more, and the uuid of the database, a line each; none of them can have a line break. A
URL is read as it was written, letter by letter: one that says the same in another way is refused.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.errors import UrlRefusedError

Method: TypeAlias = Literal["GET", "POST"]

READ_PREFIX: Final = "/api/storage/"
UPLOAD_PREFIX: Final = "/api/storage/upload/"

_PREFIX: Final[dict[Method, str]] = {"GET": READ_PREFIX, "POST": UPLOAD_PREFIX}
_ID: Final = r"([0-9a-z]{16,64})"
_QUERY: Final = re.compile(r"expires=([1-9][0-9]{0,11})&signature=([0-9a-f]{64})", re.ASCII)
_PATHS: Final[dict[Method, re.Pattern[str]]] = {
    method: re.compile(re.escape(prefix) + _ID, re.ASCII) for method, prefix in _PREFIX.items()
}


class SignedUrl(NamedTuple):
    """What a URL says.

    Attributes:
        id: The file, or the upload.
        expires: Seconds since the epoch from which on it is not good any more.
        signature: As given.
    """

    id: str
    expires: int
    signature: str


def sign(key: bytes, method: Method, id: str, expires: int, uuid: str) -> str:
    """The signature, in hexadecimal digits."""
    said = f"{method}\n{id}\n{expires}\n{uuid}"
    return hmac.new(key, said.encode("ascii"), hashlib.sha256).hexdigest()


def url_of(key: bytes, method: Method, id: str, expires: int, uuid: str) -> str:
    """A path with its query."""
    signature = sign(key, method, id, expires, uuid)
    return f"{_PREFIX[method]}{id}?expires={expires}&signature={signature}"


def parse(method: Method, path: str, query: str) -> SignedUrl:
    """Read a URL.

    Args:
        method: What is to be done.
        path: As the client has sent it, with its percent signs.
        query: What follows the question mark, as sent.

    Raises:
        UrlRefusedError: None like it is made here.
    """
    place, said = _PATHS[method].fullmatch(path), _QUERY.fullmatch(query)
    if place is None or said is None:
        raise UrlRefusedError(
            "the URL is not one that was given out for this: expected it letter by letter as "
            "ctx.storage.url() or generate_upload_url() has made it",
            reason="malformed",
        )
    return SignedUrl(place[1], int(said[1]), said[2])


def check(url: SignedUrl, method: Method, keys: Iterable[bytes], uuid: str, now: int) -> None:
    """Refuse a URL that is not good. Takes the same time for every wrong signature.

    Args:
        url: The URL.
        method: What is to be done.
        keys: Those whose signatures are good.
        uuid: Of the database.
        now: Seconds since the epoch.

    Raises:
        UrlRefusedError: It is for something else or expired.
    """
    is_good = False
    for key in keys:
        wanted = sign(key, method, url.id, url.expires, uuid)
        is_good |= hmac.compare_digest(wanted, url.signature)
    if not is_good:
        raise UrlRefusedError(
            "the signature of the URL is not good: it was made for something else, or with a key "
            "that is gone; ask for a new URL",
            reason="signature",
        )
    if now >= url.expires:
        raise UrlRefusedError("the URL has expired; ask for a new one", reason="expired")
