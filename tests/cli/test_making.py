"""``headwater new`` and ``headwater token``: what is made from nothing."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.calling import refused, shown

from headwater.cli import projects
from headwater.cli.sources import find_source
from headwater.functions.modules import collect


def test_a_new_project_works_and_passes_its_tests(folder):
    shown("new", "shop")
    assert sorted(path.name for path in Path("shop").iterdir()) == [
        ".gitignore",
        "README.md",
        "app",
        "pyproject.toml",
        "tests",
    ]
    assert "{{" not in "".join(
        path.read_text() for path in Path("shop").rglob("*") if path.is_file()
    )
    assert '"shop"' in Path("shop/pyproject.toml").read_text()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    result = subprocess.run(command, cwd="shop", env=environment, capture_output=True, text=True)
    assert "3 passed" in result.stdout, result.stdout + result.stderr
    assert "notes:latest" in collect(find_source("shop/app").load()).functions


def test_an_empty_directory_will_do_and_anything_else_is_refused(folder):
    Path("empty").mkdir()
    shown("new", "empty")
    assert "expected nothing there" in refused("new", "empty")
    Path("file").touch()
    assert "expected nothing there" in refused("new", "file")
    assert Path("file").read_text() == ""


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_half_a_project_is_taken_away(folder, monkeypatch, is_there, error):
    write = projects._write

    def interrupted(path, name):
        write(path, name)
        raise error

    monkeypatch.setattr(projects, "_write", interrupted)
    if is_there:
        Path("shop").mkdir()
    with pytest.raises(error):
        projects.new(Path("shop"))
    assert Path("shop").exists() == is_there
    assert not is_there or not list(Path("shop").iterdir())


def test_tokens_are_long_and_never_the_same():
    first, second = shown("token").strip(), shown("token").strip()
    assert first != second
    assert len(first) > 43
    assert first.startswith("hw_admin_")
    assert first.isascii()
    assert not set(first) & set(" \t\"'\\$")


def test_a_token_in_a_file_is_its_owners(folder):
    assert "hw_admin_" not in shown("token", "admin.token")
    assert Path("admin.token").read_text().startswith("hw_admin_")
    assert stat.S_IMODE(Path("admin.token").stat().st_mode) == 0o600
    before = Path("admin.token").read_text()
    assert "there is a file already" in refused("token", "admin.token")
    assert Path("admin.token").read_text() == before
