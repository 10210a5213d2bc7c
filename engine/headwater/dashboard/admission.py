"""Who may use the API of the dashboard: whoever shows the admin token, and does not guess."""

import threading
from collections import OrderedDict
from http import HTTPStatus
from typing import Final

from headwater.clock import Clock
from headwater.functions.http_messages import Response
from headwater.server.api import Answer, ApiRequest
from headwater.server.authentication import Authentication
from headwater.server.refusals import RefusalError

_WINDOW_SECONDS: Final = 60.0
_ADDRESSES_MAX: Final = 4096
_SCHEME: Final = "convex"


class Attempts:
    """Counts wrong tokens by the address that they came from, within a minute.

    Args:
        clock: Of the database.
        maximum: How many are answered; the next ones have to wait, right or wrong.
    """

    def __init__(self, clock: Clock, maximum: int) -> None:
        self._clock = clock
        self._maximum = maximum
        self._lock = threading.Lock()
        # By address: when its minute has begun, and how many there were.
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that has guessed too often.

        Raises:
            RefusalError: It has; it says when to come back.
        """
        with self._lock:
            began, count = self._failures.get(address, (0.0, 0))
            passed = self._clock.monotonic() - began
        if count >= self._maximum and passed < _WINDOW_SECONDS:
            seconds = int(_WINDOW_SECONDS - passed) + 1
            raise RefusalError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "TooManyAttempts",
                f"{count} wrong tokens came from this address; try again in {seconds} s",
                (("retry-after", str(seconds)),),
            )

    def failed(self, address: str) -> None:
        """Note a wrong token."""
        now = self._clock.monotonic()
        with self._lock:
            began, count = self._failures.pop(address, (now, 0))
            if now - began >= _WINDOW_SECONDS:
                began, count = now, 0
            self._failures[address] = (began, count + 1)
            if len(self._failures) > _ADDRESSES_MAX:
                self._failures.popitem(last=False)


class Admission:
    """Lets administrators in.

    Args:
        authentication: Knows the token.
        attempts: Counts the wrong ones.
    """

    def __init__(self, authentication: Authentication, attempts: Attempts) -> None:
        self._authentication = authentication
        self._attempts = attempts

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
        self._attempts.check(address)
        if not token:
            raise RefusalError(
                HTTPStatus.UNAUTHORIZED,
                "NotSignedIn",
                "expected the header Authorization: Convex <admin token>",
            )
        try:
            self._authentication.administrator(token)
        except RefusalError:
            self._attempts.failed(address)
            raise


def _token_of(headers: list[str]) -> str:
    """The token that a request shows. No cookie stands for it, so no other page can send it."""
    scheme, _, token = headers[0].strip().partition(" ") if len(headers) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == _SCHEME else ""
