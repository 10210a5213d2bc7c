"""What the page makes of numbers, by its own module in node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import headwater

FORMAT = Path(headwater.__file__).parent / "dashboard" / "static" / "format.js"
DURATIONS = {
    0: "0 µs",
    0.00025: "250 µs",
    0.001: "1 ms",
    0.0123456: "12.3 ms",
    0.1: "100 ms",
    0.5: "500 ms",
    1.5: "1.50 s",
    90: "90 s",
}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_durations_have_three_digits_and_the_right_unit() -> None:
    program = (
        f"const {{ duration }} = await import({json.dumps(FORMAT.as_uri())});"
        f"console.log(JSON.stringify({json.dumps(list(DURATIONS))}.map(duration)))"
    )
    command = ["node", "--input-type=module", "-e", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == list(DURATIONS.values())
