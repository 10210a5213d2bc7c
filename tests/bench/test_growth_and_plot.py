"""How cost grows, and pictures of results, on a small scale."""

import json
import math

import pytest
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.adapters.sqlite_json import SqliteJson
from bench.growth import OPERATIONS, Grown, Plan, fill
from bench.plotting import charts_of, dots_of, short
from bench.sizes import FULL

from bench import __main__ as command


def test_history_is_measured_of_headwater_alone_at_every_size():
    plan = Plan(documents=(10, 20), history=3)
    assert list(plan.databases([HeadwaterEmbedded, SqliteJson])) == [
        (HeadwaterEmbedded, 1),
        (HeadwaterEmbedded, 3),
        (SqliteJson, 1),
    ]


def test_a_history_has_so_many_versions_of_each_document(tmp_path):
    grown = Grown(HeadwaterEmbedded, tmp_path / "grown", FULL, 30, 3)
    try:
        fill([grown], 30)
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
    words += [
        "--scale",
        "0.002",
        "--engines",
        "headwater",
        "sqlite-json",
        "--directory",
        str(directory),
        "--output",
        str(output),
    ]
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
    assert len(results["growth"]) == len(OPERATIONS) * (3 + 1)
    (height,) = {
        growth["height"] for growth in results["growth"] if "sqlite" in growth["contestant"]
    }
    assert height == pytest.approx(math.log(40) / math.log(20))


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


def test_engines_look_the_same_in_all_charts_and_are_named_once(growth, tmp_path):
    pytest.importorskip("matplotlib")
    _, path = growth
    picture = tmp_path / "plot.svg"
    words = ["plot", str(path), "--output", str(picture), "--part", "charts"]
    assert command.main(words) == 0
    drawn = picture.read_text()
    assert drawn.count(">headwater, 2 times the history<") == 1
    assert drawn.count(">sqlite-json<") == 1
    assert "fill: #ffffff" in drawn, "a dark page would hide dark labels"


def test_a_part_without_anything_in_it_is_refused(growth, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    _, path = growth
    words = ["plot", str(path), "--output", str(tmp_path / "plot.svg"), "--part", "ratios"]
    assert command.main(words) == 2
    assert "nothing in these results can be drawn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1, "1"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1234"),
        (1500, "1.5k"),
        (10**7, "10M"),
    ],
)
def test_large_numbers_are_short(number, text):
    assert short(number) == text


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
