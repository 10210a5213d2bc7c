"""What grows faster than a tree, and what does not."""

import pytest
from bench.height import growths_of
from bench.report import growth_table
from bench.results import result_of
from hypothesis import given
from hypothesis import strategies as st

from bench import height

SMALL, LARGE = "headwater, 1000 documents", "headwater, 1000000 documents"
PAST = "headwater, 1000 documents with 10 times the history"


def growths(**seconds):
    """Of an operation that takes so long, by contestant, each round."""
    samples = {name: [1 / one for one in found] for name, found in seconds.items()}
    result = result_of(
        name="growth-get", title="", unit="reads", samples=samples, baseline=next(iter(samples))
    )
    return growths_of([result])


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        (0.5, "does not grow"),
        (1.05, "does not grow"),
        (1.5, "as the tree"),
        (2.0, "as the tree"),
        (2.15, "as the tree"),  # by less than the tolerance
        (2.3, "faster"),
        (1000.0, "faster"),
    ],
)
def test_a_thousand_times_the_documents_may_take_twice_as_long(seconds, verdict):
    (growth,) = growths(**{SMALL: [1.0] * 3, LARGE: [seconds] * 3})
    assert growth.height == pytest.approx(2)
    assert growth.grown.median == pytest.approx(seconds)
    assert growth.verdict == verdict


@given(st.floats(1e-6, 1e3))
def test_a_slow_machine_changes_no_verdict(factor):
    for seconds in (1.0, 1.9, 9.0):
        plain = growths(**{SMALL: [1.0], LARGE: [seconds]})
        slow = growths(**{SMALL: [factor], LARGE: [seconds * factor]})
        assert [one.verdict for one in plain] == [one.verdict for one in slow]


def test_what_its_quartiles_allow_is_not_called_faster():
    (growth,) = growths(**{SMALL: [1.0] * 5, LARGE: [1.0, 1.9, 9.0, 9.0, 9.0]})
    assert growth.grown.median > 2.2
    assert growth.verdict == "as the tree"


def test_a_history_counts_as_so_many_records():
    (growth,) = growths(**{SMALL: [1.0], PAST: [1.3]})
    assert growth.base == SMALL
    assert growth.height == pytest.approx(4 / 3)
    assert growth.verdict == "as the tree"


RAW_SMALL, RAW_LARGE = (f"lmdb-by-hand, {number} documents" for number in (1000, 10**6))


@pytest.mark.parametrize(
    ("raw", "verdict"), [(1.0, "faster"), (2.5, "faster"), (3.0, "as the tree")]
)
def test_what_raw_lmdb_pays_as_well_is_the_tree(raw, verdict):
    ours, theirs = growths(**{SMALL: [1.0], LARGE: [3.0], RAW_SMALL: [1.0], RAW_LARGE: [raw]})
    assert (ours.raw, ours.verdict) == (pytest.approx(raw), verdict)
    assert theirs.raw is None
    assert theirs.verdict == ("does not grow" if raw == 1 else "faster")


def test_each_engine_is_measured_by_its_own_smallest_database():
    found = growths(
        **{SMALL: [1.0], LARGE: [1.0], "raw, 10 documents": [5.0], "raw, 100 documents": [50.0]}
    )
    assert [(one.base, one.verdict) for one in found] == [
        (SMALL, "does not grow"),
        ("raw, 10 documents", "faster"),
    ]


def test_what_is_documented_to_grow_is_said_to_be(monkeypatch):
    monkeypatch.setitem(height.DOCUMENTED, "growth-get", "because")
    found = growths(**{SMALL: [1.0], LARGE: [9.0]})
    assert growth_table(found).rows == [
        ("growth-get", LARGE, "9.00 [9.00..9.00]", "2.00", "", "faster, as documented")
    ]


def test_results_of_other_kinds_say_nothing_about_growth():
    samples = {"headwater": [1.0], "sqlite-json": [1.0]}
    result = result_of(name="get", title="", unit="", samples=samples, baseline="headwater")
    assert growths_of([result]) == []
