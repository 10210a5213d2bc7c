"""What a query gave on one snapshot, and how live queries run one."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from headwater.tables.snapshot import Snapshot
from headwater_indexes.intervals import Interval

_SHARED_MAX: Final = 2
"""Intervals of one run that are looked for among those of others; more are seldom the same."""


class Evaluation(NamedTuple):
    """One run of a query.

    Attributes:
        result: The packed result; None if it raised.
        error: What it raised.
        intervals: Everything that the outcome depends on, each once. Not a set, of which there
            would be one for each live query, and most would hold one or two.
        journal: Cursor at which its page ended, for the next run.
        observed_time: Whether it asked for the time or for randomness; others have their own.
        observed_identity: Whether it asked who calls.
    """

    result: bytes | None
    error: BaseException | None
    intervals: tuple[Interval, ...]
    journal: str | None
    observed_time: bool = False
    observed_identity: bool = False

    def gives_the_same_as(self, other: "Evaluation") -> bool:
        """Whether a subscriber could not tell the two apart."""
        if self.result is not None or other.result is not None:
            return self.result == other.result
        return type(self.error) is type(other.error) and str(self.error) == str(other.error)


Evaluate: TypeAlias = Callable[[Snapshot, str | None], Evaluation]
"""Runs a query on a snapshot, with the journal of its run before."""


def each_once(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Intervals without those that are there twice.

    Many live queries may watch the same, each with arguments of its own: those that have read the
    same one or two intervals keep them together.
    """
    distinct = tuple(set(intervals))
    return _shared(distinct) if len(distinct) <= _SHARED_MAX else distinct


@lru_cache(maxsize=256)
def _shared(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The equal tuple that came first."""
    return intervals
