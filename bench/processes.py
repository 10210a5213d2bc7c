"""Child processes of the benchmarks: started on a line of Python, told and heard by lines."""

import os
import subprocess
import sys
from collections.abc import Sequence


def start_command(words: Sequence[str]) -> "subprocess.Popen[str]":
    """Start any program that is told and heard by lines; what it complains of is shown."""
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )


def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a process that imports what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def say(line: str) -> None:
    """In the child: answer with a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(child: "subprocess.Popen[str]", line: str) -> None:
    """Send a line to a child."""
    assert child.stdin is not None
    child.stdin.write(f"{line}\n")
    child.stdin.flush()


def hear(child: "subprocess.Popen[str]") -> str:
    """The next line of a child.

    Raises:
        RuntimeError: It has ended.
    """
    assert child.stdout is not None
    line = child.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"a child process ended with {child.wait()} before its time")
    return line
