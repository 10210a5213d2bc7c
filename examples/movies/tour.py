"""The chapters of the tour, in order."""

import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.movies import movies, show
from examples.movies.movies import Film, Films
from rich.markup import escape

import headwater as hw
from headwater import Database, Id, Writer

_THREADS = 4
_VOTES_EACH = 50


def cleaning(db: Database, rows: list[dict[str, Any]]) -> None:
    """One film, before and after."""
    film = db.query(movies.find, title="The Wizard of Oz", year=1939)
    assert film is not None
    show.console.print()
    show.cleaning(rows[film["row"]], film)
    show.console.print()
    show.fact("Found by the unique index on title and year. The year 2039 was a wrong guess.")


def indexes(db: Database) -> None:
    """Ranges of compound indexes."""
    show.chapter(
        "Ask",
        'Index("decade", "rating") is ordered by decade, then by rating: the best film of a decade '
        "is at the end of its range. Queries are Python functions over such ranges; here they "
        "want 10,000 votes, so that no three friends of the director decide.",
    )
    with show.timed() as watch:
        best = db.query(movies.best_of_each_decade)
    show.films(best, title="The best film of each decade")
    show.fact(f"{len(best)} decades in {watch}.")
    show.console.print()
    with show.timed() as watch:
        westerns = db.query(movies.best_of_genre, genre="Western", limit=3)
    show.films(westerns, title="The best westerns")
    show.fact(f"The end of one range of one index, in {watch}.")
    show.console.print()
    with show.timed() as watch:
        by_director = db.query(movies.best_of_director, name="Alfred Hitchcock", limit=3)
    show.films(by_director, title="The best of Alfred Hitchcock")
    show.fact(f"His id by his name, his films by his id, in {watch}.")


def live(db: Database) -> Id[Film]:
    """A live query, before and after a commit that touches what it read."""
    show.chapter(
        "Watch",
        "A live query knows which ranges of which indexes it has read. A commit that writes there "
        "makes it run again; any other commit costs it nothing.",
    )
    with db.watch(movies.best_of_decade, decade=1990) as nineties:
        before = nineties.next()
        show.films(before, title="live: the best of the nineties")
        winner = before[0]
        new = round(min(before[3]["rating"], winner["rating"] - 0.1), 1)
        show.console.print(
            f"\nThe votes are counted again: [bold]{escape(winner['title'])}[/] has "
            f"[bold]{new:.1f}[/], not {winner['rating']:.1f}.\n"
        )
        with show.timed() as watch:
            db.mutate(movies.rate, film=winner["id"], rating=new)
            after = nineties.next(timeout_seconds=10)
        show.films(after, title="live: the new result, pushed", before=before)
        show.fact(f"{watch} from the call to the new result, the flush to disk included.")
        _elsewhere(db, nineties)
    return winner["id"]


def _elsewhere(db: Database, nineties: hw.Live[list[movies.Listed]]) -> None:
    """A commit that this query cannot see."""
    oldest = db.query(movies.best_of_each_decade)[0]
    db.mutate(movies.vote, film=oldest["id"], stars=10)
    try:
        nineties.next(timeout_seconds=0.1)
    except TimeoutError:
        show.fact(f"A vote for {oldest['title']} ({oldest['year']}), too; that woke nobody.")


def history(db: Database, film: Id[Film]) -> None:
    """All versions of one document."""
    show.chapter(
        "Look back",
        "The log of commits is the source, and tables and indexes are made from it. So every "
        "version of every document is there, with the function that made it.",
    )
    show.history(db.history(film))


def counting(db: Database, film: Id[Film]) -> None:
    """Mutations from several threads on one document."""
    show.chapter(
        "Many at once",
        f"{_THREADS} threads call vote(film, 10) {_VOTES_EACH} times each: read the votes, add "
        "one, write the new mean. Transactions are serializable, so no vote may be lost; those "
        "that wait together share one flush.",
    )
    before = _votes(db, film)

    def work() -> None:
        with suppress(hw.ClosedError):  # somebody pressed Ctrl-C
            for _ in range(_VOTES_EACH):
                db.mutate(movies.vote, film=film, stars=10)

    # Daemons: Ctrl-C ends the program, not only the wait for them.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(_THREADS)]
    with show.timed() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = _votes(db, film) - before
    assert counted == _THREADS * _VOTES_EACH
    show.fact(f"{counted} of {_THREADS * _VOTES_EACH} votes counted, in {watch}.")


def _votes(db: Database, film: Id[Film]) -> int:
    found = db.get(film)
    assert found is not None
    return found.get("votes", 0)


