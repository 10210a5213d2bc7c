"""Accounts and sessions, for the program."""

from typing import TYPE_CHECKING

from headwater.functions.purity import outside
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.functions.session_client import SessionClient


class SessionVerbs(Opened):
    """Accounts and sessions of the database's own."""

    @property
    def sessions(self) -> "SessionClient":
        """Signing up, in and out; for a database that was opened with ``sessions=hw.Sessions()``.

        Raises:
            UsageError: It was not.
        """
        return self._services.sessions(outside)
