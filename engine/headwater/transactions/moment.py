"""The time and the randomness of one transaction, taken when they are first asked for."""

from collections.abc import Callable
from typing import Self


class Moment:
    """Both stand still once taken: every look gives the same.

    Most reads ask for neither, so neither is taken in advance.
    """

    __slots__ = ("_now_ms", "_seed", "_take_now_ms", "_take_seed")

    def __init__(self, take_now_ms: Callable[[], float], take_seed: Callable[[], int]) -> None:
        self._take_now_ms = take_now_ms
        self._take_seed = take_seed
        self._now_ms: float | None = None
        self._seed: int | None = None

    @classmethod
    def fixed(cls, *, now_ms: float, seed: int) -> Self:
        """A moment that is known, to repeat a transaction."""
        return cls(lambda: now_ms, lambda: seed)

    @property
    def now_ms(self) -> float:
        """Milliseconds since the epoch."""
        if self._now_ms is None:
            self._now_ms = self._take_now_ms()
        return self._now_ms

    @property
    def seed(self) -> int:
        """64 bits that everything random is made from."""
        if self._seed is None:
            self._seed = self._take_seed()
        return self._seed
