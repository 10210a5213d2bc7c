"""The pytest plugin, in projects of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.typing.checkers import SOURCES

pytest_plugins = ["pytester"]

NOTES = """
import headwater as hw
from headwater import Document, Table

class Note(Document["Note"]):
    text: str

class Notes(Table[Note]): ...

@hw.mutation
def create(ctx: hw.MutationCtx, text: str) -> hw.Id[Note]:
    return ctx.db.insert(Notes, {"text": text})
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one module of notes, whose runs have the plugin, installed or not."""
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    pytester.makepyfile(notes=NOTES)
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.fixture\n"
        "def headwater_modules():\n"
        "    import notes\n"
        "    return [notes]\n"
    )
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "headwater_pytest", "--strict-markers", *arguments)


def test_a_database_has_the_modules_of_the_fixture_and_leaves_no_files(project):
    project.makepyfile(
        """
        import notes

        paths = []

        def test_one(headwater_database, headwater_clock):
            assert headwater_database.tables() == ["notes"]
            assert headwater_database.clock is headwater_clock
            headwater_database.mutate(notes.create, text="a")
            paths.append(headwater_database.path)

        def test_each_test_has_one_of_its_own(headwater_database):
            with headwater_database.snapshot() as snapshot:
                assert snapshot.query("notes").collect() == []
            assert [path.exists() for path in paths] == [False]
        """
    )
    run(project).assert_outcomes(passed=2)


def test_a_marker_says_other_modules_and_another_seed(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.headwater(modules=[], seed=7)
        def test_marked(headwater_database, headwater_seed):
            assert headwater_database.tables() == []
            assert headwater_seed == 7

        def test_unmarked(headwater_database, headwater_seed):
            assert headwater_database.tables() == ["notes"]
            assert headwater_seed == 0
        """
    )
    run(project).assert_outcomes(passed=2)


FAILING = """
import notes

def test_it(headwater_database):
    assert headwater_database.mutate(notes.create, text="a") == "?"

def test_other():
    assert 1 == 2
"""


def ids_of(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("E ") and "== '?'" in line][:1]


def test_a_failing_test_names_its_seed_and_the_same_seed_fails_the_same(project):
    project.makepyfile(FAILING)
    first = run(project)
    first.assert_outcomes(failed=2)
    first.stdout.fnmatch_lines(["*The seed of this test was 0: --headwater-seed=0"])
    assert first.stdout.str().count("The seed of this test") == 1
    again = run(project, "--headwater-seed=0")
    other = run(project, "--headwater-seed=1")
    assert ids_of(first) == ids_of(again) != ids_of(other) != []


def test_a_random_seed_is_named_and_can_be_given_again(project):
    project.makepyfile(FAILING)
    first = run(project, "--headwater-seed=random")
    (named,) = [line for line in first.outlines if "--headwater-seed=" in line]
    seed = named.rpartition("=")[2]
    assert ids_of(first) == ids_of(run(project, f"--headwater-seed={seed}"))


def test_a_marked_seed_is_named_as_such(project):
    project.makepyfile(
        "import pytest\n"
        "@pytest.mark.headwater(seed=5)\n"
        "def test_it(headwater_clock): assert headwater_clock is None\n"
    )
    run(project).stdout.fnmatch_lines(["*The seed of this test was 5: said by its marker"])


def test_the_workers_of_xdist_have_one_seed_and_name_it(project):
    pytest.importorskip("xdist")
    project.makepyfile(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(headwater_database, number): assert number is None\n"
    )
    result = run(project, "-p", "xdist.plugin", "-n", "2", "--headwater-seed=random")
    result.assert_outcomes(failed=4)
    named = [line for line in result.outlines if "--headwater-seed=" in line]
    assert len(named) == 4
    assert len(set(named)) == 1


def test_without_xdist_it_works_as_well(project):
    project.makepyfile("def test_it(headwater_database): pass")
    run(project, "-p", "no:xdist").assert_outcomes(passed=1)


def test_who_does_not_use_it_imports_neither_the_engine_nor_hypothesis(project):
    project.makepyfile(
        """
        import sys

        def test_it():
            assert "headwater_pytest" in sys.modules
            assert not {"headwater", "hypothesis", "lmdb", "secrets"} & sys.modules.keys()
        """
    )
    run(project).assert_outcomes(passed=1)


def test_the_fixtures_need_no_hypothesis(project):
    project.makepyfile(
        """
        import sys

        def test_it(headwater_database):
            assert "hypothesis" not in sys.modules
        """
    )
    run(project).assert_outcomes(passed=1)


def test_a_seed_that_is_no_number_is_refused(project):
    result = run(project, "--headwater-seed=lucky")
    result.stderr.fnmatch_lines(["*--headwater-seed: expected a number or 'random', got 'lucky'*"])


def test_a_marker_that_says_something_else_is_refused(project):
    project.makepyfile(
        "import pytest\n@pytest.mark.headwater(sed=5)\ndef test_it(headwater_database): pass\n"
    )
    result = run(project)
    result.stdout.fnmatch_lines(["*@pytest.mark.headwater takes modules= and seed=, got*'sed': 5*"])


def test_the_plugin_is_what_the_distribution_announces():
    import tomllib

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    announced = tomllib.loads(text)["project"]["entry-points"]["pytest11"]
    assert announced == {"headwater_pytest": "headwater_pytest"}


# Without the extra ------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules["hypothesis"] = None
from headwater import testing
with testing.database() as db:
    db.transact(lambda tx: tx.insert("notes", {}))
try:
    testing.documents
except ModuleNotFoundError as error:
    print(error)
try:
    testing.nothing
except AttributeError as error:
    print(error)
"""


def test_without_hypothesis_databases_work_and_strategies_name_the_extra():
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": SOURCES},
    )
    needed = "headwater.testing.documents needs Hypothesis, which is not installed; "
    assert child.stdout.splitlines() == [
        f"{needed}install the extra: pip install 'headwater[testing]'",
        "module 'headwater.testing' has no attribute 'nothing'",
    ]
