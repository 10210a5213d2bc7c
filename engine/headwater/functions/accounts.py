"""Accounts and their sessions, as functions and programs see them."""

from dataclasses import dataclass, field
from math import ceil
from typing import Any, ClassVar, Final, Literal, TypeAlias

from headwater.schema.tables import Document, Id, Index, Table

SignInMethod: TypeAlias = Literal["password", "code"]
"""How somebody has proved who they are."""

_MS: Final = 1000


class Account(Document["Account"]):
    """Somebody who has signed up.

    ``login`` is what they are called, normalized: a name or an address. It ``is_verified`` if they
    have received a code there. ``claims`` is what the application says of them, which their
    identity has.
    """

    login: str
    is_verified: bool
    claims: dict[str, Any]


class Accounts(Table[Account], name="_accounts", number=1020):
    """All accounts. Passwords are elsewhere."""

    by_login: ClassVar[Index] = Index("login", unique=True)


class AccountSession(Document["AccountSession"]):
    """One device or program on which somebody is signed in. Times are ms since the epoch.

    It ends at ``expires_at`` unless it is refreshed before, and at ``ends_at`` in any case.
    ``device`` and ``address`` are what was said at the sign-in, or empty.
    """

    account: Id[Account]
    method: SignInMethod
    device: str
    address: str
    refreshed_at: float
    expires_at: float
    ends_at: float


class AccountSessions(Table[AccountSession], name="_sessions", number=1022):
    """The sessions that go on, and some that have expired. Tokens are elsewhere."""

    by_account: ClassVar[Index] = Index("account")
    by_expiry: ClassVar[Index] = Index("expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTokens:
    """What somebody has who is signed in. The tokens are theirs alone: the database has hashes.

    Attributes:
        access_token: Proves who they are, for some minutes: ``Authorization: Bearer ...``.
        refresh_token: Gives the next two tokens, once.
        access_expires_at: When the access token ends, ms since the epoch.
        expires_at: When the refresh token ends, ms since the epoch.
        account: Whose they are.
        session: What they belong to.
        issued_at: When they were made, by the database's clock, ms since the epoch.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: float
    expires_at: float
    account: Id[Account]
    session: Id[AccountSession]
    issued_at: float

    COOKIE: ClassVar[str] = "__Host-refresh"
    """The name of the cookie that `cookie` sets."""

    def cookie(self) -> dict[str, str]:
        """A header that has a browser keep the refresh token: ``Response(headers=...)``.

        No script can read it, and no other site can have it sent (RFC 6265bis: ``HttpOnly``,
        ``Secure``, ``SameSite=Strict``, the prefix ``__Host-``).
        """
        return _cookie(self.refresh_token, ceil((self.expires_at - self.issued_at) / _MS))

    @staticmethod
    def no_cookie() -> dict[str, str]:
        """A header that has a browser forget the refresh token."""
        return _cookie("", 0)


def _cookie(value: str, seconds: int) -> dict[str, str]:
    # A time from now, because the clock of a browser may be off.
    attributes = f"Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age={seconds}"
    return {"set-cookie": f"{SessionTokens.COOKIE}={value}; {attributes}"}
