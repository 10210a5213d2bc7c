"""Fresh ids: a function of a transaction's time, its seed, and the number of ids before."""

from functools import cache
from typing import TYPE_CHECKING, Final

from headwater_indexes.ids import creation_bits, mint_at

if TYPE_CHECKING:
    from hashlib import blake2b

_RANDOM_BYTES: Final = 9
_BLOCK_BYTES: Final = 7 * _RANDOM_BYTES
_TICKS_PER_MS: Final = 4096.0


class Minting:
    """Ids of one transaction, with creation times that strictly increase."""

    __slots__ = ("_at", "_block", "_blocks", "_creation", "_seed")

    def __init__(self, now_ms: float, seed: int) -> None:
        self._creation = creation_bits(now_ms)
        self._seed = seed
        self._block = b""
        self._blocks = 0
        self._at = _BLOCK_BYTES

    def next(self, table_number: int) -> tuple[str, float]:
        """A new id of the table, and the creation time in it, ms since the epoch."""
        ticks, start = self._creation, self._at
        if start == _BLOCK_BYTES:
            self._block = self._next_block()
            start = 0
        end = start + _RANDOM_BYTES
        random_bits = int.from_bytes(self._block[start:end], "big") >> 4
        self._creation, self._at = ticks + 1, end
        return mint_at(table_number, ticks, random_bits), ticks / _TICKS_PER_MS

    def take(self, table_number: int, count: int) -> list[tuple[str, float]]:
        """So many of them, in order."""
        following = self.next
        return [following(table_number) for _ in range(count)]

    @property
    def end_ms(self) -> float:
        """The least creation time that was not given out."""
        return self._creation / _TICKS_PER_MS

    def _next_block(self) -> bytes:
        source = b"%d/%d" % (self._seed, self._blocks)
        self._blocks += 1
        return _blake2b()(source, digest_size=_BLOCK_BYTES).digest()


@cache
def _blake2b() -> "type[blake2b]":
    from hashlib import blake2b  # which loads OpenSSL, and only writers need it

    return blake2b