def conflicts(db: Database, film: Id[Film]) -> None:
    """A transaction that loses, and one that is run again."""
    show.chapter(
        "Conflicts",
        "An explicit transaction that read what another commit has changed since is refused, and "
        "the error says who won. A function given to db.transact() is run again instead.",
    )
    try:
        with db.transaction() as tx:
            seen = tx.get(film)
            assert seen is not None
            db.mutate(movies.vote, film=film, stars=10)  # somebody else is faster
            tx.patch(film, votes=seen.get("votes", 0) + 1)
    except hw.ConflictError as conflict:
        show.error("with db.transaction() as tx: ...", conflict)
    _retried(db, film)


def _retried(db: Database, film: Id[Film]) -> None:
    """A rival commits between the read and the write of the first run."""
    runs = 0
    rival_may_start, rival_is_done = threading.Event(), threading.Event()

    def two_votes(tx: Writer) -> None:
        nonlocal runs
        runs += 1
        seen = tx.get(film)
        assert seen is not None
        if runs == 1:
            rival_may_start.set()
            rival_is_done.wait()
        tx.patch(film, votes=seen.get("votes", 0) + 2)

    def rival() -> None:
        rival_may_start.wait()
        with suppress(hw.ClosedError):  # somebody pressed Ctrl-C
            db.mutate(movies.vote, film=film, stars=10)
        rival_is_done.set()

    before = _votes(db, film)
    thread = threading.Thread(target=rival, daemon=True)
    thread.start()
    db.transact(two_votes)
    thread.join()
    assert _votes(db, film) == before + 3
    show.fact(f"db.transact(...) ran {runs} times, because a rival came between, and lost nothing.")


def errors(db: Database, film: Id[Film]) -> None:
    """Mistakes, and what the database says to them."""
    show.chapter("Mistakes", "A message says what, where, what was expected, and what to do.")
    with db.snapshot() as snapshot:
        director = snapshot.query(movies.Directors).first()
        again = snapshot.query(Films).with_index(Films.by_title, "The Wizard of Oz", 1939).first()
    assert director is not None
    assert again is not None
    double = {"row": 10**6, "title": again["title"], "year": 1939}
    attempts: dict[str, tuple[str, dict[str, object]]] = {
        "a misspelt argument": ("movies:rate", {"film": film, "ratign": 9.0}),
        "a datetime": ("movies:rate", {"film": film, "rating": datetime.now(UTC)}),
        "the id of another table": ("movies:rate", {"film": director["_id"], "rating": 9.0}),
        "a film that is there already": ("movies:add", {"films": [double]}),
        "a function that does not exist": ("movies:bestOfDecades", {}),
    }
    for attempt, (path, arguments) in attempts.items():
        try:
            db.call(path, arguments)
        except hw.UsageError as problem:
            show.error(attempt, problem)


def care(db: Database) -> None:
    """Verify and rebuild."""
    show.chapter(
        "Care",
        "verify() checks every checksum, replays the log, and compares tables and indexes with "
        "the outcome. rebuild() throws tables and indexes away and makes them anew from the log.",
    )
    before = db.query(movies.best_of_each_decade)
    with show.timed() as watch, show.reports() as report:
        problems = db.verify(progress=report)
    assert problems == []
    show.fact(f"verify: no problems, in {watch}.")
    with show.timed() as watch, show.reports() as report:
        made = db.rebuild(progress=report)
    show.fact(
        f"rebuild: {made.commits:,} commits made {made.documents:,} documents and "
        f"{made.entries:,} entries, in {watch}."
    )
    assert db.query(movies.best_of_each_decade) == before
    assert db.verify() == []
    show.fact("The answers are the same, and verify still finds nothing.")


def reopening(path: Path) -> None:
    """Close and open again."""
    with show.timed() as watch, hw.open(path, modules=[movies]) as db:
        count = db.query(movies.rows_loaded)
    show.fact(f"Closed, opened again, {count:,} films found, closed: {watch}.")


def farewell() -> None:
    """What to read next."""
    show.chapter(
        "Next",
        "examples/movies/movies.py   the tables and functions of this tour\n"
        "python -m examples.chat     two threads talk; in two terminals, two processes\n"
        "docs/tutorial.md            write the chat yourself, in ten minutes\n"
        "docs/live-queries.md        what exactly a live query promises\n\n"
        "python -m examples.movies --keep movies.hw\n"
        "keeps the database; press Ctrl-C while it loads, and run it again.",
    )
