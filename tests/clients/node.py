"""Node and the packages of npm that tests of the official clients need."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).absolute().parent
MODULES = FOLDER / "node_modules"


def require_packages() -> str:
    """The path of node; skips the test where the packages are not installed, but never in CI."""
    node = shutil.which("node")
    if node is not None and MODULES.is_dir():
        return node
    reason = (
        "needs node and tests/clients/node_modules: run 'make test', or npm ci in tests/clients"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def problems_of(folder: Path, *files: str) -> str:
    """What tsc says of files of a folder, which find the packages of npm; empty if all is well."""
    node = require_packages()
    (folder / "node_modules").symlink_to(MODULES)
    options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"]
    options += ["--module", "esnext", "--moduleResolution", "bundler"]
    tsc = [node, str(MODULES / "typescript" / "bin" / "tsc"), *options, *files]
    done = subprocess.run(tsc, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stdout == ""), done
    return done.stdout + done.stderr
