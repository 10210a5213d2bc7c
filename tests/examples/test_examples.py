"""The examples do what they say, from a process of their own, and survive its end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from examples.movies import movies, source

import headwater as hw

ROOT = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(ROOT / name) for name in ("engine", "indexes", "."))
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES, "COLUMNS": "120", "NO_COLOR": "1"}
INTERRUPTED = 130


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*arguments, typed=""):
    with start(*arguments) as child:
        output, _ = child.communicate(typed, timeout=240)
    assert child.returncode == 0, output
    return output


def test_the_tour_shows_what_it_promises():
    output = run("examples.movies")
    for fact in (
        "3,201 films in 129 durable transactions",
        "Release Date: Aug 25 2039",
        "released: '1939-08-25'",
        "8.9  119,101  1957  12 Angry Men",
        "Per qualche dollaro in più",
        "The Shawshank Redemption has 8.8, not 9.2",
        "live: the new result, pushed",
        "▼3",
        "that woke nobody",
        "rating: 9.2 -> 8.8",
        "inserted, 17 fields",
        "200 of 200 votes counted",
        "the transaction lost: commit",
        "ran 2 times, because a rival came between",
        "did you mean 'rating'? (and 'rating' is missing)",
        "expected float; a datetime.datetime cannot be stored",
        "expected an id of table 'films', got an id of table 'directors'",
        "films.by_title is unique",
        "did you mean 'movies:bestOfDecade'?",
        "verify: no problems",
        "The answers are the same",
        "opened again, 3,201 films found",
    ):
        assert fact in output, f"{fact!r} is not in:\n{output}"


def test_the_tour_can_be_taken_again_on_the_same_database(tmp_path):
    path = tmp_path / "movies.hw"
    run("examples.movies", "--keep", path)
    again = run("examples.movies", "--keep", path)
    assert "3,201 films are here already" in again
    assert "Schindler's List has 8.8, not 8.9" in again


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_load_that_ends_midway_leaves_a_database_that_goes_on(tmp_path, end):
    path = tmp_path / "movies.hw"
    with hw.open(path, modules=[movies]) as db:
        seen = 0
        with start("examples.movies", "--keep", path) as child:
            # Another process is watched while it loads, by the means of the database itself.
            with db.watch(movies.rows_loaded) as live:
                while seen < 20:
                    seen = live.next(timeout_seconds=60)
            child.send_signal(end)
            output, _ = child.communicate(timeout=60)
        assert child.returncode == (-end if end == signal.SIGKILL else INTERRUPTED), output
        assert "Traceback" not in output
    with hw.open(path, modules=[movies]) as db:
        loaded = db.query(movies.rows_loaded)
        assert seen <= loaded
        with db.snapshot() as snapshot:
            films = snapshot.query(movies.Films).with_index(movies.Films.by_row)
            assert [film["row"] for film in films] == list(range(loaded))
        assert db.verify() == []
    again = run("examples.movies", "--keep", path)
    assert "opened again, 3,201 films found" in again


def test_the_chat_says_all_lines_in_order():
    lines = run("examples.chat").splitlines()
    assert lines[1].split() == ["Ada:", "Good", "morning,", "Grace."]
    assert [line.split(":")[0].strip() for line in lines[1:7]] == ["Ada", "Grace"] * 3
    assert lines[7].startswith("6 messages")


def test_two_processes_talk_through_one_directory(tmp_path):
    path = tmp_path / "chat.hw"
    with start("examples.chat", path, "Ada") as ada:
        assert ada.stdout.readline().startswith("You are Ada")
        run("examples.chat", path, "Grace", typed="Hello from another process.\n\n")
        assert ada.stdout.readline().strip() == "Grace: Hello from another process."
        ada.communicate("\n", timeout=60)
    assert ada.returncode == 0


def test_every_row_of_the_data_set_fits_the_declared_type():
    raw = source.load()
    assert len(raw) == 3201
    with hw.open(None, modules=[movies]) as db:
        db.mutate(movies.add, films=[source.clean(*row) for row in enumerate(raw)])
        with db.snapshot() as snapshot:
            films = snapshot.query(movies.Films).collect()
            directors = [director["name"] for director in snapshot.query(movies.Directors)]
    assert len(films) == 3201
    assert len(directors) == len(set(directors)) == 550
    assert all(None not in film.values() for film in films)
    assert sum("rating" not in film for film in films) == 213
    assert sum("year" not in film for film in films) == 8
    assert all(1915 <= film["year"] <= 2011 for film in films if "year" in film)
    titles = {film["title"] for film in films}
    assert {"1941", "Léon", "Déjà Vu", "The Secret", "Alien³"} <= titles
    assert not {"LÈon", "Secret, The"} & titles


@pytest.mark.parametrize(
    ("text", "released"),
    [
        ("Jun 12 1998", "1998-06-12"),
        ("Feb 08 2015", "1915-02-08"),
        ("Dec 23 2011", "2011-12-23"),
        ("Dec 31 1969", None),
    ],
)
def test_a_date_is_iso_text_of_the_true_century_or_absent(text, released):
    film = source.clean(0, {**source.load()[0], "Release Date": text})
    assert film.get("released") == released
    assert film.get("year") == (released and int(released[:4]))


def test_the_best_are_those_that_a_plain_search_finds():
    films = [source.clean(*row) for row in enumerate(source.load())]
    with hw.open(None, modules=[movies]) as db:
        db.mutate(movies.add, films=films)
        asked = {
            ("genre", "Western"): db.query(movies.best_of_genre, genre="Western", limit=9),
            ("decade", 1980): db.query(movies.best_of_decade, decade=1980, limit=9),
        }
    for (field, value), listed in asked.items():
        ratings = [
            film["rating"]
            for film in films
            if film.get(field) == value and "rating" in film and film["votes"] >= 10_000
        ]
        assert [film["rating"] for film in listed] == sorted(ratings, reverse=True)[:9]
