import math

import pytest
from bench.spread import ratios, spread_of
from hypothesis import given
from hypothesis import strategies as st

rates = st.floats(min_value=1e-3, max_value=1e9)
samples = st.lists(rates, min_size=1, max_size=20)


@given(samples)
def test_quartiles_enclose_the_median_and_are_enclosed_by_the_samples(values):
    spread = spread_of(values)
    assert min(values) <= spread.low_quartile <= spread.median
    assert spread.median <= spread.high_quartile <= max(values)


@given(samples, st.randoms())
def test_spread_does_not_depend_on_the_order_of_the_samples(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert spread_of(shuffled) == spread_of(values)


@given(samples)
def test_about_a_quarter_of_the_samples_lie_outside_of_each_quartile(values):
    spread, count = spread_of(values), len(values)
    assert sum(v <= spread.low_quartile for v in values) * 4 >= count
    assert sum(v >= spread.high_quartile for v in values) * 4 >= count
    assert sum(v < spread.low_quartile for v in values) * 4 <= count + 2
    assert sum(v > spread.high_quartile for v in values) * 4 <= count + 2


@given(samples, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_spread_scales_with_the_samples(values, factor):
    spread, scaled = spread_of(values), spread_of([v * factor for v in values])
    assert math.isclose(scaled.median, spread.median * factor)
    assert math.isclose(scaled.high_quartile, spread.high_quartile * factor)


@given(samples)
def test_the_ratio_to_oneself_is_one(values):
    assert ratios(values, values) == [1.0] * len(values)


@given(st.lists(st.tuples(rates, rates, st.sampled_from([0.5, 1.0, 8.0])), min_size=1))
def test_a_slow_round_does_not_change_its_ratio(rounds):
    calm = ratios([a for a, _, _ in rounds], [b for _, b, _ in rounds])
    noisy = ratios([a * s for a, _, s in rounds], [b * s for _, b, s in rounds])
    assert all(map(math.isclose, calm, noisy))


def test_quartiles_of_five_samples_are_the_second_and_the_fourth():
    spread = spread_of([50, 10, 40, 20, 30])
    assert (spread.low_quartile, spread.median, spread.high_quartile) == (20, 30, 40)


def test_ratios_need_the_same_rounds():
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])
