import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from bench.adapters import catalog
from bench.adapters.catalog import ENGINES
from bench.catalog import ALL_WORKLOADS

from bench import __main__ as command
from bench import sizes

TINY = ["--quick", "--documents", "60", "--scale", "0.02", "--rounds", "2", "--plain"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The results of one tiny run of everything, and the directory of its databases."""
    directory = tmp_path_factory.mktemp("bench")
    output = tmp_path_factory.mktemp("results") / "results.json"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(sizes, "TASKS", 6)  # 64 threads of SQLite wait for each other for long
    monkeypatch.setattr(sizes, "CROWD", 8)
    # Processes that come and go take most of a run as small as this; others are in test_together.
    monkeypatch.setattr(command, "QUICK", replace(sizes.QUICK, processes=1))
    try:
        status = command.main([*TINY, "--directory", str(directory), "--output", str(output)])
    finally:
        monkeypatch.undo()
    assert status == 0
    return json.loads(output.read_text()), directory


def test_every_workload_is_in_the_results(run):
    results, _ = run
    assert [workload["name"] for workload in results["workloads"]] == list(ALL_WORKLOADS)


def test_the_databases_are_removed(run):
    _, directory = run
    assert list(directory.iterdir()) == []


def test_results_say_what_was_measured_where_and_when(run):
    results, directory = run
    assert set(results) == {
        "suite", "format", "started_at", "finished_at", "commit", "machine", "versions",
        "settings", "workloads", "aims",
    }  # fmt: skip
    assert results["format"] == 2
    started = datetime.fromisoformat(results["started_at"])
    assert started <= datetime.fromisoformat(results["finished_at"])
    assert {"python", "sqlite", "headwater", "lmdb"} <= set(results["versions"])
    assert results["settings"]["rounds"] == 2
    assert results["settings"]["sizes"]["documents"] == 60
    assert set(results["settings"]["engines"]) == set(ENGINES)
    assert str(directory.parent) not in json.dumps(results)


def test_each_contestant_has_a_sample_and_a_ratio_per_round(run):
    results, _ = run
    for workload in results["workloads"]:
        names = [contestant["name"] for contestant in workload["contestants"]]
        assert workload["baseline"] is None or workload["baseline"] in names
        for contestant in workload["contestants"]:
            ratio = contestant["ratio"]
            is_size = workload["name"] in ("disk", "memory")
            rate = contestant["bytes" if is_size else "per_second"]
            assert contestant["per_second" if is_size else "bytes"] is None
            assert len(rate["samples"]) == (1 if is_size else 2)
            assert contestant["failures"] == 0
            assert 0 < rate["low_quartile"] <= rate["median"] <= rate["high_quartile"]
            assert (ratio is None) == (workload["baseline"] is None)
            if contestant["name"] == workload["baseline"]:
                assert set(ratio["samples"]) == {1.0}


def test_engines_that_disagree_are_not_timed(tmp_path, monkeypatch, capsys):
    class Empty(ENGINES["sqlite-json"]):
        def scan(self):
            return iter(())

    monkeypatch.setitem(command.ENGINES, "lmdb-by-hand", Empty)
    output = tmp_path / "results.json"
    names = ["--engines", "sqlite-json", "lmdb-by-hand", "--workloads", "get"]
    arguments = [*TINY, *names, "--directory", str(tmp_path), "--output", str(output)]
    assert command.main(arguments) == 1
    assert "disagree about all documents" in capsys.readouterr().err
    assert not output.exists()


def test_the_table_that_rich_draws_says_the_same_as_the_plain_one(tmp_path, capsys, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "200")
    names = ["--engines", "sqlite-json", "lmdb-by-hand", "--workloads", "get"]
    options = [option for option in TINY if option != "--plain"]
    assert command.main([*options, *names, "--directory", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "lmdb-by-hand" in shown
    assert "1.00 [1.00..1.00]" in shown


def test_an_engine_whose_package_is_missing_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(
        catalog.OPTIONAL, "sqlite-json-orjson", catalog.Optional("none:None", "not_installed")
    )
    cast = catalog.cast_of(["sqlite-json", "sqlite-json-orjson"])
    assert list(cast.engines) == ["sqlite-json"]
    (line,) = cast.missing
    assert line == (
        "sqlite-json-orjson is not measured: the package not_installed is not installed"
        " (pip install 'headwater[bench]')"
    )
    names = ["--engines", "sqlite-json", "sqlite-json-orjson", "--workloads", "get"]
    assert command.main([*TINY, *names, "--directory", str(tmp_path)]) == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(("name", "when"), [("SIGINT", "scan-20:"), ("SIGTERM", "agree:")])
def test_an_interrupted_run_leaves_no_file_behind(tmp_path, name, when):
    words = [sys.executable, "-m", "bench", "--quick", "--engines", "headwater", "sqlite-json"]
    words += ["--documents", "500", "--directory", str(tmp_path)]
    words += ["--output", str(tmp_path / "results.json")]
    root, environment = Path(__file__).parents[2], {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        words, cwd=root, env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        for line in child.stderr:
            if when in line:
                assert any(tmp_path.iterdir())
                child.send_signal(getattr(signal, name))
                break
        assert "interrupted; the databases are removed" in child.stderr.read()
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rounds", "0"], "expected 1 or more, got 0"),
        (["--directory", "no-such"], "there is no directory no-such"),
        (["--output", "no-such/results.json"], "no-such/results.json cannot be written"),
        (["--engines", "oracle"], "invalid choice: 'oracle'"),
        (["growth", "--documents", "-1"], "expected 1 or more, got -1"),
        (["compare", "one.json"], "expected two files of results, or --commits OLD NEW"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_measured(capsys, words, complaint):
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_one_engine_and_one_workload_can_be_chosen(tmp_path, capsys):
    names = ["--engines", "sqlite-json", "--workloads", "get", "rebuild"]
    assert command.main([*TINY, *names, "--directory", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "point read" in shown
    assert "headwater" not in shown
