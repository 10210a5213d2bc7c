"""Who has a token: that of an identity provider, or of one of the database's own sessions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwater.errors import TokenInvalidError
from headwater.functions.identity import Identity
from headwater.functions.purity import refuse_inside
from headwater.functions.runner import Runner
from headwater.services.token_text import read_token
from headwater.services.tokens import TokenProvider, TokenVerifier, VerifiedToken

if TYPE_CHECKING:
    from headwater.services.sessions import SessionService


class Identification:
    """Recognizes tokens for one open database.

    Args:
        runner: Of the database.
        providers: Whose tokens are believed.
        sessions: The database's own; None if it has none.

    Raises:
        DeclarationError: A provider's keys are not there.
        ModuleNotFoundError: There are providers, and the extra ``auth`` is not installed.
    """

    def __init__(
        self,
        runner: Runner,
        providers: Sequence[TokenProvider],
        sessions: "SessionService | None" = None,
    ) -> None:
        self._verifier = TokenVerifier(providers, runner.store.clock) if providers else None
        self._sessions = sessions

    def identify(self, token: str) -> Identity:
        """Who has a token. Raises what `verify` raises."""
        return self.verify(token).identity

    def verify(self, token: str) -> VerifiedToken:
        """Who has a token, and until when.

        Raises:
            TokenInvalidError: It is not valid.
            TokenKeysUnavailableError: The keys of its issuer cannot be had now.
        """
        refuse_inside()
        if self._sessions is not None and self._sessions.is_of_session(token):
            return self._sessions.verify(token)
        if self._verifier is not None:
            return self._verifier.verify(token)
        read_token(token)
        raise TokenInvalidError(
            "a token of a provider, and none is believed; name those that are: hw.open(..., "
            "providers=[hw.TokenProvider(...)])",
            reason="issuer",
        )
