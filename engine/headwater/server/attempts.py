"""Wrong admin tokens, counted, so that nobody guesses many of them."""

import threading
from collections import OrderedDict
from http import HTTPStatus
from typing import Final

from headwater.clock import Clock
from headwater.server.protocol import Backend
from headwater.server.refusals import RefusalError

_WINDOW_SECONDS: Final = 60.0
_ADDRESSES_MAX: Final = 4096


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


def attempts_of(backend: Backend) -> Attempts:
    """Those of one application."""
    store = backend.runner.store
    return Attempts(store.clock, store.limits.sign_in_attempts)
