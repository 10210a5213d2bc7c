"""Tables of results that were written before."""

import json

import pytest
from bench.markdown import markdown, tables_of
from bench.reading import read_results, workloads_of
from bench.report import Table
from bench.results import result_of, size_result_of

from bench import __main__ as command

ENGINES = ["headwater", "sqlite-json"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The file of a tiny run."""
    directory = tmp_path_factory.mktemp("bench")
    output = directory / "results.json"
    words = ["--quick", "--documents", "60", "--scale", "0.02", "--rounds", "2", "--plain"]
    words += ["--engines", *ENGINES, "--workloads", "get", "open", "affected", "disk"]
    words += ["--directory", str(directory), "--output", str(output)]
    assert command.main(words) == 0
    return output


def test_a_report_is_what_was_printed_at_first(written, capsys):
    assert command.main(["report", str(written), "--plain", "--workloads", "get", "disk"]) == 0
    shown = capsys.readouterr().out
    results = json.loads(written.read_text())
    for name in ("get", "disk"):
        (workload,) = [found for found in results["workloads"] if found["name"] == name]
        assert f"{name}: {workload['title']}" in shown
        for contestant in workload["contestants"]:
            median = (contestant["per_second"] or contestant["bytes"])["median"]
            assert f"{median:,.0f}" in shown
    assert "open" not in shown
    assert "aims: what was aimed at" in shown


def test_results_that_are_read_again_are_the_same(written):
    results = json.loads(written.read_text())
    for workload, again in zip(
        results["workloads"], workloads_of(read_results(written)), strict=True
    ):
        assert again.is_size == (workload["name"] == "disk")
        for contestant, found in zip(workload["contestants"], again.contestants, strict=True):
            spread = contestant["per_second"] or contestant["bytes"]
            assert found.spread.median == spread["median"]
            assert (found.ratio is None) == (contestant["ratio"] is None)


def test_markdown_has_a_table_of_each_kind(written, capsys):
    assert command.main(["report", str(written), "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "| workload | `headwater` | `sqlite-json` |\n| --- | ---: | ---: |\n| `get` |" in shown
    assert "`affected`: time of one unit" in shown
    assert "`disk`: bytes of a document, and the ratio to json" in shown
    assert "| workload | of | to | aim | reached [quartiles] | verdict |" in shown
    assert "rounds, 60 documents" in shown


def test_workloads_with_the_same_contestants_share_a_table():
    def named(name, *contestants):
        samples = {contestant: [2.0, 4.0] for contestant in contestants}
        return result_of(name=name, title="", unit="", samples=samples, baseline=contestants[0])

    sizes = size_result_of("disk", "", "document", {"json": 100.0, "headwater": 250.0})
    tables = list(
        tables_of(
            [
                named("get", *reversed(ENGINES)),
                named("one", "headwater, 1 process", "headwater, 2 processes"),
                named("two", "headwater, 1 process", "headwater, 2 processes"),
                named("three", "headwater, 1 process"),
                sizes,
            ],
            ENGINES,
        )
    )
    assert [table.columns[1:] for table in tables] == [
        ("`headwater`", "`sqlite-json`"),
        ("`headwater`", "`sqlite-json`"),
        ("`one`", "`two`"),
        ("`three`",),
        ("`disk`",),
    ]
    assert tables[0].rows == [("`get`", "1.00 [1.00..1.00]", "1.00 [1.00..1.00]")]
    assert tables[1].rows == [("`get`", "3", "3")]
    assert tables[2].rows[1][0] == "headwater, 2 processes"
    assert tables[4].rows == [("json", "100 (1.00)"), ("headwater", "250 (2.50)")]


def test_markdown_is_a_table_that_pages_understand():
    text = markdown(Table("Heading", ("a", "b"), [("1", "2")], [None]))
    assert text == "Heading\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n"


def test_what_cannot_be_read_is_said(tmp_path, capsys):
    assert command.main(["report", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
