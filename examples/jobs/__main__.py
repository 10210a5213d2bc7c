"""A job queue with live progress, in the terminal.

``python -m examples.jobs`` counts the words of the pages in ``docs``, three files at a time.
``python -m examples.jobs --path jobs.hw FOLDER`` keeps the database. Kill it and start it again: it
goes on. Start it a second time meanwhile: both work, on three files together.
"""

import argparse
import sys
from pathlib import Path

from examples.jobs import words
from examples.jobs.words import Line, Overview

import headwater as hw

DOCS = Path(__file__).parents[2] / "docs"
BAR = 20


def files_of(folder: Path) -> list[str]:
    """The files to read."""
    return [str(file) for file in sorted(folder.iterdir()) if file.is_file()]


def show(line: Line) -> None:
    """One line for a file: how far it is, as a bar."""
    filled = round(BAR * line["done"] / line["total"]) if line["total"] else 0
    bar = "#" * filled + "." * (BAR - filled)
    print(f"  {Path(line['path']).name:<28} [{bar}] {line['state']:<8} {line['note']}", flush=True)


def show_changes(shown: dict[str, Line], seen: Overview) -> None:
    """Print the lines that have changed."""
    for line in seen["lines"]:
        if line["state"] != "pending" and shown.get(line["path"]) != line:
            show(line)
        shown[line["path"]] = line


def main() -> None:
    """Read a folder, and show how that goes on."""
    parser = argparse.ArgumentParser(description="Count the words of the files in a folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS)
    parser.add_argument("--path", type=Path, help="where the database is kept")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds of rest now and then")
    options = parser.parse_args()
    files = files_of(options.folder)
    with hw.open(options.path, modules=[words]) as db:
        batch = db.mutate(
            words.read_folder,
            path=str(options.folder),
            files=files,
            pause_seconds=options.pause,
        )
        shown: dict[str, Line] = {}
        with db.watch(words.overview, batch=batch) as live:
            for seen in live:
                show_changes(shown, seen)
                if seen["summary"] is not None:
                    print(seen["summary"])
                    return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
