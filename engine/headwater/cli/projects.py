"""A project to start from: ``headwater new``."""

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from headwater._version import __version__
from headwater.cli.application import RUNNING, application
from headwater.cli.output import refusal, say

_TEMPLATE: Final = "template"
_SUFFIX: Final = ".txt"
"""Ends the names of the template's files: no tool takes them for modules or tests of ours."""


@application.command(rich_help_panel=RUNNING)
def new(
    path: Annotated[Path, typer.Argument(help="A directory that is missing or empty.")],
) -> None:
    """Make a project to start from: a module with functions, a test, and what to do with them."""
    name = path.resolve().name
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise refusal(f"{path}: expected nothing there, or an empty directory; choose another path")
    was_there = path.exists()
    try:
        _write(path, name)
    except BaseException:
        # Half a project would be refused at the next try.
        for made in [] if not path.exists() else list(path.iterdir()):
            shutil.rmtree(made) if made.is_dir() else made.unlink()
        if not was_there and path.exists():
            path.rmdir()
        raise
    say(f"{path} is there; go on with\n\n    cd {path}\n    headwater dev app/\n")


def _write(path: Path, name: str) -> None:
    for source, target in _FILES.items():
        text = files("headwater.cli").joinpath(_TEMPLATE, source + _SUFFIX).read_text("utf-8")
        file = path / target
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            text.replace("{{name}}", name).replace("{{version}}", __version__), encoding="utf-8"
        )


_FILES: Final = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "gitignore": ".gitignore",
    "notes.py": "app/notes.py",
    "test_notes.py": "tests/test_notes.py",
}
