"""Who sends a request: by its header ``Authorization``."""

import asyncio
import hashlib
import hmac
from base64 import b64decode
from binascii import Error as NotBase64Error
from http import HTTPStatus
from typing import Any, Final, cast

from headwater.errors import ArgumentError, RequestInvalidError, TokenInvalidError
from headwater.functions.http_messages import read_json
from headwater.functions.identity import Identity, current_identity
from headwater.server.attempts import Attempts
from headwater.server.client_calls import Caller
from headwater.server.protocol import Identify
from headwater.server.refusals import RefusalError
from headwater.server.wire_values import from_wire
from headwater.services.tokens import VerifiedToken

_TOKEN_CHARACTERS_MIN: Final = 16
_OF_THE_IDENTITY: Final = ("subject", "issuer", "tokenIdentifier")


class Authentication:
    """Recognizes callers.

    Args:
        identify: From a bearer token to who has it.
        admin_token: What administrators have to show; None if there are none.
        attempts: Counts wrong admin tokens.

    Raises:
        ArgumentError: The admin token is too short to be a secret, or cannot be sent.
    """

    def __init__(
        self, identify: Identify | None, admin_token: str | None, attempts: Attempts
    ) -> None:
        self._identify = identify
        self._attempts = attempts
        self._admin = None if admin_token is None else _hash(_checked(admin_token))

    async def caller(self, headers: list[str], address: str) -> Caller:
        """Who sends a request.

        Args:
            headers: All its headers ``Authorization``. Without any, it is whoever a middleware
                around the application says.
            address: Where it comes from; empty if nobody knows.

        Raises:
            RefusalError: A token is not valid. It counts for more than none: whoever has sent it
                does not expect to be nobody.
            TokenKeysUnavailableError: It cannot be verified now.
        """
        if not headers:
            return Caller(current_identity())
        scheme, _, credentials = headers[0].strip().partition(" ")
        credentials = credentials.strip()
        if len(headers) == 1 and credentials:
            if scheme.lower() == "bearer":
                return await self.bearer(credentials)
            if scheme.lower() == "convex":
                key, _, coded = credentials.partition(":")
                identity = _read_identity(coded) if coded else None
                return self.administrator(key, identity, address=address)
        raise _refused(
            "InvalidAuthHeader",
            "expected one header Authorization, as in 'Bearer <token>' or 'Convex <admin key>'",
        )

    async def bearer(self, token: str) -> Caller:
        """Who has a token of an identity provider or of a session.

        Raises:
            RefusalError: It is not valid.
            TokenKeysUnavailableError: It cannot be verified now.
        """
        found: Identity | VerifiedToken | None = None
        try:
            if self._identify is not None:
                found = await asyncio.to_thread(self._identify, token)
        except TokenInvalidError as error:
            raise _refused("InvalidAuthHeader", f"the token is not valid: {error.reason}") from None
        if found is None:
            raise _refused("InvalidAuthHeader", "the token is not valid")
        if isinstance(found, VerifiedToken):
            return Caller(found.identity, expires_at=found.expires_at, session=found.session)
        return Caller(found)

    def administrator(self, key: str, identity: Identity | None = None, *, address: str) -> Caller:
        """An administrator, who acts as somebody or as nobody.

        Args:
            key: What is shown.
            identity: As whom to act.
            address: Where it comes from.

        Raises:
            RefusalError: The key is not the admin token, there is none, or the address has guessed
                too often.
        """
        self._attempts.check(address)
        # Hashes are compared, so that the time tells neither a letter nor the length.
        if self._admin is None or not hmac.compare_digest(self._admin, _hash(key)):
            self._attempts.failed(address)
            raise _refused("BadDeployKey", "the admin key is not that of this server")
        return Caller(identity, is_admin=True)


def identity_from_json(facts: Any) -> Identity:
    """The identity that an administrator acts as.

    Args:
        facts: As parsed from JSON: ``subject``, ``issuer`` and claims.

    Raises:
        RefusalError: It is none.
    """
    try:
        named = cast("dict[str, Any]", from_wire(facts))
        claims = {name: claim for name, claim in named.items() if name not in _OF_THE_IDENTITY}
        return Identity(named["subject"], named.get("issuer", "local"), claims)
    except (RequestInvalidError, ArgumentError, AttributeError, KeyError, TypeError):
        raise _refused(
            "InvalidAuthHeader",
            "the identity to act as: expected an object with a subject, and perhaps an issuer and "
            "claims",
        ) from None


def _read_identity(coded: str) -> Identity:
    try:
        return identity_from_json(read_json(b64decode(coded, validate=True)))
    except (NotBase64Error, RequestInvalidError, ValueError):
        raise _refused(
            "InvalidAuthHeader", "the identity to act as: expected base64 of JSON"
        ) from None


def _checked(token: str) -> str:
    if len(token) < _TOKEN_CHARACTERS_MIN:
        raise ArgumentError(
            f"db.asgi(admin_token=...): it has {len(token)} characters, expected at least "
            f"{_TOKEN_CHARACTERS_MIN} that nobody can guess: secrets.token_urlsafe(32)"
        )
    if not token.isascii() or not token.isprintable() or ":" in token or " " in token:
        raise ArgumentError(
            "db.asgi(admin_token=...): expected printable ASCII without spaces and colons, as it "
            "is sent in a header: secrets.token_urlsafe(32)"
        )
    return token


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _refused(code: str, message: str) -> RefusalError:
    return RefusalError(HTTPStatus.UNAUTHORIZED, code, message, (("www-authenticate", "Bearer"),))
