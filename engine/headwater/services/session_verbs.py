"""Signing up, in and out.

Hashes are made between transactions; what was read before is looked at again by the one that
writes.
"""

from collections.abc import Mapping
from typing import Any

from headwater.errors import ArgumentError, SignInRefusedError, TokenInvalidError
from headwater.functions.accounts import Account, SessionTokens
from headwater.functions.session_client import NO_CLAIMS, WhichSessions
from headwater.services.account_records import (
    account_of,
    account_of_id,
    add_account,
    delete_account,
    find_account,
    hash_of,
    put_hash,
)
from headwater.services.code_verbs import CodeVerbs, checked_claims
from headwater.services.passwords import login_of, new_login, new_password, password_of
from headwater.services.session_records import Start, no_session, start_of
from headwater.services.session_tokens import read_refresh
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter


class SessionVerbs(CodeVerbs):
    """A `headwater.functions.session_client.SessionClient`, which says what each verb does."""

    def sign_up(
        self,
        login: str,
        password: str,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Make an account, and sign in to it."""
        service, records = self._service, self._service.records
        with self._entering():
            said, start = checked_claims(claims), start_of("password", device, address)
            normal = new_login(login)
            content = new_password(password, normal, service.options)
            service.count(*service.throttles.signing_up(address))
            hashed = service.hasher.hash(content)

            def run(writer: ServiceWriter) -> SessionTokens:
                account = add_account(writer, normal, said, is_verified=False)
                put_hash(writer, account, hashed)
                return records.begin(writer, account, start)

            return service.issue(service.write("sign_up", run))

    def sign_in(
        self, login: str, password: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Begin a session."""
        service = self._service
        with self._entering():
            normal, start = login_of(login), start_of("password", device, address)
            service.count(*service.throttles.signing_in(normal, address))
            tokens = None
            while tokens is None:
                tokens = self._signed_in(normal, password, start)
            return service.issue(tokens)

    def _signed_in(self, login: str | None, password: str, start: Start) -> SessionTokens | None:
        """Begin a session; None if the hash was replaced while the password was compared with it.

        Raises:
            SignInRefusedError: They are not right.
        """
        service = self._service
        known = service.read(lambda reader: hash_of(reader, account_of(reader, login)))
        newer = self._proved(known, password)

        def run(writer: ServiceWriter) -> SessionTokens | None:
            account = account_of(writer, login)
            if account is None or hash_of(writer, account) != known:
                return None
            if newer is not None:
                put_hash(writer, account["_id"], newer)
            service.throttles.succeeded(writer, account["login"])
            return service.records.begin(writer, account["_id"], start)

        return service.write("sign_in", run)

    def _proved(self, known: str | None, password: str) -> str | None:
        """Compare a password; a hash to replace the known one, if that was made otherwise.

        Raises:
            SignInRefusedError: It is not right.
        """
        service = self._service
        content = password_of(password, service.options)
        if not service.hasher.verify(known, content) or known is None or content is None:
            raise SignInRefusedError
        return service.hasher.hash(content) if service.hasher.is_outdated(known) else None

    def refresh(self, refresh_token: str) -> SessionTokens:
        """The next tokens of a session."""
        service = self._service
        with self._entering():
            secrets = read_refresh(refresh_token)
            if secrets is None:
                raise no_session("malformed")
            tokens = service.write("refresh", lambda w: service.records.refresh(w, secrets))
        if isinstance(tokens, TokenInvalidError):
            raise tokens
        return service.issue(tokens)

    def sign_out(self, token: str, *, which: WhichSessions = "this") -> int:
        """End sessions; how many that were."""
        if which not in ("this", "others", "all"):
            raise ArgumentError(f"sign_out(which={which!r}): expected 'this', 'others' or 'all'")
        records = self._service.records

        def run(writer: ServiceWriter) -> int:
            found = find(writer)
            if found is None:
                return 0
            account, ended = found.session["account"], 0
            if which != "others":
                records.end(writer, found)
                ended = 1
            if which != "this":
                ended += records.end_all(writer, account, found.session["_id"])
            return ended

        with self._entering():
            find = self._service.finder(token)
            return self._service.write("sign_out", run)

    def sign_out_account(self, account: str) -> int:
        """End all sessions of an account; how many that were."""
        records = self._service.records

        def run(writer: ServiceWriter) -> int:
            return records.end_all(writer, account_of_id(writer, account)["_id"])

        with self._entering():
            return self._service.write("sign_out", run)

    def end_session(self, session: str) -> bool:
        """End one session by its id; whether there was one."""
        records = self._service.records

        def run(writer: ServiceWriter) -> bool:
            found = records.by_id(writer, session)
            if found is not None:
                records.end(writer, found)
            return found is not None

        with self._entering():
            return self._service.write("sign_out", run)

    def change_password(
        self, access_token: str, old: str, new: str, *, address: str | None = None
    ) -> None:
        """Replace a password by who knows it."""
        service, records = self._service, self._service.records
        with self._entering():
            secret = service.access_secret(access_token)
            account, known = service.read(lambda r: self._known(r, secret))
            content = new_password(new, account["login"], service.options)
            service.count(*service.throttles.signing_in(account["login"], address))
            self._proved(known, old)
            hashed = service.hasher.hash(content)

            def run(writer: ServiceWriter) -> None:
                session = records.verify(writer, secret).session
                if hash_of(writer, account) != known:
                    raise SignInRefusedError
                put_hash(writer, session["account"], hashed)
                records.end_all(writer, session["account"], session["_id"])
                service.settle(writer, account["login"])

            service.write("change_password", run)

    def _known(self, reader: Reader, secret: bytes) -> tuple[Account, str | None]:
        """The account of an access token, and the hash of its password."""
        records = self._service.records
        account = account_of_id(reader, records.verify(reader, secret).session["account"])
        return account, hash_of(reader, account)

    def set_password(self, account: str, password: str) -> None:
        """Give an account a password, on the word of the program."""
        service, records = self._service, self._service.records
        with self._entering():
            login = service.read(lambda r: account_of_id(r, account))["login"]
            hashed = service.hasher.hash(new_password(password, login, service.options))

            def run(writer: ServiceWriter) -> None:
                id = account_of_id(writer, account)["_id"]
                put_hash(writer, id, hashed)
                records.end_all(writer, id)
                service.settle(writer, login)

            service.write("set_password", run)

    def set_claims(self, account: str, claims: Mapping[str, Any]) -> None:
        """Say something else of somebody, from their next call on."""
        said = checked_claims(claims)

        def run(writer: ServiceWriter) -> None:
            writer.patch(account_of_id(writer, account)["_id"], claims=said)

        with self._entering():
            self._service.write("set_claims", run)

    def delete_account(self, account: str) -> bool:
        """Delete an account with its sessions and its password; whether there was one."""
        records, codes = self._service.records, self._service.codes

        def run(writer: ServiceWriter) -> bool:
            found = find_account(writer, account)
            if found is not None:
                records.end_all(writer, found["_id"])
                codes.forget(writer, found["login"])
                delete_account(writer, found["_id"])
            return found is not None

        with self._entering():
            return self._service.write("delete_account", run)
