"""Child processes of tests: started on a piece of code, told and heard by lines, ended by id."""

import contextlib
import tempfile
import textwrap
import threading
from collections.abc import Generator
from pathlib import Path

from tests.processes.forking import Forked

ROOT = Path(__file__).absolute().parents[2]

PREAMBLE = """
import os, signal, sys, threading
from pathlib import Path
import headwater as hw
from tests.processes import application
path = Path(sys.argv[1])
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def hear():
    return sys.stdin.readline().strip()
"""

WAIT_SECONDS = 120
"""Not a measure of anything: a child that hangs must fail the test and not stop the suite."""


class Child:
    """One child process."""

    def __init__(self, code: str, *arguments: object) -> None:
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed by close()
        whole = PREAMBLE + textwrap.dedent(code)
        self.process = Forked(whole, [str(argument) for argument in arguments], self._errors)
        self._alarm = threading.Timer(WAIT_SECONDS, self.process.kill)
        self._alarm.daemon = True
        self._alarm.start()

    def hear(self) -> str:
        """The next line that the child says; empty if it has ended."""
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, line: object = "") -> None:
        """Send a line to the child."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def kill(self) -> list[str]:
        """Kill the child at once, and return the lines that it had said before."""
        self.process.kill()
        return self.rest()

    def rest(self) -> list[str]:
        """What the child says until it ends."""
        # Not communicate(): it does not know of what was read ahead for hear().
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        lines = self.process.stdout.read().splitlines()
        self.process.stdout.close()
        self.process.wait()
        self._alarm.cancel()
        return lines

    @property
    def errors(self) -> str:
        """What the child wrote to its standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def close(self) -> None:
        """Kill the child if it still lives, and let go of its pipes."""
        if self.process.returncode is None:
            self.kill()
        self._alarm.cancel()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self._errors.close()

    def finish(self) -> list[str]:
        """What the child says until its good end."""
        lines = self.rest()
        code = self.process.returncode
        assert code == 0, f"exit {code}\n{chr(10).join(lines)}\n{self.errors[-3000:]}"
        return lines


@contextlib.contextmanager
def nursery() -> Generator[type["Child"]]:
    """Make children that do not outlive the block."""
    born: list[Child] = []

    class Born(Child):
        def __init__(self, code: str, *arguments: object) -> None:
            super().__init__(code, *arguments)
            born.append(self)

    try:
        yield Born
    finally:
        for child in born:
            child.close()
