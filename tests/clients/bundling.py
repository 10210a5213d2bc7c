"""Pages bundled by esbuild, from the packages of npm that are installed: no network.

Run it with a script and a file to write: ``python -m tests.clients.bundling page.jsx page.js``.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.clients.node import MODULES, require_packages


def bundle(script: Path, out: Path) -> None:
    """Write a script, and all that it imports, as one that a browser runs.

    The same packages give the same file.
    """
    subprocess.run(
        [
            *(require_packages(), str(MODULES / "esbuild" / "bin" / "esbuild"), str(script)),
            *("--bundle", "--minify", "--format=esm", "--target=es2022", "--jsx=automatic"),
            *('--define:process.env.NODE_ENV="production"', "--legal-comments=eof"),
            f"--banner:js=/* Made from {script.name}, with React (MIT) and convex (Apache-2.0). */",
            *(f"--outfile={out}", "--log-level=warning"),
        ],
        check=True,
        env=os.environ | {"NODE_PATH": str(MODULES)},
    )


if __name__ == "__main__":
    bundle(Path(sys.argv[1]), Path(sys.argv[2]))
