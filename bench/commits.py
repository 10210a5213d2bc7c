"""Measures two commits of the engine with the suite that is here, in turns."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.reading import read_results

_ROOT: Final = Path(__file__).parents[1]


class NoSuchCommit(Exception):  # noqa: N818 - what was asked for does not exist
    """A commit cannot be checked out, or the suite does not run on it."""


def measure_commits(
    commits: Sequence[str], suite: Sequence[str], *, repeat: int, directory: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Results of both, one for each time that they were measured.

    Each has a work tree of its own below a temporary directory, removed afterwards; what is not
    committed is not measured. They take turns, and who is first changes from time to time.

    Args:
        commits: The old and the new one, by any name that git knows.
        suite: Arguments of ``python -m bench``.
        repeat: How often.
        directory: Where.

    Raises:
        NoSuchCommit: See there.
    """
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    with ExitStack() as stack:
        place = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-", dir=directory))
        )
        trees = [_check_out(stack, place / str(at), commit) for at, commit in enumerate(commits)]
        for time in range(repeat):
            for side in (0, 1) if time % 2 == 0 else (1, 0):
                print(f"--- {commits[side]}, {time + 1} of {repeat}", file=sys.stderr, flush=True)
                found[side].append(_run(trees[side], suite, place))
    return found


def _check_out(stack: ExitStack, place: Path, commit: str) -> Path:
    done = _git("worktree", "add", "--detach", "--quiet", str(place), commit)
    if done.returncode != 0:
        raise NoSuchCommit(f"{commit} cannot be checked out: {done.stderr.strip()}")
    stack.callback(_git, "worktree", "remove", "--force", str(place))
    return place


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    git = shutil.which("git")
    if git is None:
        raise NoSuchCommit("git is not installed")
    return subprocess.run([git, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)


def _run(tree: Path, suite: Sequence[str], place: Path) -> dict[str, Any]:
    output = place / "results.json"
    words = [sys.executable, "-m", "bench", *suite]
    words += ["--directory", str(place), "--output", str(output)]
    # Its engine before any that is installed; the suite is this one.
    paths = [str(tree / "engine"), str(tree / "indexes"), str(_ROOT)]
    done = subprocess.run(
        words,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise NoSuchCommit(
            f"the suite ended with {done.returncode} on {tree.name}: an older engine may lack what"
            " it needs"
        )
    return read_results(output)
