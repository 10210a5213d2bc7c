"""The chapters of the tour, in order."""

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from examples.cars import cars, show
from examples.cars.cars import Car, Cars
from rich.progress import Progress, TaskID

import headwater as hw
from headwater import Database, Id, Writer

_THREADS = 4
_LIKES_EACH = 50


def indexes(db: Database) -> None:
    """Ranges of compound indexes."""
    show.chapter(
        "Ask",
        'Index("year", "mpg") is ordered by year, then by mileage: the best car of each year is '
        "one read per year, not a scan of all cars.",
    )
    with show.timed() as watch:
        best = db.query(cars.best_of_each_year)
    show.cars(best, title="The most frugal car of each year")
    show.fact(f"{len(best)} years in {watch}.")
    show.console.print()
    with show.timed() as watch:
        found = db.query(cars.from_origin, origin="Europe", at_least_mpg=40)
    show.cars(found, title="Europe, 40 miles per gallon and more")
    show.fact(f"{len(found)} cars, nothing else was read, in {watch}.")


def live(db: Database) -> Id[Car]:
    """A live query, before and after a commit that touches what it read."""
    show.chapter(
        "Watch",
        "A live query knows which ranges of which indexes it has read. A commit that writes there "
        "makes it run again; any other commit costs it nothing.",
    )
    with db.watch(cars.most_frugal, limit=3) as frugal:
        before = frugal.next()
        show.cars(before, title="live: the three most frugal")
        winner = before[0]
        new = round((winner["mpg"] or 0) * 0.75, 1)
        show.console.print(
            f"\nA new measurement: the {winner['name']} does [bold]{new}[/], "
            f"not {winner['mpg']} miles per gallon.\n"
        )
        with show.timed() as watch:
            db.mutate(cars.correct_mpg, car=winner["id"], mpg=new)
            after = frugal.next(timeout_seconds=10)
        show.cars(after, title="live: the new result, pushed")
        show.fact(f"{watch} from the call to the new result, the flush to disk included.")
        _elsewhere(db, frugal)
    return winner["id"]


def _elsewhere(db: Database, frugal: hw.Live[list[cars.Listed]]) -> None:
    """A commit that this query cannot see."""
    with db.snapshot() as snapshot:
        thirstiest = snapshot.query(Cars).with_index(Cars.by_mpg, gt=0).first()
    assert thirstiest is not None
    db.mutate(cars.correct_mpg, car=thirstiest["_id"], mpg=(thirstiest.get("mpg") or 0) - 0.1)
    try:
        frugal.next(timeout_seconds=0.1)
    except TimeoutError:
        show.fact("The thirstiest car was measured anew, too; that woke nobody.")


def history(db: Database, car: Id[Car]) -> None:
    """All versions of one document."""
    show.chapter(
        "Look back",
        "The log of commits is the source, and tables and indexes are made from it. So every "
        "version of every document is there, with the function that made it.",
    )
    show.history(db.history(car))


def counting(db: Database, car: Id[Car]) -> None:
    """Mutations from several threads on one document."""
    show.chapter(
        "Many at once",
        f"{_THREADS} threads call like(car) {_LIKES_EACH} times each: read a number, add one, "
        "write it. Transactions are serializable, so no like may be lost; those that wait "
        "together share one flush.",
    )
    before = db.query(cars.likes_of, car=car)

    def work() -> None:
        for _ in range(_LIKES_EACH):
            db.mutate(cars.like, car=car)

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    with show.timed() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = db.query(cars.likes_of, car=car) - before
    assert counted == _THREADS * _LIKES_EACH
    show.fact(f"{counted} of {_THREADS * _LIKES_EACH} likes counted, in {watch}.")


