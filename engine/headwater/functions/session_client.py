"""Accounts and sessions as actions and programs use them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, TypeAlias

from headwater.functions.accounts import SessionTokens

WhichSessions: TypeAlias = Literal["this", "others", "all"]
"""Sessions of an account, as seen from one of them."""

NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})


class SessionClient(Protocol):
    """Signing up, in and out: ``db.sessions``, and ``ctx.sessions`` of a plain action.

    Passwords are hashed outside of transactions, which takes about a tenth of a second; what is
    written is durable on return. Every verb that takes an ``address``, that of the caller, counts
    attempts by it as well; ``device`` is shown among the sessions.

    Every verb may raise what its part of the work raises: a `RateLimitedError` if there were too
    many attempts, a `StorageError`.
    """

    def sign_up(
        self,
        login: str,
        password: str,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Make an account, and sign in to it. Nobody verifies that the login is theirs.

        It tells whether a login is taken.

        Args:
            login: A name or an address, up to 320 characters. Case and form do not count: it is
                kept as NFKC, without case.
            password: Any text; see `Sessions` for what is refused.
            claims: What their identity says of them, as storable values.
            address: Where the caller is.
            device: What they sign in with.

        Raises:
            SignUpRefusedError: The login or the password cannot be, or the login is taken.
            RateLimitedError: Too many from this address.
        """
        ...

    def sign_in(
        self, login: str, password: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Begin a session.

        An unknown login and a wrong password are the same to the caller: the answer, and the work.

        Raises:
            SignInRefusedError: They are not right.
            RateLimitedError: Too many attempts for this login, or from this address.
        """
        ...

    def refresh(self, refresh_token: str) -> SessionTokens:
        """The next tokens of a session, which is kept alive by that.

        A refresh token is good once. Within ``refresh_grace_seconds`` it gives the same next tokens
        again, for answers that were lost and for requests at the same time. Afterwards somebody has
        it who should not, and the session is ended.

        Raises:
            TokenInvalidError: It is none; or the session has ended; or has just been ended because
                the token was used before (``reason`` is ``reused``).
        """
        ...

    def sign_out(self, token: str, *, which: WhichSessions = "this") -> int:
        """End sessions; how many that were. Their tokens are not good any more at once.

        Args:
            token: The access token or a refresh token of a session. One that is not good any more
                ends nothing, and is no error.
            which: That session, all others of the account, or all.
        """
        ...

    def sign_out_account(self, account: str) -> int:
        """End all sessions of an account; how many that were.

        Args:
            account: Its id, which is the ``subject`` of its identities.
        """
        ...

    def end_session(self, session: str) -> bool:
        """End one session by its id; whether there was one.

        The caller has to know whose it is.
        """
        ...

    def change_password(
        self, access_token: str, old: str, new: str, *, address: str | None = None
    ) -> None:
        """Replace a password by who knows it. All other sessions of the account are ended.

        Raises:
            TokenInvalidError: The access token is not valid.
            SignInRefusedError: The old password is not right.
            SignUpRefusedError: The new one cannot be.
            RateLimitedError: Too many attempts.
        """
        ...

    def set_password(self, account: str, password: str) -> None:
        """Give an account a password, on the word of the program. All its sessions are ended.

        Raises:
            SignUpRefusedError: It cannot be.
            DocumentNotFoundError: There is no such account.
        """
        ...

    def set_claims(self, account: str, claims: Mapping[str, Any]) -> None:
        """Say something else of somebody, from their next call on.

        Raises:
            DocumentNotFoundError: There is no such account.
        """
        ...

    def delete_account(self, account: str) -> bool:
        """Delete an account with its sessions and its password; whether there was one."""
        ...
