"""What was aimed at, and whether it was reached."""

from bench.adapters.catalog import ENGINES, NAMES, SQLITE, cast_of
from bench.adapters.sqlite import Sqlite
from bench.aims import AIMS, BEST_SQLITE, Aim, outcomes_of
from bench.catalog import ALL_WORKLOADS
from bench.report import aims_table
from bench.results import result_of, size_result_of
from bench.sizes import FULL
from hypothesis import given
from hypothesis import strategies as st

rates = st.lists(st.floats(1, 1e6), min_size=3, max_size=3)


def measured(name="get", **samples):
    named = {contestant.replace("_", "-"): found for contestant, found in samples.items()}
    return result_of(name=name, title="", unit="", samples=named, baseline=None)


@given(rates, rates, rates)
def test_the_best_sqlite_is_the_one_with_the_highest_median(ours, first, second):
    result = measured(headwater=ours, sqlite_json=first, sqlite_columns=second)
    (outcome,) = outcomes_of([result], [Aim("get", BEST_SQLITE, 2.0)])
    medians = {found.name: found.spread.median for found in result.contestants}
    assert medians[outcome.to] == max(medians["sqlite-json"], medians["sqlite-columns"])
    assert outcome.is_reached == (outcome.reached.median >= 2)


def test_the_committer_is_not_sqlite_as_it_is_used():
    result = measured(headwater=[2.0], sqlite_json=[1.0], sqlite_committer=[9.0])
    (outcome,) = outcomes_of([result], [Aim("get", BEST_SQLITE, 2.0)])
    assert (outcome.to, outcome.is_reached) == ("sqlite-json", True)


def test_all_of_sqlite_but_the_committer_is_the_best_of():
    cast = cast_of(NAMES)
    found = {name for name, engine in cast.engines.items() if issubclass(engine, Sqlite)}
    assert found - {"sqlite-committer"} == set(SQLITE) & set(cast.engines)
    assert set(SQLITE) <= set(NAMES)


def test_of_sizes_less_is_better():
    sizes = size_result_of("disk", "", "document", {"json": 100.0, "headwater": 250.0})
    outcomes = outcomes_of([sizes], [Aim("disk", "json", 2.6), Aim("disk", "json", 2.4)])
    assert [outcome.is_reached for outcome in outcomes] == [True, False]
    assert [row[3:] for row in aims_table(outcomes).rows] == [
        ("<= 2.6", "2.50 [2.50..2.50]", "reached"),
        ("<= 2.4", "2.50 [2.50..2.50]", "missed"),
    ]


def test_what_was_not_measured_is_neither_reached_nor_missed():
    assert outcomes_of([measured(headwater=[1.0])], [Aim("get", BEST_SQLITE, 2.0)]) == []
    assert outcomes_of([measured(sqlite_json=[1.0])], [Aim("get", BEST_SQLITE, 2.0)]) == []
    assert outcomes_of([], AIMS) == []


def test_aims_are_of_workloads_and_engines_that_exist():
    for aim in AIMS:
        assert aim.workload in ALL_WORKLOADS
        peer, _, number = aim.to.partition(", ")
        assert peer in {*NAMES, BEST_SQLITE, "json"}
        if aim.to in ENGINES:
            assert ENGINES[aim.to].takes_part(aim.workload)
        if number not in ("", "0 live queries"):
            assert number == f"{FULL.subscriptions} live queries"
