"""Signing up and in by a code, and resetting a password by one.

Whatever login is given, the answer and the work are the same: a ticket, and a code that is stored.
Whether one is sent is seen by the owner of the login alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import CodeRefusedError
from headwater.functions.accounts import Account, SessionTokens
from headwater.functions.code_delivery import CodePurpose
from headwater.functions.context_services import Entering
from headwater.functions.identity import Identity
from headwater.functions.session_client import NO_CLAIMS
from headwater.schema.tables import Id
from headwater.services.account_records import (
    account_of,
    add_account,
    delete_password,
    put_hash,
)
from headwater.services.passwords import login_of, new_login, new_password
from headwater.services.session_records import start_of
from headwater.services.tokens import SESSION_ISSUER
from headwater.services.verification_codes import NewCode, VerificationCode, Wanted
from headwater.transactions.service_writer import ServiceWriter

if TYPE_CHECKING:
    from headwater.services.sessions import SessionService

_SIGNING: Final[frozenset[CodePurpose]] = frozenset({"sign_up", "sign_in"})
_RESETTING: Final[frozenset[CodePurpose]] = frozenset({"reset_password"})


class CodeVerbs:
    """What a `headwater.functions.session_client.SessionClient` does with codes.

    Args:
        service: Does the work.
        entering: A block for one use.
    """

    def __init__(self, service: "SessionService", entering: Entering) -> None:
        self._service = service
        self._entering = entering

    def send_sign_up_code(
        self,
        login: str,
        password: str | None = None,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
    ) -> str:
        """Begin to sign up; a ticket for the code that is sent."""
        service = self._service
        with self._entering():
            service.deliveries.check()
            content: dict[str, Any] = {"claims": checked_claims(claims)}
            normal = new_login(login)
            plain = None if password is None else new_password(password, normal, service.options)
            service.count(*service.throttles.sending(normal, address))
            if plain is not None:
                content["password"] = service.hasher.hash(plain)
            return self._send("sign_up", normal, content)

    def send_sign_in_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to sign in without a password; a ticket for the code that is sent."""
        return self._send_to_known("sign_in", login, address)

    def send_reset_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to reset a password; a ticket for the code that is sent."""
        return self._send_to_known("reset_password", login, address)

    def redeem_code(
        self, ticket: str, code: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Sign up or in by a code."""
        service = self._service

        def run(writer: ServiceWriter) -> SessionTokens | None:
            found = service.codes.redeem(writer, ticket, code, _SIGNING)
            if found is None:
                return None
            account = self._signed_up(writer, found)
            if account is None:
                return None
            return service.records.begin(writer, account, start)

        with self._entering():
            start = start_of("code", device, address)
            service.count(*service.throttles.guessing(address))
            return self._issued(service.write("redeem_code", run))

    def reset_password(
        self,
        ticket: str,
        code: str,
        password: str,
        *,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Set a password by a code, and sign in."""
        service, records = self._service, self._service.records
        with self._entering():
            start = start_of("code", device, address)
            service.count(*service.throttles.guessing(address))
            login = service.read(lambda reader: service.codes.login_of(reader, ticket))
            hashed = service.hasher.hash(new_password(password, login, service.options))

            def run(writer: ServiceWriter) -> SessionTokens | None:
                found = service.codes.redeem(writer, ticket, code, _RESETTING)
                account = None if found is None else account_of(writer, found["login"])
                if account is None:
                    return None
                put_hash(writer, account["_id"], hashed)
                records.end_all(writer, account["_id"])
                writer.patch(account["_id"], is_verified=True)
                service.settle(writer, account["login"])
                return records.begin(writer, account["_id"], start)

            return self._issued(service.write("reset_password", run))

    def wait_for_deliveries(self) -> None:
        """Wait until the codes that were made so far are delivered, or could not be."""
        with self._entering():
            self._service.deliveries.wait()

    # -- inside ---------------------------------------------------------------------------------

    def _send_to_known(self, purpose: CodePurpose, login: str, address: str | None) -> str:
        service = self._service
        with self._entering():
            service.deliveries.check()
            normal = login_of(login) or ""
            service.count(*service.throttles.sending(normal, address))
            return self._send(purpose, normal, {})

    def _send(self, purpose: CodePurpose, login: str, content: dict[str, Any]) -> str:
        """Make a code, and have it delivered if there is somebody to whom."""
        service = self._service

        def run(writer: ServiceWriter) -> tuple[NewCode, bool]:
            made = service.codes.make(writer, Wanted(purpose, login, content))
            return made, account_of(writer, login) is not None

        made, is_known = service.write(f"send_{purpose}_code", run)
        if is_known and purpose == "sign_up":
            service.deliveries.begin(login, "already_signed_up", "")
        else:
            is_sent = is_known or purpose == "sign_up"
            service.deliveries.begin(login, purpose if is_sent else None, made.code)
        return made.ticket

    def _issued(self, tokens: SessionTokens | None) -> SessionTokens:
        if tokens is None:
            raise CodeRefusedError
        return self._service.issue(tokens)

    def _signed_up(self, writer: ServiceWriter, found: VerificationCode) -> Id[Account] | None:
        """The account of a code that was right; one for a sign-up is made now."""
        if found["purpose"] == "sign_up":
            claims = found.get("claims", {})
            account = add_account(writer, found["login"], claims, is_verified=True)
            hashed = found.get("password")
            if hashed is not None:
                put_hash(writer, account, hashed)
            return account
        known = account_of(writer, found["login"])
        if known is None:
            return None
        if not known["is_verified"]:
            # Whoever signed up with this login may not have been its owner, who is here now.
            self._service.records.end_all(writer, known["_id"])
            delete_password(writer, known["_id"])
            writer.patch(known["_id"], is_verified=True)
        return known["_id"]


def checked_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of an identity.

    Raises:
        ArgumentError: They cannot be.
    """
    return Identity("anybody", SESSION_ISSUER, claims).claims
