"""Recognizing who has a token."""

from typing import TYPE_CHECKING

from headwater.functions.identity import Identity
from headwater.verbs.calling import CallingVerbs

if TYPE_CHECKING:
    from headwater.services.tokens import VerifiedToken


class IdentifyingVerbs(CallingVerbs):
    """From tokens to identities."""

    def identify(self, token: str) -> Identity:
        """Who has a token: ``db.acting_as(db.identify(token)).query(...)``.

        May fetch a provider's keys, which takes seconds at most; otherwise a fraction of a
        millisecond.

        Raises:
            TokenInvalidError: It does not prove who somebody is, whatever was given.
            TokenKeysUnavailableError: The keys of its issuer cannot be had now.
        """
        return self._services.identification.identify(token)

    def verify_token(self, token: str) -> "VerifiedToken":
        """Who has a token, and until when: what a server needs that acts for somebody for long.

        Raises what `identify` raises.
        """
        return self._services.identification.verify(token)
