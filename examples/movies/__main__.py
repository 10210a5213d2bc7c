"""A tour of Headwater with 3,201 films: ``python -m examples.movies``, or ``make demo``.

``--keep movies.hw`` keeps the database. Interrupt it whenever you like, and run it again: what was
acknowledged is there, and the load goes on behind it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from examples.movies import movies, show, source, tour

import headwater as hw

_BATCH = 25


def load(db: hw.Database) -> None:
    """Load what is not loaded yet, one durable transaction per batch."""
    rows = source.load()
    start = db.query(movies.rows_loaded)
    show.chapter(
        "Load",
        f"{len(rows):,} films from a JSON file, cleaned. Each {_BATCH} are one transaction: every "
        "film is checked against its type, its director is looked up or added, five indexes are "
        "kept, and all of it is flushed to disk before the next transaction begins.",
    )
    if start:
        show.fact(f"{start:,} films are here already, from an earlier run; going on behind them.")
    with show.timed() as watch, show.progress() as bar:
        task = bar.add_task("loading", completed=start, total=len(rows))
        for first in range(start, len(rows), _BATCH):
            batch = range(first, min(first + _BATCH, len(rows)))
            db.mutate(movies.add, films=[source.clean(row, rows[row]) for row in batch])
            bar.update(task, completed=batch.stop)
    count = len(rows) - start
    if count:
        commits = -(-count // _BATCH)
        show.fact(
            f"{count:,} films in {commits} durable transactions, in {watch}: "
            f"{count / watch.seconds:,.0f} films a second."
        )
    tour.cleaning(db, rows)


def run(path: Path) -> None:
    show.console.print(f"A database is a directory: [cyan]{path}[/]")
    with hw.open(path, modules=[movies]) as db:
        load(db)
        tour.indexes(db)
        film = tour.live(db)
        tour.history(db, film)
        tour.counting(db, film)
        tour.conflicts(db, film)
        tour.errors(db, film)
        tour.care(db)
    tour.reopening(path)
    tour.farewell()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.movies", description=__doc__)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the database in DIR")
    path: Path | None = parser.parse_args().keep
    try:
        if path is not None:
            run(path)
        else:
            with tempfile.TemporaryDirectory(prefix="headwater-") as directory:
                run(Path(directory) / "movies.hw")
    except KeyboardInterrupt:
        kept = "Whatever was acknowledged is kept; run it again to go on." if path else "Goodbye."
        show.console.print(f"\nInterrupted. {kept}")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
