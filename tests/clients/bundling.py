"""Pages bundled by esbuild, from the packages of npm that are installed: no network."""

import shutil
import subprocess
from pathlib import Path

from tests.clients.node import MODULES, require_packages


def bundle(folder: Path, name: str, out: Path) -> None:
    """Bundle a script of a folder, and put its page beside it.

    Args:
        folder: Has ``index.html`` and the script.
        name: Of the script, which is written as ``.js``.
        out: Where to.
    """
    node = require_packages()
    script = out / Path(name).with_suffix(".js").name
    subprocess.run(
        [
            *(node, str(MODULES / "esbuild" / "bin" / "esbuild"), str(folder / name)),
            *("--bundle", "--format=esm", "--jsx=automatic", f"--outfile={script}"),
            *('--define:process.env.NODE_ENV="production"', "--log-level=warning"),
        ],
        check=True,
    )
    shutil.copy(folder / "index.html", out)
