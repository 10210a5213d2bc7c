"""Scripts for Node.js: run to their end, or talked with by lines."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.serving import ADMIN_TOKEN

FOLDER = Path(__file__).absolute().parent / "javascript"

PATIENCE_SECONDS = 120
"""Not a measure of anything: a script that hangs must fail the test and not stop the suite."""


class Script:
    """A script that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def hear(self) -> str:
        """The next line that it says; empty if it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def tell(self, line: str = "") -> None:
        """Send a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@contextmanager
def script(node: str, name: str, url: str, signing_key: Path) -> Generator[Script]:
    """A script that is talked with; at the end of the block it has to end well by itself."""
    environment = {"SERVED_URL": url, "SIGNING_KEY": str(signing_key), "ADMIN_TOKEN": ADMIN_TOKEN}
    with tempfile.TemporaryFile(mode="w+") as errors:
        process = subprocess.Popen(
            [node, str(FOLDER / name)],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        alarm = threading.Timer(PATIENCE_SECONDS, process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            yield Script(process)
            said, _ = process.communicate()
            errors.seek(0)
            assert process.returncode == 0, f"{said[-5000:]}\n{errors.read()[-5000:]}"
        finally:
            alarm.cancel()
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def run(node: str, name: str, url: str, signing_key: Path) -> None:
    """Run a script that has its own assertions."""
    with script(node, name, url, signing_key):
        pass
