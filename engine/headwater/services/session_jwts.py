"""Access tokens of sessions in the form of JSON Web Tokens, for clients that look into them.

The claim ``jti`` is the secret that an access token is made of in any form, and its session is
looked up by that. So these tokens end with their session, too. The signature keeps the other claims
true for whoever else reads them; keys are in a file, as those of URLs.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast

from headwater.errors import TokenInvalidError
from headwater.functions.accounts import SessionTokens
from headwater.services.key_files import KeyFile
from headwater.services.session_tokens import read_access
from headwater.services.token_keys import VerifyingKey
from headwater.services.token_text import read_token
from headwater.services.tokens import SESSION_ISSUER, checked_header, signature_check

_ALGORITHM: Final = "EdDSA"
_MS: Final = 1000


class _SigningKey(NamedTuple):
    private: Any
    public: VerifyingKey


class SessionJwts:
    """Signs and reads tokens.

    Args:
        keys: 32 random bytes each, which Ed25519 makes its keys of (RFC 8032, section 5.1.5).

    Raises:
        ModuleNotFoundError: The extra ``auth`` is not installed.
    """

    def __init__(self, keys: KeyFile) -> None:
        self._keys = keys
        self._is_signed: Callable[[str, VerifyingKey], bool] = signature_check()
        self._known: dict[bytes, _SigningKey] = {}

    def sign(self, tokens: SessionTokens) -> str:
        """The access token of some tokens, in this form.

        Raises:
            CorruptionError: The file of keys is damaged.
            StorageError: The system failed.
        """
        import jwt

        key = self._key_of(self._keys.newest())
        claims = {
            "iss": SESSION_ISSUER,
            "sub": tokens.account,
            "iat": int(tokens.issued_at // _MS),
            "exp": int(tokens.access_expires_at // _MS),
            "jti": tokens.access_token,
        }
        headers = {"kid": key.public.kid}
        return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers=headers)

    def read(self, token: str) -> bytes:
        """The secret of an access token.

        Raises:
            TokenInvalidError: It was not signed here.
            CorruptionError: The file of keys is damaged.
            StorageError: The system failed.
        """
        text = read_token(token)
        algorithm, kid = checked_header(text.header)
        if algorithm != _ALGORITHM:
            raise TokenInvalidError(
                f"a token with another algorithm than {_ALGORITHM}", reason="algorithm"
            )
        keys = [self._key_of(key).public for key in self._keys.good()]
        named = [key for key in keys if key.kid == kid]
        if not named:
            raise TokenInvalidError("a token that names no key of this database", reason="key")
        if not self._is_signed(token, named[0]):
            raise TokenInvalidError("a token that this database has not signed", reason="signature")
        secret = read_access(str(text.claims.get("jti")))
        if text.claims.get("iss") != SESSION_ISSUER or secret is None:
            raise TokenInvalidError("a token of no session", reason="claims")
        return secret

    def _key_of(self, seed: bytes) -> _SigningKey:
        known = self._known.get(seed)
        if known is None:
            known = self._known[seed] = _made(seed)
        return known


def is_jwt_of_session(token: str) -> bool:
    """Whether a token says that it is of a session of this kind. Nothing of it is verified.

    Raises:
        TokenInvalidError: It is no token in this form.
    """
    return read_token(token).claims.get("iss") == SESSION_ISSUER


def _made(seed: bytes) -> _SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from jwt import PyJWK

    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = _text(private.public_key().public_bytes_raw())
    members = {"crv": "Ed25519", "kty": "OKP", "x": public}
    # The name of a key by RFC 7638: its hash, in the one form of JSON that it says.
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    kid = _text(sha256(canonical.encode("ascii")).digest())
    key = PyJWK.from_dict({**members, "alg": _ALGORITHM, "kid": kid})
    return _SigningKey(private, VerifyingKey(kid, _ALGORITHM, cast("Any", key)))


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
