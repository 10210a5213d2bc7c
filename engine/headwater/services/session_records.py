"""Sessions as they are stored: each step inside of one transaction."""

from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from headwater.clock import Clock
from headwater.errors import ArgumentError, TokenInvalidError
from headwater.functions.accounts import (
    Account,
    AccountSession,
    AccountSessions,
    SessionTokens,
    SignInMethod,
)
from headwater.schema.tables import Id
from headwater.services.session_options import Sessions
from headwater.services.session_tables import SessionKeys, SessionKeyTable
from headwater.services.session_tokens import (
    SECRET_BYTES,
    RefreshSecrets,
    access_of,
    digest,
    successor_of,
    write_access,
    write_refresh,
)
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter

_FORGOTTEN_AT_ONCE: Final = 2
"""Expired sessions that a new one removes: more than one, so that they do not pile up."""
_SHOWN_CHARACTERS: Final = 500
"""Of what is said of a device and of an address."""
_MS: Final = 1000.0
_NS_PER_MS: Final = 1_000_000


class Found(NamedTuple):
    """A session, by one of its tokens.

    Attributes:
        session: Itself.
        keys: The hashes of its tokens.
        access_expires_at: When the access token that was given ends; 0 for a refresh token.
    """

    session: AccountSession
    keys: SessionKeys
    access_expires_at: float


class Start(NamedTuple):
    """What is known of a new session; made by `start_of`."""

    method: SignInMethod
    device: str
    address: str


def start_of(method: SignInMethod, device: str, address: str | None) -> Start:
    """What is known of a new session, however long a text a browser sends.

    Raises:
        ArgumentError: A text is none.
    """
    for name, given in (("device", device), ("address", address or "")):
        if not isinstance(cast("object", given), str):
            raise ArgumentError(f"sessions: {name}={given!r}: expected a string")
    return Start(method, device[:_SHOWN_CHARACTERS], (address or "")[:_SHOWN_CHARACTERS])


class _Times(NamedTuple):
    """When tokens were made, and when they end."""

    issued_at: float
    access_expires_at: float
    expires_at: float


def no_session(reason: str = "session") -> TokenInvalidError:
    """What is said of a token without a session."""
    texts = {
        "session": "a token of a session that has ended, or that never was; sign in again",
        "expired": "a token of a session that has expired; refresh it, or sign in again",
        "reused": "a refresh token that was used before: the session was ended; sign in again",
        "malformed": "a malformed token of a session",
    }
    return TokenInvalidError(texts[reason], reason=reason)


