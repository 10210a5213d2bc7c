"""The sessions of an open database: what their verbs are made of."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Final, TypeVar

from headwater.errors import TokenInvalidError
from headwater.functions.accounts import SessionTokens
from headwater.functions.acting import Actor
from headwater.functions.identity import Identity
from headwater.functions.runner import Runner
from headwater.services.code_deliveries import CodeDeliveries
from headwater.services.key_files import KeyFile
from headwater.services.passwords import PasswordHasher
from headwater.services.session_jwts import SessionJwts, is_jwt_of_session
from headwater.services.session_options import Sessions
from headwater.services.session_records import Found, SessionRecords, no_session
from headwater.services.session_throttles import Attempt, SessionThrottles, take
from headwater.services.session_tokens import is_session_token, read_access, read_refresh
from headwater.services.tokens import SESSION_ISSUER, VerifiedToken
from headwater.services.verification_codes import CodeRecords
from headwater.storage.format import SESSION_KEYS_NAME
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

T = TypeVar("T")

_NAME: Final = "_sessions."


class SessionService:
    """The sessions of one open database, and what they are made of.

    Attributes:
        options: How they behave.
        records: What is read and written.
        hasher: Of passwords.
        throttles: Of attempts.
        codes: What is read and written of codes.
        deliveries: Of codes.
    """

    def __init__(self, runner: Runner, options: Sessions, actor: Actor) -> None:
        self._runner = runner
        self.options: Sessions = options
        clock = runner.store.clock
        self.records: SessionRecords = SessionRecords(options, clock)
        self.hasher: PasswordHasher = PasswordHasher(options.hashing, clock.secret)
        self.throttles: SessionThrottles = SessionThrottles(options.throttling)
        self.codes: CodeRecords = CodeRecords(options, clock)
        self.deliveries: CodeDeliveries = CodeDeliveries(options.deliver, actor)
        if options.tokens == "jwt":
            _ = self.jwts  # what they need has to be there

    def read(self, run: Callable[[Reader], T]) -> T:
        """Read from a snapshot of the newest commit of any process."""
        store = self._runner.store
        with closing(store.snapshot()) as snapshot:
            return run(Reader(store.begin(snapshot, is_read_only=True)))

    def write(self, verb: str, run: Callable[[ServiceWriter], T]) -> T:
        """Read and write in a transaction of its own, which is durable on return."""

        def served(transaction: Transaction) -> T:
            return run(ServiceWriter(transaction, self._runner.store.rules))

        return self._runner.serve(_NAME + verb, served)

    def count(self, *attempts: Attempt) -> None:
        """Count an attempt, whatever becomes of it.

        Raises:
            RateLimitedError: There were too many.
        """
        refusal = self.write("count", lambda writer: take(writer, attempts))
        if refusal is not None:
            raise refusal

    def settle(self, writer: ServiceWriter, login: str) -> None:
        """A login has another password: failures are forgotten, and codes are not good any more."""
        self.throttles.succeeded(writer, login)
        self.codes.forget(writer, login)

    def issue(self, tokens: SessionTokens) -> SessionTokens:
        """Tokens as they are handed out, in the form that was asked for."""
        if self.options.tokens == "opaque":
            return tokens
        return replace(tokens, access_token=self.jwts.sign(tokens))

    def access_secret(self, token: str) -> bytes:
        """The secret of an access token, in either form.

        Raises:
            TokenInvalidError: It is none.
        """
        secret = read_access(token)
        if secret is not None:
            return secret
        if is_session_token(token):
            raise no_session("malformed")
        return self.jwts.read(token)

    @cached_property
    def jwts(self) -> SessionJwts:
        """Tokens in the form of JSON Web Tokens."""
        store = self._runner.store
        path = store.environment.path
        return SessionJwts(KeyFile(path, SESSION_KEYS_NAME, "access tokens", store.clock))

    def is_of_session(self, token: str) -> bool:
        """Whether a token says that it is of a session, in either form."""
        return is_session_token(token) or is_jwt_of_session(token)

    def finder(self, token: str) -> Callable[[Reader], Found | None]:
        """What finds the session of an access token, or of any refresh token that it has had."""
        family = read_refresh(token)
        if family is not None:
            return lambda reader: self.records.by_family(reader, family)
        try:
            secret = self.access_secret(token)
        except TokenInvalidError:
            return lambda _: None
        return lambda reader: self.records.by_access(reader, secret)

    def verify(self, token: str) -> VerifiedToken:
        """Who has an access token, and until when.

        Raises:
            TokenInvalidError: It is not valid.
        """
        secret = self.access_secret(token)

        def run(reader: Reader) -> VerifiedToken:
            found = self.records.verify(reader, secret)
            account = reader.get(found.session["account"])
            if account is None:
                raise no_session()
            expires_at = min(found.access_expires_at, found.session["expires_at"])
            identity = Identity(account["_id"], SESSION_ISSUER, account["claims"])
            return VerifiedToken(identity, expires_at, found.session["_id"])

        return self.read(run)
