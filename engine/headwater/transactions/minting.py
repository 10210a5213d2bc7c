"""Fresh ids: a function of a transaction's time, its seed, and the number of ids before."""

from typing import Final

from headwater_indexes.ids import creation_bits, mint_at

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
        ticks = self._creation
        self._creation = ticks + 1
        return mint_at(table_number, ticks, self._random_bits()), ticks / _TICKS_PER_MS

    @property
    def end_ms(self) -> float:
        """The least creation time that was not given out."""
        return self._creation / _TICKS_PER_MS

    def _random_bits(self) -> int:
        at = self._at
        if at == _BLOCK_BYTES:
            self._block = self._next_block()
            at = 0
        self._at = at + _RANDOM_BYTES
        return int.from_bytes(self._block[at : self._at], "big") >> 4

    def _next_block(self) -> bytes:
        from hashlib import blake2b  # which loads OpenSSL, and only writers need it

        source = b"%d/%d" % (self._seed, self._blocks)
        self._blocks += 1
        return blake2b(source, digest_size=_BLOCK_BYTES).digest()
