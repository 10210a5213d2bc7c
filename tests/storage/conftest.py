"""What the tests of storage share: a clock moved by hand, and children that may die."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

ROOT = Path(__file__).absolute().parents[2]
PREAMBLE = """
import os, sys
from pathlib import Path
from headwater.errors import *
from headwater.storage.environment import Environment
from headwater.storage.format import Database
path = Path(sys.argv[1])
"""


def failure(number: int, kind: type[lmdb.Error] = lmdb.Error) -> lmdb.Error:
    """What py-lmdb raises for an error number of the system."""
    error = kind("injected")
    error.code = number  # type: ignore[misc]
    return error


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.seeds = 0

    def now_ns(self) -> int:
        return int(self.seconds * 10**9)

    def monotonic(self) -> float:
        return self.seconds

    def seed(self) -> int:
        self.seeds += 1
        return self.seeds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Start a child on a piece of code; its first argument is bound to ``path``."""
    children: list[subprocess.Popen[str]] = []

    def start_child(code: str, *arguments: object) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'engine'}:{ROOT / 'indexes'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start_child  # type: ignore[misc]
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def run(start: Start) -> Callable[..., str]:
    """Run a child to its end, which must be a good one, and return what it printed."""

    def run_child(code: str, *arguments: object) -> str:
        child = start(code, *arguments)
        output, errors = child.communicate(timeout=60)
        assert child.returncode == 0, f"exit {child.returncode}\n{output}\n{errors[-3000:]}"
        return output

    return run_child
