"""The sessions of an open database: what their verbs are made of."""

from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

from headwater.functions.acting import Actor
from headwater.functions.identity import Identity
from headwater.functions.runner import Runner
from headwater.services.code_deliveries import CodeDeliveries
from headwater.services.passwords import (
    PasswordHasher,
)
from headwater.services.session_options import Sessions
from headwater.services.session_records import SessionRecords, no_session
from headwater.services.session_throttles import Attempt, SessionThrottles, take
from headwater.services.tokens import SESSION_ISSUER, VerifiedToken
from headwater.services.verification_codes import CodeRecords
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

    def verify(self, token: str) -> VerifiedToken:
        """Who has an access token, and until when.

        Raises:
            TokenInvalidError: It is not valid.
        """

        def run(reader: Reader) -> VerifiedToken:
            found = self.records.verify(reader, token)
            account = reader.get(found.session["account"])
            if account is None:
                raise no_session()
            expires_at = min(found.access_expires_at, found.session["expires_at"])
            identity = Identity(account["_id"], SESSION_ISSUER, account["claims"])
            return VerifiedToken(identity, expires_at, found.session["_id"])

        return self.read(run)
