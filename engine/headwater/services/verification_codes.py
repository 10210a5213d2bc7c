"""Codes that prove who can read what is sent to a login: short, soon over, good once.

Whoever asks for a code gets a ticket, and only with the ticket is the code good. So nobody uses up
the guesses of somebody else, and nobody else's code can be entered by mistake. A code is kept as a
hash with the ticket, which is not kept: short as it is, it cannot be guessed from what is stored.
"""

import hmac
from typing import Any, ClassVar, Final, NamedTuple, NotRequired

from headwater.clock import Clock
from headwater.functions.code_delivery import CodePurpose
from headwater.schema.tables import Document, Index, Table
from headwater.services.session_options import Sessions
from headwater.services.session_tokens import SECRET_BYTES, digest, read_ticket, write_ticket
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter

_FORGOTTEN_AT_ONCE: Final = 2
_MS: Final = 1000.0
_NS_PER_MS: Final = 1_000_000
_BYTES_OF_CODE: Final = 16
"""Far more than the digits need, so that none of them is more likely."""


class VerificationCode(Document["VerificationCode"]):
    """A code that was asked for. Times are ms since the epoch.

    ``password`` and ``claims`` are those of an account that is made with it, the password as a
    hash. There is one for logins that nobody has, too: to whom it was sent is not seen here.
    """

    ticket: bytes
    code: bytes
    purpose: CodePurpose
    login: str
    attempts: int
    expires_at: float
    password: NotRequired[str]
    claims: NotRequired[dict[str, Any]]


class VerificationCodes(Table[VerificationCode], name="_verification_codes", number=1024):
    """The codes that may still be entered, and some that have expired."""

    by_ticket: ClassVar[Index] = Index("ticket", unique=True)
    by_login: ClassVar[Index] = Index("login")
    by_expiry: ClassVar[Index] = Index("expires_at")


class NewCode(NamedTuple):
    """A code that was made.

    Attributes:
        ticket: For whoever asked.
        code: For whoever reads what is sent to the login.
    """

    ticket: str
    code: str


class Wanted(NamedTuple):
    """What a code is to be for."""

    purpose: CodePurpose
    login: str
    content: dict[str, Any]


class CodeRecords:
    """Reads and writes codes, each time inside of one transaction.

    Args:
        options: How long codes are, and how long they are good.
        clock: The time, and secrets.
    """

    def __init__(self, options: Sessions, clock: Clock) -> None:
        self._options = options
        self._clock = clock

    def make(self, writer: ServiceWriter, wanted: Wanted) -> NewCode:
        """Make a code, for whatever login."""
        now, options = self._clock.now_ns() / _NS_PER_MS, self._options
        codes = writer.query(VerificationCodes)
        for old in codes.with_index(VerificationCodes.by_expiry, lte=now).take(_FORGOTTEN_AT_ONCE):
            writer.delete(old["_id"])
        secret, code = self._clock.secret(SECRET_BYTES), self._drawn()
        fields: dict[str, Any] = {
            "ticket": digest(secret),
            "code": _hash_of(secret, code),
            "purpose": wanted.purpose,
            "login": wanted.login,
            "attempts": 0,
            "expires_at": now + options.code_seconds * _MS,
            **wanted.content,
        }
        writer.insert(VerificationCodes, fields)
        return NewCode(write_ticket(secret), code)

    def login_of(self, reader: Reader, ticket: str) -> str:
        """The login that a ticket is for; empty if it is none."""
        secret = read_ticket(ticket)
        found = None if secret is None else _find(reader, secret)
        return "" if found is None else found["login"]

    def redeem(
        self, writer: ServiceWriter, ticket: str, code: object, purposes: frozenset[CodePurpose]
    ) -> VerificationCode | None:
        """What a code was for, once; None if it is not right, which is counted."""
        secret = read_ticket(ticket)
        found = None if secret is None else _find(writer, secret)
        if secret is None or found is None or found["purpose"] not in purposes:
            return None
        if found["expires_at"] <= self._clock.now_ns() / _NS_PER_MS:
            writer.delete(found["_id"])
            return None
        if hmac.compare_digest(found["code"], _hash_of(secret, _plain(code))):
            writer.delete(found["_id"])
            return found
        attempts = found["attempts"] + 1
        if attempts < self._options.code_attempts:
            writer.patch(found["_id"], attempts=attempts)
        else:
            writer.delete(found["_id"])
        return None

    def forget(self, writer: ServiceWriter, login: str) -> None:
        """Let no code for a login be good any more."""
        codes = writer.query(VerificationCodes)
        for found in codes.with_index(VerificationCodes.by_login, login).collect():
            writer.delete(found["_id"])

    def _drawn(self) -> str:
        digits = self._options.code_digits
        number = int.from_bytes(self._clock.secret(_BYTES_OF_CODE), "big")
        return str(number % 10**digits).zfill(digits)


def _find(reader: Reader, secret: bytes) -> VerificationCode | None:
    codes = reader.query(VerificationCodes)
    return codes.with_index(VerificationCodes.by_ticket, digest(secret)).first()


def _hash_of(secret: bytes, code: str) -> bytes:
    return hmac.digest(secret, code.encode("utf-8", "surrogatepass"), "sha256")


def _plain(code: object) -> str:
    """A code as it was sent: people type it with blanks and hyphens."""
    text = code if isinstance(code, str) else ""
    return "".join(text.replace("-", " ").split())