@dataclass(frozen=True, slots=True)
class SessionRecords:
    """Reads and writes sessions.

    Attributes:
        options: How sessions behave.
        clock: The time, and secrets.
    """

    options: Sessions
    clock: Clock

    @property
    def now_ms(self) -> float:
        """The time, ms since the epoch."""
        return self.clock.now_ns() / _NS_PER_MS

    def begin(self, writer: ServiceWriter, account: Id[Account], start: Start) -> SessionTokens:
        """Begin a session."""
        self._make_room(writer, account)
        now = self.now_ms
        secrets = RefreshSecrets(self.clock.secret(SECRET_BYTES), self.clock.secret(SECRET_BYTES))
        ends_at = now + self.options.session_seconds * _MS
        times = self._times(now, ends_at)
        session = {
            "account": account,
            "method": start.method,
            "device": start.device,
            "address": start.address,
            "refreshed_at": now,
            "expires_at": times.expires_at,
            "ends_at": ends_at,
        }
        id = writer.insert(AccountSessions, session)
        keys = {
            "session": id,
            "family": digest(secrets.family),
            "refresh": digest(secrets.own),
            "access": digest(access_of(secrets.own)),
            "access_expires_at": times.access_expires_at,
        }
        writer.insert(SessionKeyTable, keys)
        return _tokens(secrets, id, account, times)

    def refresh(
        self, writer: ServiceWriter, secrets: RefreshSecrets
    ) -> SessionTokens | TokenInvalidError:
        """The next tokens of a session, or why there are none.

        Returned and not raised, because what it says may have been written: the end of the session.
        """
        found = self.by_family(writer, secrets)
        if found is None:
            return no_session()
        session, keys, now = found.session, found.keys, self.now_ms
        if session["expires_at"] <= now:
            self.end(writer, found)
            return no_session("expired")
        own = digest(secrets.own)
        if own == keys["refresh"]:
            return self._rotate(writer, found, secrets)
        nonce = keys.get("nonce", b"")
        grace_ends = session["refreshed_at"] + self.options.refresh_grace_seconds * _MS
        if own == keys.get("previous_refresh") and now < grace_ends:
            following = RefreshSecrets(secrets.family, successor_of(secrets.own, nonce))
            ends = keys["access_expires_at"], session["expires_at"]
            times = _Times(session["refreshed_at"], *ends)
            return _tokens(following, session["_id"], session["account"], times)
        self.end(writer, found)
        return no_session("reused")

    def _rotate(
        self, writer: ServiceWriter, found: Found, secrets: RefreshSecrets
    ) -> SessionTokens:
        session, keys, now = found.session, found.keys, self.now_ms
        nonce = self.clock.secret(SECRET_BYTES)
        following = RefreshSecrets(secrets.family, successor_of(secrets.own, nonce))
        times = self._times(now, session["ends_at"])
        writer.patch(session["_id"], refreshed_at=now, expires_at=times.expires_at)
        writer.patch(
            keys["_id"],
            refresh=digest(following.own),
            access=digest(access_of(following.own)),
            access_expires_at=times.access_expires_at,
            nonce=nonce,
            previous_refresh=keys["refresh"],
            previous_access=keys["access"],
            previous_access_expires_at=keys["access_expires_at"],
        )
        return _tokens(following, session["_id"], session["account"], times)

    def verify(self, reader: Reader, access: bytes) -> Found:
        """The session of the secret of an access token.

        Raises:
            TokenInvalidError: There is none, or not any more.
        """
        found = self.by_access(reader, access)
        if found is None:
            raise no_session()
        if min(found.access_expires_at, found.session["expires_at"]) <= self.now_ms:
            raise no_session("expired")
        return found

    def by_family(self, reader: Reader, secrets: RefreshSecrets) -> Found | None:
        """The session of a refresh token, of any that it has had."""
        keys = reader.query(SessionKeyTable)
        family = digest(secrets.family)
        return self._found(reader, keys.with_index(SessionKeyTable.by_family, family).first(), 0)

    def by_access(self, reader: Reader, access: bytes) -> Found | None:
        """The session of the secret of an access token, which may have expired."""
        hashed = digest(access)
        keys = reader.query(SessionKeyTable).with_index(SessionKeyTable.by_access, hashed).first()
        if keys is not None:
            return self._found(reader, keys, keys["access_expires_at"])
        query = reader.query(SessionKeyTable)
        keys = query.with_index(SessionKeyTable.by_previous_access, hashed).first()
        expires_at = 0.0 if keys is None else keys.get("previous_access_expires_at", 0.0)
        return self._found(reader, keys, expires_at)

    def of_account(self, reader: Reader, account: Id[Account]) -> list[AccountSession]:
        """The sessions of an account, the oldest first."""
        sessions = reader.query(AccountSessions)
        return sessions.with_index(AccountSessions.by_account, account).collect()

    def by_id(self, reader: Reader, session: str) -> Found | None:
        """The session of an id."""
        is_text = isinstance(cast("object", session), str)
        id = reader.normalize_id(AccountSessions, session) if is_text else None
        found = None if id is None else reader.get(id)
        if found is None:
            return None
        keys = reader.query(SessionKeyTable)
        return self._found(
            reader, keys.with_index(SessionKeyTable.by_session, found["_id"]).first(), 0
        )

    def end(self, writer: ServiceWriter, found: Found) -> None:
        """End a session."""
        writer.delete(found.keys["_id"])
        writer.delete(found.session["_id"])

    def end_all(
        self, writer: ServiceWriter, account: Id[Account], but: Id[AccountSession] | None = None
    ) -> int:
        """End the sessions of an account, but one; how many that were."""
        ended = 0
        for session in self.of_account(writer, account):
            found = None if session["_id"] == but else self.by_id(writer, session["_id"])
            if found is not None:
                self.end(writer, found)
                ended += 1
        return ended

    # -- inside ---------------------------------------------------------------------------------

    def _times(self, now: float, ends_at: float) -> _Times:
        options = self.options
        access_expires_at = min(now + options.access_seconds * _MS, ends_at)
        return _Times(now, access_expires_at, min(now + options.idle_seconds * _MS, ends_at))

    def _make_room(self, writer: ServiceWriter, account: Id[Account]) -> None:
        """Remove some sessions that have expired, and the oldest of those that are too many."""
        now = self.now_ms
        expired = writer.query(AccountSessions).with_index(AccountSessions.by_expiry, lte=now)
        live = [one for one in self.of_account(writer, account) if one["expires_at"] > now]
        too_many = live[: max(len(live) + 1 - self.options.sessions_per_account, 0)]
        gone = {one["_id"] for one in [*expired.take(_FORGOTTEN_AT_ONCE), *too_many]}
        for id in sorted(gone):
            found = self.by_id(writer, id)
            if found is not None:
                self.end(writer, found)

    def _found(
        self, reader: Reader, keys: SessionKeys | None, access_expires_at: float
    ) -> Found | None:
        session = None if keys is None else reader.get(keys["session"])
        if keys is None or session is None:
            return None
        return Found(session, keys, access_expires_at)


def _tokens(
    secrets: RefreshSecrets, session: Id[AccountSession], account: Id[Account], times: _Times
) -> SessionTokens:
    return SessionTokens(
        access_token=write_access(access_of(secrets.own)),
        refresh_token=write_refresh(secrets),
        access_expires_at=times.access_expires_at,
        expires_at=times.expires_at,
        account=account,
        session=session,
        issued_at=times.issued_at,
    )
