"""The examples of docs/command-line.md do what the page says."""

import os
import shlex

import pytest
from tests.cli.calling import call, modules_restored
from tests.docs.blocks import ROOT, PageError, compare, read

from headwater.cli.commands import application

PAGE = ROOT / "docs" / "command-line.md"


def conversations(code):
    """Commands and what is printed after each."""
    found = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return [(shlex.split(command), "\n".join(lines)) for command, lines in found]


def perform(command, expected, where):
    if command[0] == "cd":
        os.chdir(command[1])
        return
    assert command[0] == "headwater", f"{where}: only headwater and cd are run"
    _, output, errors = call(*command[1:])
    compare(expected, output + errors, where)


def test_the_examples_do_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWATER_DATABASE", raising=False)
    count = 0
    with modules_restored():
        for block in read(PAGE).blocks():
            if block.language == "console":
                for command, expected in conversations(block.code):
                    perform(command, expected, f"{PAGE.name}:{block.line}: {shlex.join(command)}")
                    count += 1
    assert count > 20


def test_another_output_would_be_noticed(tmp_path):
    with pytest.raises(PageError, match="page"):
        perform(["headwater", "stats", str(tmp_path)], "well", "page")


def test_every_command_is_on_the_page():
    text = PAGE.read_text()
    names = [
        command.name or command.callback.__name__ for command in application.registered_commands
    ]
    names += [group.name for group in application.registered_groups]
    assert len(names) >= 17
    for name in names:
        assert f"`{name.rstrip('_')}`" in text, name
