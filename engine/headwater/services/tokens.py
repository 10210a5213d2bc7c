"""Identities from elsewhere: tokens of identity providers, verified before they are believed.

The checks are those of RFC 7519 and of RFC 8725, its best current practices. Signatures are left to
PyJWT; what is around them is here, because the database's clock decides what has expired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from headwater.clock import Clock
from headwater.errors import ArgumentError, DeclarationError, TokenInvalidError
from headwater.functions.identity import Identity
from headwater.schema.tables import Id
from headwater.services.key_fetching import fetch
from headwater.services.token_keys import Fetch, KeySource, VerifyingKey, check_place
from headwater.services.token_text import TokenText, read_token

if TYPE_CHECKING:
    from headwater.functions.accounts import AccountSession

TokenAlgorithm: TypeAlias = Literal["RS256", "ES256", "EdDSA"]

SESSION_ISSUER: Final = "headwater"
"""The issuer of the database's own sessions; no provider is called so."""

_ALGORITHMS: Final[tuple[TokenAlgorithm, ...]] = ("RS256", "ES256", "EdDSA")
_SKEW_SECONDS_MAX: Final = 300.0
_TIME_MAX: Final = 2**53 / 1000
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Others, such as ``logout+jwt``, are signed by the same issuer for another purpose."""
_REFUSED_IN_HEADER: Final = ("crit", "b64", "jwk", "jku", "x5u", "x5c")
_OF_THIS_TOKEN: Final = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "at_hash", "c_hash", "s_hash"}
)
"""Claims that say nothing about somebody, and differ from one token to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProvider:
    """An identity provider whose tokens are believed: ``hw.open(..., providers=[...])``.

    Attributes:
        issuer: Exactly what its tokens have as ``iss``.
        audience: What ``aud`` has to contain: the name that the provider knows this application
            by. If there are several, one of them.
        jwks: Its public keys: a JSON Web Key Set as a dict, its file, a ``data:`` URL, or the
            ``https://`` address from which it is fetched at the first token. Files and addresses
            are looked at again when a token names an unknown key, at most once a minute, and once
            an hour.
        algorithms: Those that it signs with; the key decides which one of them a token has.
        clock_skew_seconds: How far the provider's clock may be off, 300 at most.

    Raises:
        DeclarationError: They make no provider.
    """

    issuer: str
    audience: str | Sequence[str]
    jwks: str | Path | Mapping[str, Any] = field(repr=False)
    algorithms: Sequence[TokenAlgorithm] = _ALGORITHMS
    clock_skew_seconds: float = 5.0

    def __post_init__(self) -> None:
        try:
            self._check()
        except (ArgumentError, ValueError) as error:
            raise DeclarationError(f"hw.TokenProvider(issuer={self.issuer!r}): {error}") from None

    def _check(self) -> None:
        Identity("anybody", self.issuer)
        if self.issuer == SESSION_ISSUER:
            raise ValueError("the issuer is that of the database's own sessions")
        if not self.audiences or not all(_is_text(one) for one in self.audiences):
            raise ValueError(f"audience={self.audience!r}, expected a string that is not empty")
        algorithms = cast("object", self.algorithms)
        known = not isinstance(algorithms, str) and set(self.algorithms) <= set(_ALGORITHMS)
        if not known or not self.algorithms:
            raise ValueError(
                f"algorithms={self.algorithms!r}, expected some of {', '.join(_ALGORITHMS)}"
            )
        skew = cast("object", self.clock_skew_seconds)
        if type(skew) not in (int, float) or not 0 <= self.clock_skew_seconds <= _SKEW_SECONDS_MAX:
            raise ValueError(
                f"clock_skew_seconds={skew!r}, expected 0 to {_SKEW_SECONDS_MAX:g} seconds"
            )
        check_place(self.jwks)

    @property
    def audiences(self) -> tuple[str, ...]:
        """The names that this application is known by."""
        return (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a token is of, and until when.

    Attributes:
        identity: Who.
        expires_at: When it ends, ms since the epoch. Whoever acts for somebody for longer, such as
            a connection, has to ask for another token then.
        session: If it is one of the database's own: the id of its session.
    """

    identity: Identity
    expires_at: float
    session: "Id[AccountSession] | None" = None


class _Trusted:
    """A provider and its keys."""

    def __init__(self, provider: TokenProvider, clock: Clock, fetch: Fetch) -> None:
        self.provider = provider
        self.audiences = frozenset(provider.audiences)
        self.keys = KeySource(provider.issuer, provider.jwks, clock, fetch)


class TokenVerifier:
    """Verifies tokens of the providers that it is given.

    Raises:
        DeclarationError: A provider's keys are not there.
        ModuleNotFoundError: The extra ``auth`` is not installed.
    """

    def __init__(
        self, providers: Sequence[TokenProvider], clock: Clock, fetch: Fetch = fetch
    ) -> None:
        self._clock = clock
        self._is_signed: Callable[[str, VerifyingKey], bool] = signature_check()
        self._trusted = [_Trusted(provider, clock, fetch) for provider in providers]

    def verify(self, token: str) -> VerifiedToken:
        """Who a token is of. May fetch keys, which takes seconds at most.

        Raises:
            TokenInvalidError: It is not valid, whatever was given; ``reason`` says why.
            TokenKeysUnavailableError: The keys of its issuer cannot be had now.
        """
        text = read_token(token)
        algorithm, kid = checked_header(text.header)
        trusted = self._trusted_by(text, algorithm)
        keys = trusted.keys.find(kid, algorithm)
        if not keys:
            raise TokenInvalidError(
                f"a token that names no key of {trusted.provider.issuer} for {algorithm}",
                reason="key",
            )
        if not any(self._is_signed(token, key) for key in keys):
            raise TokenInvalidError(
                f"a token that {trusted.provider.issuer} has not signed", reason="signature"
            )
        return self._verified(text.claims, trusted)

    def _trusted_by(self, text: TokenText, algorithm: str) -> _Trusted:
        """The provider that a token says it is from, and may be."""
        issuer, audiences = text.claims.get("iss"), _audiences(text.claims.get("aud"))
        found = [one for one in self._trusted if one.provider.issuer == issuer]
        if not found:
            names = ", ".join(sorted({one.provider.issuer for one in self._trusted})) or "nobody"
            raise TokenInvalidError(f"a token of another issuer than {names}", reason="issuer")
        found = [one for one in found if not one.audiences.isdisjoint(audiences)]
        if not found:
            raise TokenInvalidError("a token for another audience", reason="audience")
        for one in found:
            if algorithm in one.provider.algorithms:
                return one
        allowed = ", ".join(found[0].provider.algorithms)
        raise TokenInvalidError(
            f"a token with another algorithm than {allowed}", reason="algorithm"
        )

    def _verified(self, claims: dict[str, Any], trusted: _Trusted) -> VerifiedToken:
        skew = trusted.provider.clock_skew_seconds
        now = self._clock.now_ns() / 10**9
        ends, begins = _time(claims, "exp"), _time(claims, "nbf")
        _time(claims, "iat")
        if ends is None:
            raise TokenInvalidError("a token without exp, which never ends", reason="claims")
        if now >= ends + skew:
            raise TokenInvalidError("a token that has expired", reason="expired")
        if begins is not None and now < begins - skew:
            raise TokenInvalidError("a token that is not valid yet", reason="not_yet_valid")
        subject = claims.get("sub")
        if not _is_text(subject):
            raise TokenInvalidError("a token without a subject", reason="subject")
        said = {name: claim for name, claim in claims.items() if name not in _OF_THIS_TOKEN}
        try:
            identity = Identity(cast("str", subject), trusted.provider.issuer, said)
        except ArgumentError:
            raise TokenInvalidError(
                "a token with a claim that cannot be stored", reason="claims"
            ) from None
        return VerifiedToken(identity, ends * 1000)


def checked_header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    """Algorithm and name of the key. Neither is believed: the key decides about the algorithm.

    Raises:
        TokenInvalidError: The header asks for what no token may.
    """
    for name in _REFUSED_IN_HEADER:
        if name in header:
            raise TokenInvalidError(
                f"a token with {name!r} in its header, which is refused", reason="header"
            )
    kind, kid, algorithm = header.get("typ", "JWT"), header.get("kid"), header.get("alg")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenInvalidError("a token of a type that is no identity", reason="header")
    if not isinstance(kid, str | None):
        raise TokenInvalidError("a token whose kid is no string", reason="header")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise TokenInvalidError(
            f"a token with another algorithm than {', '.join(_ALGORITHMS)}", reason="algorithm"
        )
    return algorithm, kid


def _audiences(given: object) -> frozenset[str]:
    if isinstance(given, str):
        return frozenset({given})
    members = cast("list[object]", given) if isinstance(given, list) else []
    return frozenset(one for one in members if isinstance(one, str))


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim in seconds since the epoch, None if it is not there."""
    if name not in claims:
        return None
    seconds = claims[name]
    if type(seconds) not in (int, float) or not 0 <= seconds <= _TIME_MAX:
        raise TokenInvalidError(
            f"a token whose {name} is no time: expected seconds since the epoch", reason="claims"
        )
    return float(seconds)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def signature_check() -> Callable[[str, VerifyingKey], bool]:
    """Whether a token was signed by a key."""
    try:
        import cryptography  # noqa: F401 # pyright: ignore[reportUnusedImport] - PyJWT needs it
        from jwt import PyJWS
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "tokens that are signed need the packages PyJWT and cryptography, which are not "
            "installed; install the extra: pip install 'headwater[auth]'",
            name=error.name,
        ) from None
    signatures = PyJWS(list(_ALGORITHMS))

    def is_signed(token: str, key: VerifyingKey) -> bool:
        try:
            signatures.decode_complete(token, key.key, [key.algorithm])
        except Exception:  # noqa: BLE001 - a signature that cannot be looked at is none
            return False
        return True

    return is_signed
