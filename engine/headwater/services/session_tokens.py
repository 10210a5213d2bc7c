"""The tokens of sessions: how they are written, and how each follows from the one before.

An access token is 32 random bytes to whoever has not got the refresh token. A refresh token has two
secrets: that of its family, the same in all refresh tokens of a session, and its own. By the first
one a token that was used before is recognized, however old it is, without a list of old tokens.

The next secret is an HMAC of the one before and of a nonce that only the database has: whoever has
a token can have its successor told again, and cannot compute it. The database keeps hashes and the
nonce, so that somebody who reads it cannot use it.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final, NamedTuple, cast

SECRET_BYTES: Final = 32
"""256 bits: nobody guesses them, so a plain hash of them is enough."""

_ACCESS: Final = "hwa_"
_REFRESH: Final = "hwr_"
_TICKET: Final = "hwt_"
_TOKEN: Final = re.compile(r"hw[art]_[A-Za-z0-9_-]{43,86}")


class RefreshSecrets(NamedTuple):
    """What a refresh token is made of.

    Attributes:
        family: The same as long as the session goes on.
        own: Of this token.
    """

    family: bytes
    own: bytes


def is_session_token(token: object) -> bool:
    """Whether something looks like a token of a session, so that scanners may know it too."""
    return isinstance(token, str) and token.startswith((_ACCESS, _REFRESH))


def write_access(secret: bytes) -> str:
    """An access token as it is handed out."""
    return _ACCESS + _encoded(secret)


def read_access(token: str) -> bytes | None:
    """The secret of an access token; None if it is none."""
    return _decoded(token, _ACCESS, SECRET_BYTES)


def write_refresh(secrets: RefreshSecrets) -> str:
    """A refresh token as it is handed out."""
    return _REFRESH + _encoded(secrets.family + secrets.own)


def read_refresh(token: str) -> RefreshSecrets | None:
    """The secrets of a refresh token; None if it is none."""
    both = _decoded(token, _REFRESH, 2 * SECRET_BYTES)
    return None if both is None else RefreshSecrets(both[:SECRET_BYTES], both[SECRET_BYTES:])


def write_ticket(secret: bytes) -> str:
    """A ticket for a code as it is handed out."""
    return _TICKET + _encoded(secret)


def read_ticket(ticket: str) -> bytes | None:
    """The secret of a ticket; None if it is none."""
    return _decoded(ticket, _TICKET, SECRET_BYTES)


def access_of(own: bytes) -> bytes:
    """The access secret that is handed out together with a refresh secret."""
    return hmac.digest(own, b"access", "sha256")


def successor_of(own: bytes, nonce: bytes) -> bytes:
    """The refresh secret that follows one."""
    return hmac.digest(own, b"refresh" + nonce, "sha256")


def digest(secret: bytes) -> bytes:
    """What is kept of a secret."""
    return sha256(secret).digest()


def _encoded(secret: bytes) -> str:
    return urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")


def _decoded(token: str, prefix: str, count: int) -> bytes | None:
    # Whatever a type checker says: tokens come from outside.
    is_text = isinstance(cast("object", token), str)
    if not is_text or not token.startswith(prefix) or _TOKEN.fullmatch(token) is None:
        return None
    text = token.removeprefix(prefix)
    try:
        secret = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    # Of several texts with the same bytes one is the token.
    return secret if len(secret) == count and _encoded(secret) == text else None
