"""What is kept of secrets: in tables of their own, so that nobody shows them by accident."""

from typing import ClassVar, NotRequired

from headwater.functions.accounts import Account, AccountSession
from headwater.schema.tables import Document, Id, Index, Table


class AccountPassword(Document["AccountPassword"]):
    """The password of an account, as an argon2id hash with its salt and its numbers."""

    account: Id[Account]
    hash: str


class AccountPasswords(Table[AccountPassword], name="_account_passwords", number=1021):
    """The passwords of those who have one."""

    by_account: ClassVar[Index] = Index("account", unique=True)


class SessionKeys(Document["SessionKeys"]):
    """By what the tokens of a session are recognized: SHA-256 hashes. Times are ms since the epoch.

    The ``previous`` ones are those before the last refresh: the refresh token is good for a grace,
    the access token until it expires. ``nonce`` made the present ones from them.
    """

    session: Id[AccountSession]
    family: bytes
    refresh: bytes
    access: bytes
    access_expires_at: float
    previous_refresh: NotRequired[bytes]
    previous_access: NotRequired[bytes]
    previous_access_expires_at: NotRequired[float]
    nonce: NotRequired[bytes]


class SessionKeyTable(Table[SessionKeys], name="_session_keys", number=1023):
    """The hashes of all tokens that are good."""

    by_session: ClassVar[Index] = Index("session", unique=True)
    by_family: ClassVar[Index] = Index("family", unique=True)
    by_access: ClassVar[Index] = Index("access", unique=True)
    by_previous_access: ClassVar[Index] = Index("previous_access")
