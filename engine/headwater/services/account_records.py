"""Accounts and their passwords as they are stored: each step inside of one transaction."""

from typing import Any, cast

from headwater.errors import DocumentNotFoundError, SignUpRefusedError
from headwater.functions.accounts import Account, Accounts
from headwater.schema.tables import Id
from headwater.services.session_tables import AccountPassword, AccountPasswords
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter


def account_of(reader: Reader, login: str | None) -> Account | None:
    """The account of a login in its normal form."""
    if login is None:
        return None
    return reader.query(Accounts).with_index(Accounts.by_login, login).first()


def find_account(reader: Reader, id: str) -> Account | None:
    """The account of an id, or None."""
    is_text = isinstance(cast("object", id), str)
    normal = reader.normalize_id(Accounts, id) if is_text else None
    return None if normal is None else reader.get(normal)


def account_of_id(reader: Reader, id: str) -> Account:
    """The account of an id.

    Raises:
        DocumentNotFoundError: There is none.
    """
    found = find_account(reader, id)
    if found is None:
        raise DocumentNotFoundError(f"there is no account {id!r}", id=id)
    return found


def add_account(
    writer: ServiceWriter, login: str, claims: dict[str, Any], *, is_verified: bool
) -> Id[Account]:
    """Make an account.

    Raises:
        SignUpRefusedError: The login is taken.
    """
    if account_of(writer, login) is not None:
        raise SignUpRefusedError("the login is taken", reason="login_taken")
    fields = {"login": login, "is_verified": is_verified, "claims": claims}
    return writer.insert(Accounts, fields)


def stored_password(reader: Reader, account: Id[Account]) -> AccountPassword | None:
    """The password of an account, if it has one."""
    passwords = reader.query(AccountPasswords)
    return passwords.with_index(AccountPasswords.by_account, account).first()


def hash_of(reader: Reader, account: Account | None) -> str | None:
    """The hash of the password of an account, if there are both."""
    found = None if account is None else stored_password(reader, account["_id"])
    return None if found is None else found["hash"]


def put_hash(writer: ServiceWriter, account: Id[Account], hashed: str) -> None:
    """Give an account a password, in place of the one that it has."""
    found = stored_password(writer, account)
    if found is None:
        writer.insert(AccountPasswords, {"account": account, "hash": hashed})
    else:
        writer.patch(found["_id"], hash=hashed)


def delete_password(writer: ServiceWriter, account: Id[Account]) -> None:
    """Let an account have no password."""
    password = stored_password(writer, account)
    if password is not None:
        writer.delete(password["_id"])


def delete_account(writer: ServiceWriter, account: Id[Account]) -> None:
    """Delete an account and its password. Its sessions have been ended before."""
    delete_password(writer, account)
    writer.delete(account)
