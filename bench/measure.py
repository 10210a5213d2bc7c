"""Interleaved rounds: in each round every contestant has one turn, each time in another order."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Work: TypeAlias = Callable[[], int]
"""What is timed. Returns how many units it did."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of those that take turns.

    Attributes:
        name: Unique among them.
        prepare: What a turn needs and is not timed. All contestants get the same random numbers in
            the same round.
    """

    name: str
    prepare: Callable[[Random], Work]


def rotated(items: Sequence[T], by: int) -> list[T]:
    """The items, beginning with another one; over ``len(items)`` rounds each is first once."""
    if not items:
        return []
    start = by % len(items)
    return [*items[start:], *items[:start]]


def measure(
    contestants: Sequence[Contestant],
    rounds: int,
    *,
    clock: Callable[[], float] = perf_counter,
    settle: Callable[[], object] = gc.collect,
) -> dict[str, list[float]]:
    """Units per second of each contestant, one sample per round. A first round is not counted.

    Args:
        contestants: Who takes turns.
        rounds: Counted rounds, at least one.
        clock: Seconds.
        settle: Called before each turn, so that nobody pays for what the one before left behind.
    """
    samples: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for at in range(-1, rounds):
        for contestant in rotated(contestants, at):
            work = contestant.prepare(Random(f"round {at}"))
            settle()
            started = clock()
            units = work()
            seconds = clock() - started
            if at >= 0:
                samples[contestant.name].append(units / max(seconds, 1e-9))
    return samples
