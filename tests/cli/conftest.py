"""An application in files, and a database of it."""

import pytest
from tests.cli.calling import NOTES, modules_restored

import headwater as hw
from headwater.cli.sources import find_source


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with an application in app/; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "notes.py").write_text(NOTES)
    with modules_restored():
        yield tmp_path


@pytest.fixture
def app(folder):
    """A database of the application, which is in app.hw: its modules."""
    modules = find_source("app").load()
    hw.open("app.hw", modules=modules, jobs="hold").close()
    return modules
