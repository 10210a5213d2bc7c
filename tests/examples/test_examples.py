"""The examples do what they say, from a process of their own, and survive its end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from examples.cars import cars, source

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
    output = run("examples.cars")
    for fact in (
        "406 durable transactions",
        "1980  Mazda GLC",
        "live: the new result, pushed",
        "mpg: 46.6 -> 35.0",
        "that woke nobody",
        "200 of 200 likes counted",
        "the transaction lost: commit",
        "ran 2 times, because a rival came between",
        "did you mean 'car'? (and 'car' is missing)",
        "expected an id of table 'cars', got an id of table 'makers'",
        "cars.by_row is unique",
        "verify: no problems",
        "The answers are the same",
        "opened again, 406 cars found",
        "headwater dev examples/chat",
    ):
        assert fact in output, f"{fact!r} is not in:\n{output}"


def test_the_tour_can_be_taken_again_on_the_same_database(tmp_path):
    path = tmp_path / "cars.hw"
    run("examples.cars", "--path", path)
    assert "406 cars are here already" in run("examples.cars", "--path", path)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_load_that_ends_midway_leaves_a_database_that_goes_on(tmp_path, end):
    path = tmp_path / "cars.hw"
    with hw.open(path, modules=[cars]) as db:
        seen = 0
        with start("examples.cars", "--path", path) as child:
            # Another process is watched while it loads, by the means of the database itself.
            with db.watch(cars.rows_loaded) as live:
                while seen < 20:
                    seen = live.next(timeout_seconds=60)
            child.send_signal(end)
            output, _ = child.communicate(timeout=60)
        assert child.returncode == (-end if end == signal.SIGKILL else INTERRUPTED), output
    with hw.open(path, modules=[cars]) as db:
        loaded = db.query(cars.rows_loaded)
        assert seen <= loaded
        with db.snapshot() as snapshot:
            rows = snapshot.query(cars.Cars).with_index(cars.Cars.by_row)
            assert [car["row"] for car in rows] == list(range(loaded))
        assert db.verify() == []
    again = run("examples.cars", "--path", path)
    assert "opened again, 406 cars found" in again


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
    assert len(raw) == 406
    with hw.open(None, modules=[cars]) as db:
        for row, fields in enumerate(raw):
            db.mutate(cars.add, car=source.clean(row, fields))
        with db.snapshot() as snapshot:
            loaded = snapshot.query(cars.Cars).collect()
            makers = [maker["name"] for maker in snapshot.query(cars.Makers)]
    assert sum("mpg" not in car for car in loaded) == 8
    assert all(None not in car.values() for car in loaded)
    assert {"Chevrolet", "Toyota", "Volkswagen"} <= set(makers)
    assert not {"Chevroelt", "Toyouta", "Vokswagen", "Vw", "Chevy"} & set(makers)
    assert len(makers) == len(set(makers)) == 30