def conflicts(db: Database, car: Id[Car]) -> None:
    """A transaction that loses, and one that is run again."""
    show.chapter(
        "Conflicts",
        "An explicit transaction that read what another commit has changed since is refused, and "
        "the error says who won.",
    )
    try:
        with db.transaction() as tx:
            seen = tx.get(car)
            assert seen is not None
            db.mutate(cars.like, car=car)  # somebody else is faster
            tx.patch(car, likes=seen.get("likes", 0) + 1)
    except hw.ConflictError as conflict:
        show.error("with db.transaction() as tx: ...", conflict)

    runs = 0

    def like_twice(tx: Writer) -> None:
        nonlocal runs
        runs += 1
        seen = tx.get(car)
        assert seen is not None
        if runs == 1:
            rival_may_start.set()
            rival_is_done.wait()
        tx.patch(car, likes=seen.get("likes", 0) + 2)

    def rival() -> None:
        rival_may_start.wait()
        db.mutate(cars.like, car=car)
        rival_is_done.set()

    rival_may_start, rival_is_done = threading.Event(), threading.Event()
    before = db.query(cars.likes_of, car=car)
    thread = threading.Thread(target=rival)
    thread.start()
    db.transact(like_twice)
    thread.join()
    assert db.query(cars.likes_of, car=car) == before + 3
    show.fact(f"db.transact(...) ran {runs} times, because a rival came between, and lost nothing.")


def errors(db: Database, car: Id[Car]) -> None:
    """Mistakes, and what the database says to them."""
    show.chapter("Mistakes", "A message says what, where, what was expected, and what to do.")
    with db.snapshot() as snapshot:
        made = snapshot.get(car)
    assert made is not None
    attempts: dict[str, tuple[str, dict[str, object]]] = {
        "a misspelt argument": ("cars:likesOf", {"carr": car}),
        "the id of another table": ("cars:like", {"car": made["maker"]}),
        "a moment, where a number belongs": (
            "cars:correctMpg",
            {"car": car, "mpg": datetime(1980, 1, 1, tzinfo=UTC)},
        ),
        "a row that is there already": ("cars:add", {"car": _again(made)}),
        "a function that does not exist": ("cars:mostFugal", {}),
    }
    for attempt, (path, arguments) in attempts.items():
        try:
            db.call(path, arguments)
        except hw.UsageError as problem:
            show.error(attempt, problem)


def _again(car: Car) -> dict[str, object]:
    """A car as `cars.add` takes it."""
    system = ("_id", "_creationTime", "likes")
    fields: dict[str, object] = {n: v for n, v in car.items() if n not in system}
    return {**fields, "maker": "Trabant"}


def care(db: Database) -> None:
    """Verify and rebuild."""
    show.chapter(
        "Care",
        "verify() checks every checksum, replays the log, and compares tables and indexes with "
        "the outcome. rebuild() throws tables and indexes away and makes them anew from the log.",
    )
    before = db.query(cars.best_of_each_year)
    with show.timed() as watch, Progress(console=show.console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def task_of(step: str) -> TaskID:
            return tasks[step] if step in tasks else tasks.setdefault(step, bar.add_task(step))

        problems = db.verify(
            progress=lambda p: bar.update(task_of(p.step), completed=p.done, total=p.total)
        )
    assert problems == []
    show.fact(f"verify: no problems, in {watch}.")
    with show.timed() as watch:
        made = db.rebuild()
    show.fact(
        f"rebuild: {made.documents:,} documents and {made.entries:,} index entries from "
        f"{made.commits:,} commits, in {watch}."
    )
    assert db.query(cars.best_of_each_year) == before
    assert db.verify() == []
    show.fact("The answers are the same, and verify still finds nothing.")


def reopening(path: Path) -> None:
    """Close and open again."""
    with show.timed() as watch, hw.open(path, modules=[cars]) as db:
        count = db.query(cars.rows_loaded)
    show.fact(f"Closed, opened again, {count} cars found, closed: {watch}.")


def farewell() -> None:
    """What to read next."""
    here, python = Path.cwd(), Path(sys.executable)
    run = python.relative_to(here) if python.is_relative_to(here) else Path("python")
    show.chapter(
        "Next",
        "Read:\n"
        "  examples/cars/cars.py   the tables and functions of this tour\n"
        "  docs/tutorial.md        write a chat yourself, in ten minutes\n"
        "  docs/live-queries.md    what exactly a live query promises\n"
        "Run:\n"
        f"  {run} -m examples.chat\n"
        "      two threads talk; in two terminals, two processes\n"
        f"  {run.with_name('headwater')} dev examples/chat\n"
        "      a chat in the browser: open http://127.0.0.1:3210 in two windows\n"
        f"  {run} -m examples.cars --path cars.hw\n"
        "      keeps the database: press Ctrl-C whenever you like, and run it again",
    )
