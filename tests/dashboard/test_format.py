"""What the page makes of numbers, by its own module in node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import headwater

STATIC = Path(headwater.__file__).parent / "dashboard" / "static"
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
PROGRAM = """
const { duration } = await import(process.argv[1]);
console.log(JSON.stringify(JSON.parse(process.argv[2]).map(duration)));
process.exit(0);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_durations_have_three_digits_and_the_right_unit(tmp_path: Path) -> None:
    for module in STATIC.glob("*.js"):
        shutil.copy(module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    given = [str(tmp_path / "format.js"), json.dumps(list(DURATIONS))]
    command = ["node", "--input-type=module", "-e", PROGRAM, *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == list(DURATIONS.values())
