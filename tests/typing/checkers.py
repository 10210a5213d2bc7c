"""Runs type checkers over a user's project: strict, without a plugin, with headwater installed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(REPOSITORY / folder) for folder in ("engine", "indexes"))
MARK = re.compile(r"  # error: \S")

Complaints = dict[tuple[str, int], list[str]]
"""Messages by the file's path in the project and the line, from 1."""


def run(project: Path, *arguments: str, **environment: str) -> str:
    """What a checker prints; its exit code says whether it found something."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=project,
        env={**os.environ, **environment},
    )
    if done.returncode not in {0, 1}:
        raise AssertionError(f"{arguments} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def mypy(project: Path) -> Complaints:
    """Complaints of ``mypy --strict``."""
    (project / "mypy.ini").write_text("[mypy]\n")
    printed = run(
        project,
        "mypy",
        "--strict",
        "--python-version=3.11",
        "--explicit-package-bases",
        "--follow-imports=silent",
        "--output=json",
        ".",
        MYPYPATH=SOURCES,
    )
    found: Complaints = {}
    for line in filter(None, printed.splitlines()):
        complaint = json.loads(line)
        if complaint["severity"] == "error":
            place = Path(complaint["file"]).as_posix(), complaint["line"]
            found.setdefault(place, []).append(f"{complaint['message']} [{complaint['code']}]")
    return found


def pyright(project: Path) -> Complaints:
    """Complaints of pyright in its strict mode."""
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["."]}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    arguments = ("pyright", "--outputjson", f"--pythonpath={sys.executable}")
    report = json.loads(run(project, *arguments, PYTHONPATH=SOURCES))
    if report["summary"]["filesAnalyzed"] != len(list(project.rglob("*.py"))):
        raise AssertionError(f"pyright did not look at every file: {report['summary']}")
    found: Complaints = {}
    for complaint in report["generalDiagnostics"]:
        if complaint["severity"] == "error":
            path = Path(complaint["file"]).relative_to(project.resolve()).as_posix()
            place = path, complaint["range"]["start"]["line"] + 1
            found.setdefault(place, []).append(f"{complaint['message']} [{complaint.get('rule')}]")
    return found


CHECKERS: Mapping[str, Callable[[Path], Complaints]] = {"mypy": mypy, "pyright": pyright}


def marked(project: Path, folder: str) -> set[tuple[str, int]]:
    """The lines that say that they are a mistake."""
    return {
        (f"{folder}/{path.name}", number)
        for path in (project / folder).glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MARK.search(line)
    }


def differences(project: Path, folder: str, complaints: Complaints) -> list[str]:
    """Marked lines without a complaint, and complaints about other lines."""
    expected = marked(project, folder)
    found = {place for place in complaints if place[0].startswith(f"{folder}/")}
    missed = [f"missed {path}:{line}" for path, line in sorted(expected - found)]
    others = [
        f"unexpected {path}:{line}: {'; '.join(complaints[path, line])}"
        for path, line in sorted(found - expected)
    ]
    return missed + others
