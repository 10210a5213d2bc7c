"""Public keys of an identity provider: where they are, and when they are looked for anew."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from headwater.clock import Clock
from headwater.errors import DeclarationError, TokenKeysUnavailableError
from headwater.services.key_fetching import FETCH_BYTES_MAX, origin_of_address

REFRESH_SECONDS: Final = 60.0
"""The least time between two looks, so that tokens with unknown keys cannot hammer a provider."""
FRESH_SECONDS: Final = 3600.0
"""Age of keys after which they are looked for again: one that was withdrawn ends by then."""
STALE_SECONDS: Final = 24 * 3600.0
"""Age up to which keys are used while the provider cannot be reached."""

_KEYS_MAX: Final = 100
_RSA_BITS: Final = range(2048, 16384 + 1)

_MEMBERS: Final[Mapping[tuple[str, str | None], tuple[str, Sequence[str]]]] = {
    ("RSA", None): ("RS256", ("n", "e")),
    ("EC", "P-256"): ("ES256", ("crv", "x", "y")),
    ("OKP", "Ed25519"): ("EdDSA", ("crv", "x")),
}
"""The algorithm of each kind of key, and its public members (RFC 7518, RFC 8037)."""

Fetch = Callable[[str], bytes]


class VerifyingKey(NamedTuple):
    """One public key.

    Attributes:
        kid: Its name; None if it has none.
        algorithm: The one algorithm that it is for.
        key: A ``jwt.PyJWK``.
    """

    kid: str | None
    algorithm: str
    key: Any


class _Known(NamedTuple):
    keys: tuple[VerifyingKey, ...]
    read_at: float


class KeySource:
    """The keys of one provider; safe to use from any thread.

    Args:
        issuer: Whose keys, for messages.
        jwks: The key set itself, a ``data:`` URL of it, its file, or its address.
        clock: By which it is looked for anew.
        fetch: Fetches addresses.

    Raises:
        DeclarationError: There is no key set, or no key in it that can verify.
    """

    def __init__(
        self, issuer: str, jwks: str | Path | Mapping[str, Any], clock: Clock, fetch: Fetch
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._known: _Known | None = None
        self._read: Callable[[], bytes] | None = None
        if isinstance(jwks, str) and jwks.startswith("https:"):
            self._read = lambda: fetch(jwks)  # at the first token: the provider may be down
            return
        try:
            self._known = _Known(self._read_first(jwks), clock.monotonic())
        except (OSError, ValueError) as error:
            raise DeclarationError(f"the keys of {issuer}: {error}") from None
        if not self._known.keys:
            raise DeclarationError(
                f"the keys of {issuer}: none of them can verify; expected RSA keys of 2048 bits "
                "or more, or keys on the curves P-256 or Ed25519, that may be used for signatures"
            )

    def _read_first(self, jwks: str | Path | Mapping[str, Any]) -> tuple[VerifyingKey, ...]:
        if isinstance(jwks, Mapping):
            return tuple(_keys_in(jwks))
        if isinstance(jwks, str) and jwks.startswith("data:"):
            return _keys_of(_content_of_data_url(jwks))
        path = Path(jwks).expanduser().absolute()
        self._read = lambda: _content_of_file(path)
        return _keys_of(self._read())

    def find(self, kid: str | None, algorithm: str) -> list[VerifyingKey]:
        """The keys that a token may be signed with; none if it is the provider's under no name.

        A name that is not known has the keys looked for anew, once in `REFRESH_SECONDS`. A token
        without a name is fine if there is only one key that fits.

        Raises:
            TokenKeysUnavailableError: They cannot be had.
        """
        known = self._known
        now = self._clock.monotonic()
        if self._read is not None and (known is None or now - known.read_at >= FRESH_SECONDS):
            known = self._look_again(waits=known is None)
        found = _fitting(known, kid, algorithm)
        if not found and self._read is not None:
            found = _fitting(self._look_again(waits=True), kid, algorithm)
        return found

    def _look_again(self, *, waits: bool) -> _Known | None:
        """The keys as they are now, or were a moment ago.

        Args:
            waits: Whether to wait for another thread that is looking; else what is known counts.
        """
        if not self._lock.acquire(blocking=waits):
            return self._usable(None)
        try:
            now = self._clock.monotonic()
            if self._looked_at is not None and now - self._looked_at < REFRESH_SECONDS:
                return self._usable(None)
            self._looked_at = now
            assert self._read is not None, "keys that are given once are not looked for"
            try:
                self._known = _Known(_keys_of(self._read()), now)
            except (OSError, ValueError) as error:
                self._log(error)
                return self._usable(error)
            return self._known
        finally:
            self._lock.release()

    def _usable(self, error: Exception | None) -> _Known:
        known = self._known
        if known is not None and self._clock.monotonic() - known.read_at < STALE_SECONDS:
            return known
        why = "they could not be had a moment ago" if error is None else str(error)
        raise TokenKeysUnavailableError(
            f"the keys of {self._issuer} are not there: {why}; they are asked for again "
            f"{REFRESH_SECONDS:g} s after the last time",
            issuer=self._issuer,
        )

    def _log(self, error: Exception) -> None:
        import logging

        logger = logging.getLogger("headwater")
        logger.warning("the keys of %s could not be had: %s", self._issuer, error)


def _fitting(known: _Known | None, kid: str | None, algorithm: str) -> list[VerifyingKey]:
    keys = [key for key in known.keys if key.algorithm == algorithm] if known is not None else []
    if kid is not None:
        return [key for key in keys if key.kid == kid]
    return keys if len(keys) == 1 else []


def _keys_of(content: bytes) -> tuple[VerifyingKey, ...]:
    import json

    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("expected a JSON Web Key Set, found no JSON") from None
    return tuple(_keys_in(found))


def _keys_in(jwks: object) -> Iterator[VerifyingKey]:
    """The keys of a set that can verify. Others are there for other purposes, or newer."""
    keys = cast("Mapping[str, Any]", jwks).get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        expected = "expected a JSON Web Key Set: an object with a list of 'keys'"
        raise ValueError(expected)  # noqa: TRY004 - it is about content
    for jwk in cast("Sequence[Any]", keys)[:_KEYS_MAX]:
        if isinstance(jwk, Mapping) and (key := _key(cast("Mapping[str, Any]", jwk))) is not None:
            yield key


def _key(jwk: Mapping[str, Any]) -> VerifyingKey | None:
    kind, kid = jwk.get("kty"), jwk.get("kid")
    curve = None if kind == "RSA" else jwk.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm, members = _MEMBERS.get((kind, curve), ("", ()))
    operations = jwk.get("key_ops", ["verify"])
    is_for_this = (
        bool(algorithm)
        and isinstance(kid, str | None)
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and jwk.get("alg", algorithm) == algorithm
        and all(isinstance(jwk.get(member), str) for member in members)
    )
    if not is_for_this:
        return None
    # Without the private members, should somebody have published them.
    public = {"kty": kind, **{member: jwk[member] for member in members}}
    return _verifying(kid, algorithm, public)


def _verifying(kid: str | None, algorithm: str, public: dict[str, Any]) -> VerifyingKey | None:
    from jwt import PyJWK

    try:
        key = PyJWK(public, algorithm)
    except Exception:  # noqa: BLE001 - whatever the libraries say of such a key, it is none
        return None
    if algorithm == "RS256" and key.key.key_size not in _RSA_BITS:
        return None
    return VerifyingKey(kid, algorithm, key)


def _content_of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(FETCH_BYTES_MAX + 1)
    if len(content) > FETCH_BYTES_MAX:
        raise ValueError(f"{path} has more than {FETCH_BYTES_MAX:,} bytes")
    return content


def _content_of_data_url(url: str) -> bytes:
    """RFC 2397."""
    from base64 import b64decode
    from urllib.parse import unquote_to_bytes

    head, comma, data = url.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("expected data:application/json,... or data:application/json;base64,...")
    content = unquote_to_bytes(data)
    return b64decode(content, validate=True) if head.endswith(";base64") else content


def check_place(jwks: object) -> None:
    """Refuse what cannot be the place of a key set.

    Raises:
        ValueError: It says what is expected.
    """
    if isinstance(jwks, Mapping | Path):
        return
    if not isinstance(jwks, str) or not jwks:
        raise ValueError("expected a key set, its file, a data: URL or an https:// address")
    scheme = jwks.partition(":")[0].lower()
    if scheme in {"http", "ftp", "file"} or (scheme == "https" and not _is_address(jwks)):
        raise ValueError(
            "expected an address that begins with https://, without a user or a fragment"
        )


def _is_address(address: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        scheme, host, _ = origin_of_address(address)
    except ValueError:
        return False
    is_plain = parts.username is None and parts.password is None and not parts.fragment
    return scheme == "https" and address.startswith("https://") and bool(host) and is_plain
