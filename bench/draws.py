"""Which document an operation wants: uniform, zipfian or latest, drawn from the round's number."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Final

from bench.documents import SEED

EXPONENT: Final = 0.99
"""YCSB's constant: the k-th most popular of all is wanted 1 / k**0.99 times as often."""


def zipfian_ranks(random: Random, items: int, count: int) -> list[int]:
    """Ranks from 0, the most popular, to ``items - 1``."""
    return random.choices(range(items), cum_weights=_cumulated(items), k=count)


def zipfian_places(random: Random, items: int, count: int) -> list[int]:
    """Places among items, where the popular ones are spread over all as YCSB's scrambling does.

    Unlike by its hash no two ranks meet in one place.
    """
    spread = _scrambled(items)
    return [spread[rank] for rank in zipfian_ranks(random, items, count)]


@lru_cache(maxsize=8)
def _cumulated(items: int) -> Sequence[float]:
    return list(accumulate((rank + 1) ** -EXPONENT for rank in range(items)))


@lru_cache(maxsize=8)
def _scrambled(items: int) -> Sequence[int]:
    places = list(range(items))
    Random(SEED).shuffle(places)
    return places
