"""What got slower: verdicts on figures, files that are no results, two commits."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
from bench.comparison import compare, differences
from bench.reading import Figure, Place, figures_of, together
from hypothesis import assume, given
from hypothesis import strategies as st

from bench import __main__ as command

rates = st.lists(st.floats(1, 1e6), min_size=1, max_size=9)
GET = Place("get", "headwater")


def figure(samples, kind="ratio", baseline="sqlite-json", failures=0):
    return Figure(kind, list(samples), baseline, failures)


def verdict(old, new, **options):
    (change,) = compare({GET: figure(old, **options)}, {GET: figure(new, **options)})
    return change.verdict


@given(rates)
def test_nothing_is_slower_than_itself(samples):
    assert verdict(samples, samples) == ""


@given(rates, rates)
def test_slower_one_way_is_faster_the_other_way(old, new):
    # Shares of the old and of the new median are not the same share: no figure between them.
    (change,) = compare({GET: figure(old)}, {GET: figure(new)}, tolerance=0)
    (back,) = compare({GET: figure(new)}, {GET: figure(old)}, tolerance=0)
    assert (change.verdict == "slower") == (back.verdict == "faster")


@given(rates, rates)
def test_overlapping_quartiles_show_nothing(old, new):
    before, after = figure(old).spread, figure(new).spread
    assume(after.high_quartile >= before.low_quartile)
    assume(after.low_quartile <= before.high_quartile)
    assert verdict(old, new) == ""


@given(rates)
def test_half_the_speed_without_overlap_is_slower_and_twice_the_bytes_are_larger(samples):
    assume(max(samples) < 1.9 * min(samples))
    half = [sample / 2 for sample in samples]
    assert verdict(samples, half) == "slower"
    assert verdict(half, samples) == "faster"
    assert verdict(half, samples, kind="bytes") == "larger"
    assert verdict(samples, half, kind="bytes") == "smaller"


def test_less_than_the_tolerance_is_the_same():
    old, new = {GET: figure([100.0])}, {GET: figure([94.0])}
    assert compare(old, new, tolerance=0.05)[0].is_worse
    assert not compare(old, new, tolerance=0.07)[0].is_worse


def test_what_fails_now_and_did_not_is_worse_however_fast():
    (change,) = compare({GET: figure([1.0])}, {GET: figure([9.0], failures=1)})
    assert (change.verdict, change.is_worse) == ("fails", True)


def test_figures_to_another_baseline_are_not_compared():
    (change,) = compare({GET: figure([2.0])}, {GET: figure([1.0], baseline="lmdb-by-hand")})
    assert (change.verdict, change.quotient) == ("other", None)


def test_what_is_new_and_what_is_gone_is_named():
    other = Place("patch", "headwater")
    changes = compare({GET: figure([1.0])}, {other: figure([1.0])})
    assert [(change.place, change.verdict) for change in changes] == [(other, "new"), (GET, "gone")]


@given(rates, rates)
def test_runs_of_the_same_commit_put_their_samples_together(first, second):
    found = together([{GET: figure(first, failures=1)}, {GET: figure(second, failures=2)}])
    assert found[GET].samples == first + second
    assert found[GET].failures == 3


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    directory = tmp_path_factory.mktemp("results")
    words = ["--quick", "--documents", "60", "--scale", "0.02", "--rounds", "2", "--plain"]
    words += ["--engines", "headwater", "sqlite-json", "--workloads", "get", "past-get", "disk"]
    words += ["--directory", str(directory), "--output", str(directory / "results.json")]
    assert command.main(words) == 0
    return json.loads((directory / "results.json").read_text())


def test_ratios_are_compared_where_there_is_a_peer(results):
    figures = figures_of(results)
    assert figures[GET].kind == "ratio"
    assert figures[Place("past-get", "headwater, 0 commits ago")].kind == "per second"
    assert figures[Place("disk", "headwater")].kind == "bytes"


def _halved(results):
    slower = copy.deepcopy(results)
    for workload in slower["workloads"]:
        for contestant in workload["contestants"]:
            if contestant["name"] == "headwater" and workload["name"] == "get":
                samples = contestant["ratio"]["samples"]
                contestant["ratio"]["samples"] = [min(samples) / 2 for _ in samples]
    return slower


def test_the_exit_status_says_whether_something_got_slower(results, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(results))
    new.write_text(json.dumps(_halved(results)))
    assert command.main(["compare", str(old), str(old)]) == 0
    assert "nothing got worse" in capsys.readouterr().out
    assert command.main(["compare", str(old), str(new)]) == 1
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines() if line.endswith("slower")] == [
        ["get", "headwater"]
    ]
    assert "1 of " in shown
    assert "sqlite-json" not in [line.split()[1] for line in shown.splitlines()]
    assert command.main(["compare", "--all", str(old), str(old)]) == 0
    assert "sqlite-json" in [line.split()[1] for line in capsys.readouterr().out.splitlines()]


def test_another_machine_is_mentioned(results):
    other = copy.deepcopy(results)
    other["machine"]["cores"] = 99
    cores = results["machine"]["cores"]
    assert differences(results, other) == [f"machine: cores was {cores}, is 99"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "holds no JSON"),
        ("[]", "holds no results of this suite"),
        ('{"suite": "headwater-bench", "format": 1}', "has format 1, this suite reads 2"),
    ],
)
def test_a_file_that_is_no_results_is_refused(tmp_path, capsys, text, complaint):
    path = tmp_path / "results.json"
    path.write_text(text)
    assert command.main(["compare", str(path), str(path)]) == 2
    assert complaint in capsys.readouterr().err
    assert command.main(["plot", str(path), "--output", str(tmp_path / "plot.svg")]) == 2
    assert complaint in capsys.readouterr().err


def _git(*words):
    root = Path(__file__).parents[2]
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.skipif(_git("rev-parse", "HEAD").returncode != 0, reason="not in a checkout")
def test_two_commits_are_measured_and_their_trees_removed(tmp_path, capfd):
    suite = ["--quick", "--documents", "60", "--scale", "0.02", "--rounds", "1"]
    suite += ["--engines", "headwater", "sqlite-json", "--workloads", "disk"]
    words = ["compare", "--commits", "HEAD", "HEAD", "--repeat", "1", "--directory", str(tmp_path)]
    assert command.main([*words, "--", *suite]) == 0
    shown = capfd.readouterr().out
    assert shown.splitlines()[1].split()[:3] == ["disk", "headwater", "bytes"]
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in _git("worktree", "list").stdout


@pytest.mark.skipif(_git("rev-parse", "HEAD").returncode != 0, reason="not in a checkout")
def test_a_commit_that_does_not_exist_is_named(tmp_path, capsys):
    words = ["compare", "--commits", "HEAD", "no-such", "--directory", str(tmp_path)]
    assert command.main(words) == 2
    assert "no-such cannot be checked out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
