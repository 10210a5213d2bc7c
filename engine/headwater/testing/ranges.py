"""Strategies for numbers within bounds."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater.schema.validators import Range
from headwater.testing.edges import SPECIAL_FLOATS
from headwater_indexes.values import INT_MAX, INT_MIN

_SPECIAL_INTEGERS: Final = (0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, INT_MAX, INT_MIN)


def integers_in(ranges: Sequence[Range]) -> SearchStrategy[int]:
    """Signed 64 bit ints that all ranges accept, with a liking for the bounds."""
    bounds = _integer_bounds(ranges)
    if bounds is None:
        return st.nothing()
    low, high = bounds
    near = {low, low + 1, high - 1, high, *_SPECIAL_INTEGERS}
    special = sorted((n for n in near if low <= n <= high), key=abs)
    return st.integers(low, high) | st.sampled_from(special)


def floats_in(ranges: Sequence[Range]) -> SearchStrategy[float]:
    """Floats and ints about as all ranges accept them, with a liking for the bounds.

    A float at an exclusive bound, or beside a bound that no float can hold, may be among them.
    """
    limits = list(map(_as_float, _all_bounds(ranges)))
    near = {math.nextafter(limit, way) for limit in limits for way in (-math.inf, math.inf)}
    special = [n for n in (*limits, *sorted(near), *SPECIAL_FLOATS) if _all_accept(ranges, n)]
    lows = [_as_float(bound) for r in ranges for bound in (r.ge, r.gt) if bound is not None]
    highs = [_as_float(bound) for r in ranges for bound in (r.le, r.lt) if bound is not None]
    low, high = max(lows, default=-math.inf), min(highs, default=math.inf)
    if not low <= high:
        return st.nothing()
    return st.one_of(
        integers_in(ranges),
        # Hypothesis puts -0.0 below 0.0: one zero for both bounds is never the wrong way round.
        st.floats(low + 0.0, high + 0.0, allow_nan=False),
        *([st.sampled_from(special)] if special else []),
    )


def outside(ranges: Sequence[Range]) -> list[float]:
    """Numbers just beyond the bounds, and NaN: ints and floats."""
    found: list[float] = [math.nan, math.inf, -math.inf, INT_MIN, INT_MAX]
    for bound in _all_bounds(ranges):
        limit = _as_float(bound)
        found += [limit, math.nextafter(limit, -math.inf), math.nextafter(limit, math.inf)]
        if math.isfinite(limit):
            whole = math.floor(bound)
            found += [whole - 1, whole, whole + 1, whole + 2]
    return [number for number in found if not _all_accept(ranges, number)]


def _integer_bounds(ranges: Sequence[Range]) -> tuple[int, int] | None:
    low, high = INT_MIN, INT_MAX
    for each in ranges:
        if any(bound != bound for bound in _all_bounds([each])):  # noqa: PLR0124 - NaN
            return None
        low = max(low, _least(each.ge, 0), _least(each.gt, 1))
        high = min(high, -_least(_negated(each.le), 0), -_least(_negated(each.lt), 1))
    return (low, high) if low <= high else None


def _negated(bound: float | None) -> float | None:
    return None if bound is None else -bound


def _least(bound: float | None, beyond: int) -> int:
    """The least int that is at least a bound (or above it), a bit outside of 64 bits if need be."""
    if bound is None or bound == -math.inf:
        return INT_MIN - 1
    if bound == math.inf:
        return INT_MAX + 2
    return math.floor(bound) + 1 if beyond else math.ceil(bound)


def _all_bounds(ranges: Iterable[Range]) -> list[float]:
    return [bound for r in ranges for bound in (r.ge, r.gt, r.le, r.lt) if bound is not None]


def _as_float(bound: Any) -> float:
    try:
        return float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf


def _all_accept(ranges: Iterable[Range], number: float) -> bool:
    return all(each.accepts(number) for each in ranges)
