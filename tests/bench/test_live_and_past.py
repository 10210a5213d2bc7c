"""Live fan-out, time travel and sizes, on a small scale; nothing is said about speed."""

from itertools import pairwise
from random import Random

import pytest
from bench.adapters.live_headwater import LiveHeadwater
from bench.adapters.live_pglite import LivePglite
from bench.agree import Disagreement, check_live_agreement
from bench.live import steps
from bench.past import Past
from bench.sizes import Sizes
from bench.suite import Stage
from hypothesis import given
from hypothesis import strategies as st

SIZES = Sizes(documents=60, changes=20)


@given(st.integers(1, 10**6))
def test_steps_begin_with_one_and_end_with_the_most(most):
    found = steps(most)
    assert found[0] == 1
    assert found[-1] == most
    assert list(found) == sorted(set(found))
    assert all(after <= 100 * before for before, after in pairwise(found))


class Late(LiveHeadwater):
    name = "late"

    def update(self, posts):
        super().update(posts[:-1])


def test_live_queries_that_show_something_else_are_named(tmp_path):
    with pytest.raises(Disagreement, match="headwater and late disagree about what live query 0"):
        check_live_agreement({"headwater": LiveHeadwater, "late": Late}, tmp_path)


@pytest.mark.skipif(LivePglite.missing() is not None, reason=str(LivePglite.missing()))
def test_live_queries_of_pglite_show_the_same(tmp_path):
    check_live_agreement({"headwater": LiveHeadwater, "pglite": LivePglite}, tmp_path)


@pytest.fixture
def past(tmp_path):
    made = Past(Stage(tmp_path, {}, {"headwater": LiveHeadwater}, SIZES))
    yield made
    made.engine.end()


def test_moments_of_the_past_are_seen_as_they_were(past):
    assert sorted(past.moments) == [0, 2, 20]
    past.check()
    assert past.point_reads(20, SIZES, Random(1))() == SIZES.short_scans


def test_a_past_that_has_changed_is_not_timed(past):
    past.moments[20] = past.moments[0]
    with pytest.raises(Disagreement, match="20 commits ago is not seen as it was"):
        past.check()
