"""Who may use the API of the dashboard: whoever shows the admin token, and does not guess."""

from http import HTTPStatus
from typing import Final

from headwater.functions.http_messages import Response
from headwater.server.api import Answer, ApiRequest
from headwater.server.authentication import Authentication
from headwater.server.refusals import RefusalError

_SCHEME: Final = "convex"


class Admission:
    """Lets administrators in.

    Args:
        authentication: Knows the token, and counts the wrong ones.
    """

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    def guarded(self, answer: Answer) -> Answer:
        """The same answer, for administrators only."""

        async def admit(request: ApiRequest) -> Response:
            incoming = request.incoming
            given = incoming.headers.get_all("authorization")
            self.admit(incoming.client or "", _token_of(given))
            return await answer(request)

        return admit

    def admit(self, address: str, token: str) -> None:
        """Refuse whoever does not know the token.

        Args:
            address: Where it comes from.
            token: What was shown; empty for nothing.

        Raises:
            RefusalError: It is not the token, or the address has guessed too often.
        """
        if not token:
            raise RefusalError(
                HTTPStatus.UNAUTHORIZED,
                "NotSignedIn",
                "expected the header Authorization: Convex <admin token>",
            )
        self._authentication.administrator(token, address=address)


def _token_of(headers: list[str]) -> str:
    """The token that a request shows. No cookie stands for it, so no other page can send it."""
    scheme, _, token = headers[0].strip().partition(" ") if len(headers) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == _SCHEME else ""
