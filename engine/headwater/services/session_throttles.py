"""How often somebody may try to sign in or up: by login, and by where they are."""

from collections.abc import Sequence
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias, cast

from headwater.errors import ArgumentError, RateLimitedError
from headwater.services.rate_limits import RateLimit
from headwater.services.session_options import SessionThrottling
from headwater.transactions.service_writer import ServiceWriter

Attempt: TypeAlias = tuple[RateLimit, str | None]
"""A limit, and for whom; None for whom it does not know."""

_HOUR_SECONDS: Final = 3600
_CUSTOMER_BITS: Final = 64


class SessionThrottles:
    """The rate limits of one database's sessions."""

    def __init__(self, throttling: SessionThrottling) -> None:
        self._sign_in_login = _hourly("sign_in.login", throttling.sign_ins_per_account)
        self._sign_in_address = _hourly("sign_in.address", throttling.sign_ins_per_address)
        self._sign_up_address = _hourly("sign_up.address", throttling.sign_ups_per_address)
        self._code_login = _hourly("code.login", throttling.codes_per_account)
        self._code_address = _hourly("code.address", throttling.codes_per_address)
        self._guess_address = _hourly("guess.address", throttling.guesses_per_address)

    def signing_in(self, login: str | None, address: str | None) -> Sequence[Attempt]:
        """What a sign-in counts for. The address first: one that may not try harms no login."""
        where = (self._sign_in_address, place_of(address))
        return [where, (self._sign_in_login, _key_of(login))]

    def signing_up(self, address: str | None) -> Sequence[Attempt]:
        """What a sign-up counts for."""
        return [(self._sign_up_address, place_of(address))]

    def sending(self, login: str, address: str | None) -> Sequence[Attempt]:
        """What a code counts for that is sent."""
        return [(self._code_address, place_of(address)), (self._code_login, _key_of(login))]

    def guessing(self, address: str | None) -> Sequence[Attempt]:
        """What a code counts for that is entered."""
        return [(self._guess_address, place_of(address))]

    def succeeded(self, writer: ServiceWriter, login: str) -> None:
        """Forget the failures of a login."""
        self._sign_in_login.forget(writer, key=_key_of(login))


def take(writer: ServiceWriter, attempts: Sequence[Attempt]) -> RateLimitedError | None:
    """Count an attempt; what is to be raised if there were too many.

    Not raised here: what was counted before has to stay.
    """
    for limit, key in attempts:
        taken = None if key is None else limit.take(writer, key=key)
        if taken is not None and not taken.ok:
            return RateLimitedError(taken.retry_after_seconds, name=limit.name)
    return None


def place_of(address: str | None) -> str | None:
    """Where a caller is, so that moving within one's own network changes nothing."""
    if not address:
        return None
    if not isinstance(cast("object", address), str):
        raise ArgumentError(f"sessions: address={address!r}: expected a string")
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return _key_of(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, _CUSTOMER_BITS), strict=False))
    return str(found)


def _key_of(text: str | None) -> str:
    # A hash: what is typed into a field for a login may be a password.
    return sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()


def _hourly(name: str, count: int) -> RateLimit:
    return RateLimit.token_bucket(f"_sessions.{name}", rate=count, per_seconds=_HOUR_SECONDS)
