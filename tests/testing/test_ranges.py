"""Bounds are met exactly, whatever numbers they are."""

import math

from hypothesis import given
from hypothesis import strategies as st

from headwater.schema.validators import Range
from headwater.testing.ranges import _integer_bounds, floats_in, integers_in, outside

BOUNDS = (
    st.none()
    | st.integers(-5, 5)
    | st.sampled_from(
        [-2.5, -0.0, 0.5, 2.0, 3.7, math.inf, -math.inf, math.nan, 2**63, -(2**70), 2**2000]
    )
)
RANGES = st.lists(
    st.builds(lambda ge, gt, le, lt: Range(ge=ge, gt=gt, le=le, lt=lt), *[BOUNDS] * 4),
    min_size=1,
    max_size=2,
)


def accepted(ranges, number):
    return all(each.accepts(number) for each in ranges)


@given(RANGES)
def test_the_ints_between_the_bounds_are_those_that_are_accepted(ranges):
    bounds = _integer_bounds(ranges)
    low, high = (1, 0) if bounds is None else bounds
    for number in (*range(-8, 9), 2**63 - 1, -(2**63), 2**62):
        assert (low <= number <= high) == accepted(ranges, number)


@given(st.data(), RANGES)
def test_every_int_that_is_drawn_is_accepted(data, ranges):
    strategy = integers_in(ranges)
    if strategy.is_empty:
        assert not any(accepted(ranges, number) for number in range(-8, 9))
    else:
        assert accepted(ranges, data.draw(strategy))


@given(st.data())
def test_bounds_of_either_zero_are_the_same_to_floats(data):
    ranges = [Range(ge=0.0, le=-0.0)]
    assert data.draw(floats_in(ranges)) == 0


@given(st.data(), RANGES)
def test_floats_are_drawn_wherever_one_is_accepted(data, ranges):
    strategy = floats_in(ranges)
    if strategy.is_empty:
        # NaN is outside of all bounds, and of a range without any it may be left out.
        some = (-4.5, -2.5, 0.0, 0.5, 2.0, 3.7, 4.5, 1e300)
        assert not any(accepted(ranges, number) for number in some)
    else:
        assert data.draw(strategy) is not None


@given(RANGES)
def test_what_is_outside_is_not_accepted(ranges):
    assert not any(accepted(ranges, number) for number in outside(ranges))
