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

    Passwords are hashed outside of transactions, which takes a tenth of a second or more; what is
    written is durable on return. Every verb that takes an ``address``, that of the caller, counts
    attempts by it as well; ``device`` is shown among the sessions, up to 500 characters.

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

    def send_sign_up_code(
        self,
        login: str,
        password: str | None = None,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
    ) -> str:
        """Begin to sign up: a code is sent to the login; `redeem_code` makes the account with it.

        Whether the login is taken is seen by its owner alone, who is told so without a code.

        Args:
            login: As for `sign_up`.
            password: As for `sign_up`; None for an account without one.
            claims: What their identity says of them.
            address: Where the caller is.

        Returns:
            A ticket, which the caller keeps: the code is good with it only.

        Raises:
            SignUpRefusedError: The login or the password cannot be.
            RateLimitedError: Too many codes for this login, or from this address.
            UsageError: There is no function that delivers codes.
        """
        ...

    def send_sign_in_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to sign in without a password: a code is sent to the login, if it is known.

        Returns:
            A ticket, also for an unknown login.

        Raises:
            RateLimitedError: Too many codes for this login, or from this address.
            UsageError: There is no function that delivers codes.
        """
        ...

    def send_reset_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to reset a password: a code is sent to the login, if it is known.

        Returns and raises what `send_sign_in_code` does.
        """
        ...

    def redeem_code(
        self, ticket: str, code: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Sign up or in by a code: the account is there from now on, and its login is verified.

        A sign-in to an account whose login was not verified ends its sessions and takes its
        password away: whoever signed up may not have been the owner of the login.

        Raises:
            CodeRefusedError: The code is wrong, too old, or was used, or the ticket is none.
            SignUpRefusedError: Somebody with another code for this login was faster.
            RateLimitedError: Too many guesses from this address.
        """
        ...

    def reset_password(
        self,
        ticket: str,
        code: str,
        password: str,
        *,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Set a password by a code, end all sessions of the account, and sign in.

        Raises:
            CodeRefusedError: The code is wrong, too old, or was used, or the ticket is none.
            SignUpRefusedError: The password cannot be; the code is good still.
            RateLimitedError: Too many guesses from this address.
        """
        ...

    def wait_for_deliveries(self) -> None:
        """Wait until the codes that were made so far are delivered, or could not be."""
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
