"""What was aimed at, and whether it was reached."""

from bench.adapters.catalog import ENGINES, NAMES, SQLITE, cast_of
from bench.adapters.sqlite import Sqlite
from bench.affected import FEW
from bench.aims import ABSOLUTE, AIMS, BEST_SQLITE, GROWTH_AIMS, MOST, Aim, outcomes_of
from bench.beside import ALLOWED
from bench.catalog import ALL_WORKLOADS
from bench.growth import DOCUMENTS, OPERATIONS
from bench.report import aims_table
from bench.results import result_of, size_result_of, with_failures
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
    kinds = {"0 live queries", f"{FULL.subscriptions} live queries", f"{FEW} subscriptions"}
    for aim in AIMS:
        assert aim.workload in ALL_WORKLOADS
        assert (aim.to_workload or aim.workload) in ALL_WORKLOADS
        peer, _, what = aim.to.partition(", ")
        assert peer in {*NAMES, BEST_SQLITE, ABSOLUTE, "json"}
        if aim.to in ENGINES:
            assert ENGINES[aim.to].takes_part(aim.to_workload or aim.workload)
        assert what in {"", ALLOWED, *kinds}
    for aim in GROWTH_AIMS:
        assert aim.workload.removeprefix("growth-") in OPERATIONS
        for name in (aim.to, aim.contestant):
            assert int(name.partition(", ")[2].removesuffix(" documents")) in DOCUMENTS


def measured_of(workload, failures=0, **samples):
    result = measured(workload, **samples)
    return with_failures(result, dict.fromkeys(samples, failures))


def test_an_aim_may_be_to_another_workload_and_each_round_is_by_its_median():
    results = [measured("bulk", lmdb=[90.0, 100.0, 900.0]), measured("rebuild", headwater=[50, 80])]
    (outcome,) = outcomes_of(results, [Aim("rebuild", "lmdb", 0.7, to_workload="bulk")])
    assert outcome.samples == [0.5, 0.8]
    assert not outcome.is_reached
    assert aims_table([outcome]).rows[0][2] == "lmdb in bulk"


def test_who_gives_up_writes_has_reached_nothing():
    for failures, row in ((0, "reached"), (3, "missed, 3 failures")):
        results = [
            measured("durable-256", headwater=[100.0]),
            measured_of("replies-256", failures, headwater=[90.0]),
        ]
        aims = [Aim("replies-256", "headwater", 0.6, to_workload="durable-256")]
        (outcome,) = outcomes_of(results, aims)
        assert outcome.is_reached == (failures == 0)
        assert aims_table([outcome]).rows[0][-1] == row
        assert outcome.as_json()["failures"] == failures


def test_most_is_the_contestant_with_the_highest_number():
    rates = {f"headwater, {number} live queries": [rate] for number, rate in
             ((0, 100.0), (1000, 95.0), (20000, 80.0))}  # fmt: skip
    result = measured("live-untouched", **rates)
    (outcome,) = outcomes_of([result], [
        Aim("live-untouched", "headwater, 0 live queries", 0.9, f"headwater, {MOST} live queries")
    ])  # fmt: skip
    assert (outcome.of, outcome.is_reached) == ("headwater, 20000 live queries", False)
    assert outcomes_of([measured("live-untouched", other=[1.0])]) == []


def test_of_the_only_one_of_a_kind_nothing_is_said():
    result = measured("affected", **{"headwater, 1000 subscriptions": [1.0]})
    assert outcomes_of([result]) == []


def test_an_absolute_aim_is_a_number_of_bytes():
    sizes = size_result_of("memory", "", "live query", {"headwater, an empty result": 1100.0})
    (outcome,) = outcomes_of([sizes])
    assert not outcome.is_reached
    assert aims_table([outcome]).rows[0][2:] == ("bytes", "<= 1024", "1,100", "missed")
