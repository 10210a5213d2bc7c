"""A tour of Headwater with a real data set: ``python -m examples.cars``, or ``make demo``.

``--path cars.hw`` keeps the database. Interrupt it whenever you like, and run it again: what was
acknowledged is there, and the load goes on behind it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from examples.cars import cars, show, source, tour
from rich.progress import track

import headwater as hw


def load(db: hw.Database) -> None:
    """Load what is not loaded yet, one durable transaction per car."""
    rows = source.load()
    start = db.query(cars.rows_loaded)
    show.chapter(
        "Load",
        f"{len(rows)} cars from vega_datasets, cleaned: typos in makers' names, nulls, dates as "
        "text. Each one is a transaction of its own, checked against its type, and flushed to "
        "disk before the next begins.",
    )
    if start:
        show.fact(f"{start} cars are here already, from an earlier run; going on behind them.")
    with show.timed() as watch:
        for row in track(range(start, len(rows)), "loading", console=show.console):
            db.mutate(cars.add, car=source.clean(row, rows[row]))
    count = len(rows) - start
    if count:
        each = watch.seconds / count * 1000
        show.fact(f"{count} durable transactions in {watch}: {each:.2f} ms each.")


def run(path: Path) -> None:
    show.console.print(f"A database is a directory: [cyan]{path}[/]")
    with hw.open(path, modules=[cars]) as db:
        load(db)
        tour.indexes(db)
        car = tour.live(db)
        tour.history(db, car)
        tour.counting(db, car)
        tour.conflicts(db, car)
        tour.errors(db, car)
        tour.care(db)
    tour.reopening(path)
    tour.farewell()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.cars", description=__doc__)
    parser.add_argument("--path", type=Path, help="a directory to keep the database in")
    path: Path | None = parser.parse_args().path
    try:
        if path is not None:
            run(path)
        else:
            with tempfile.TemporaryDirectory(prefix="headwater-") as directory:
                run(Path(directory) / "cars.hw")
    except KeyboardInterrupt:
        show.console.print("\nInterrupted. Whatever was acknowledged is in the database.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
