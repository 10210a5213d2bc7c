"""How cost grows, and pictures of results, on a small scale."""

import json

import pytest
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.adapters.sqlite_json import SqliteJson
from bench.growth import OPERATIONS, Grown, Plan
from bench.plotting import charts_of, dots_of
from bench.sizes import FULL

from bench import __main__ as command


def test_history_is_measured_of_headwater_alone_at_every_size():
    plan = Plan(documents=(10, 20), history=3)
    assert list(plan.databases([HeadwaterEmbedded, SqliteJson])) == [
        (HeadwaterEmbedded, 10, 1),
        (HeadwaterEmbedded, 10, 3),
        (HeadwaterEmbedded, 20, 1),
        (HeadwaterEmbedded, 20, 3),
        (SqliteJson, 10, 1),
        (SqliteJson, 20, 1),
    ]


def test_a_history_has_so_many_versions_of_each_document(tmp_path):
    grown = Grown(HeadwaterEmbedded, tmp_path / "grown", FULL, 30, 3)
    try:
        database = grown.session.engine.database
        assert len(grown.session.keys) == 30
        for key in grown.session.keys:
            assert len(list(database.history(key))) == 3
    finally:
        grown.end()


@pytest.fixture(scope="module")
def growth(tmp_path_factory):
    """The results of a tiny run, and their file."""
    directory = tmp_path_factory.mktemp("growth")
    output = tmp_path_factory.mktemp("results") / "growth.json"
    words = ["growth", "--documents", "40", "20", "--history", "2", "--rounds", "1", "--plain"]
    words += ["--scale", "0.002", "--directory", str(directory), "--output", str(output)]
    assert command.main(words) == 0
    assert list(directory.iterdir()) == []
    return json.loads(output.read_text()), output


def test_growth_measures_each_operation_on_each_database(growth):
    results, _ = growth
    assert [found["name"] for found in results["workloads"]] == [
        f"growth-{name}" for name in OPERATIONS
    ]
    for workload in results["workloads"]:
        assert [contestant["name"] for contestant in workload["contestants"]] == [
            "headwater, 20 documents",
            "headwater, 20 documents with 2 times the history",
            "headwater, 40 documents",
            "headwater, 40 documents with 2 times the history",
            "sqlite-json, 20 documents",
            "sqlite-json, 40 documents",
        ]


def test_growth_is_drawn_as_a_line_per_engine_and_history(growth):
    results, _ = growth
    charts = charts_of(results)
    assert len(charts) == len(OPERATIONS)
    for chart in charts:
        assert chart.axis == "documents"
        assert {line.name: line.numbers for line in chart.lines} == {
            "headwater": [20, 40],
            "headwater, 2 times the history": [20, 40],
            "sqlite-json": [20, 40],
        }
    (first,) = results["workloads"][0]["contestants"][0]["per_second"]["samples"]
    assert charts[0].lines[0].medians[0] == pytest.approx(1e6 / first)


def test_peers_are_drawn_as_ratios_to_the_baseline():
    def ratio(median):
        return {"median": median, "low_quartile": median / 2, "high_quartile": median * 2}

    contestants = [
        {"name": "headwater", "ratio": ratio(2.0)},
        {"name": "sqlite-json", "ratio": ratio(1.0)},
    ]
    workload = {"name": "get", "baseline": "sqlite-json", "contestants": contestants}
    own = {"name": "rebuild", "baseline": None, "contestants": []}
    settings = {"engines": {"headwater": "", "sqlite-json": ""}}
    rows, dots = dots_of({"settings": settings, "workloads": [own, workload]})
    assert rows == ["get"]
    assert list(dots) == ["headwater"]
    (dot,) = dots["headwater"]
    assert (dot.row, dot.median, dot.low, dot.high) == (0, 2.0, 1.0, 4.0)


def test_a_picture_is_the_same_for_the_same_results(growth, tmp_path):
    pytest.importorskip("matplotlib")
    _, path = growth
    pictures = [tmp_path / "images" / "first.svg", tmp_path / "second.svg"]
    for picture in pictures:
        words = ["plot", str(path), "--output", str(picture), "--workloads", "growth-get"]
        assert command.main(words) == 0
    first, second = (picture.read_text() for picture in pictures)
    assert first == second
    assert "growth-get" in first
    assert "growth-open" not in first


def test_a_workload_that_is_not_there_is_named(growth, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    _, path = growth
    words = ["plot", str(path), "--output", str(tmp_path / "plot.svg"), "--workloads", "get"]
    assert command.main(words) == 2
    assert "no workload get in these results" in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(growth, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bench.plotting.find_spec", lambda _: None)
    _, path = growth
    assert command.main(["plot", str(path), "--output", str(tmp_path / "plot.svg")]) == 2
    assert "pip install 'headwater[bench]'" in capsys.readouterr().err
