"""mypy strict and pyright strict find every planted mistake in user code, and nothing else."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.typing.checkers import CHECKERS, Complaints, differences, marked

import headwater as hw

HERE = Path(__file__).parent
REFUSED = sorted(path.name for path in (HERE / "refused").glob("*.py"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project, away from this repository and its settings."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("accepted", "refused"):
        shutil.copytree(HERE / folder, project / folder, ignore=shutil.ignore_patterns("__*"))
    return project


@pytest.fixture(scope="module")
def complaints(project: Path) -> Callable[[str], Complaints]:
    """What a checker has to say; each runs once."""
    known: dict[str, Complaints] = {}

    def of(checker: str) -> Complaints:
        if checker not in known:
            known[checker] = CHECKERS[checker](project)
        return known[checker]

    return of


@pytest.mark.parametrize("checker", CHECKERS)
class TestEveryChecker:
    def test_accepts_correct_code(
        self, checker: str, project: Path, complaints: Callable[[str], Complaints]
    ) -> None:
        assert differences(project, "accepted", complaints(checker)) == []

    def test_finds_every_mistake_and_nothing_else(
        self, checker: str, project: Path, complaints: Callable[[str], Complaints]
    ) -> None:
        assert differences(project, "refused", complaints(checker)) == []

    @pytest.mark.parametrize("name", REFUSED)
    def test_is_seen_to_complain_where_no_mark_is(
        self, checker: str, name: str, tmp_path: Path, complaints: Callable[[str], Complaints]
    ) -> None:
        """The comparison itself fails for a file that has lost one mark, and for one too many."""
        source = (HERE / "refused" / name).read_text()
        copy = tmp_path / "refused" / name
        copy.parent.mkdir()
        everything = complaints(checker).items()
        found = {place: said for place, said in everything if place[0] == f"refused/{name}"}
        copy.write_text(source.replace("  # error: ", "  # ", 1))
        (lost,) = differences(tmp_path, "refused", found)
        assert lost.startswith(f"unexpected refused/{name}:")
        copy.write_text(source + "\nprint()  # error: none\n")
        assert differences(tmp_path, "refused", found) == [
            f"missed refused/{name}:{len(source.splitlines()) + 2}"
        ]


def test_the_refused_files_hold_many_mistakes() -> None:
    assert len(marked(HERE, "refused")) >= 150
    assert marked(HERE, "accepted") == set()


def test_the_accepted_declarations_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    names = [f"accepted.{name}" for name in ("chat", "kinds", "identical")]
    with hw.open(None, modules=[importlib.import_module(name) for name in names]) as db:
        assert {"channels", "messages", "persons", "tags", "labels"} <= set(db.tables())
