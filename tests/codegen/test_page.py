"""docs/typescript.md says what the command does, and its page is checked by tsc."""

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.calling import modules_restored, shown
from tests.clients.node import problems_of

PAGE = Path(__file__).parents[2] / "docs" / "typescript.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def block(language, first=""):
    """The code of a block, without the comment that it begins with."""
    (found,) = [code for name, code in BLOCKS if name == language and code.startswith(first)]
    return found.removeprefix(first)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.py").write_text(block("python"))
    with modules_restored():
        yield tmp_path


def test_the_page_says_what_is_printed_and_written(folder):
    command, _, printed = block("console").partition("\n")
    assert shown(*shlex.split(command.removeprefix("$ headwater "))) == printed
    text = (folder / "web" / "_generated" / "api.d.ts").read_text()
    assert block("ts", "// api.d.ts\n") in text


def test_what_the_page_does_with_it_is_right(folder):
    shown("codegen", "chat.py", "--typescript", "_generated")
    (folder / "page.ts").write_text(block("ts", "// page.ts\n"))
    assert problems_of(folder, "page.ts") == ""
