"""Ctrl-C at any moment of what takes long: exit 130, a good database, and no half output."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.cli.calling import call, shown

import headwater as hw
from headwater.cli import care, exchange, insights

ROWS = 2500


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A database with some thousand documents of two versions each."""
    path = tmp_path_factory.mktemp("interrupts") / "rows.hw"
    with hw.open(path, durability="none") as db:
        ids = db.transact(lambda tx: tx.insert_many("rows", [{"n": n} for n in range(ROWS)]))
        db.transact(lambda tx: [tx.patch(id, n=-1) for id in ids[:500]])
    return path


@pytest.fixture
def rows(original, tmp_path):
    shown("backup", original, tmp_path / "rows.hw")
    return tmp_path / "rows.hw"


class Interrupter:
    """Presses Ctrl-C at a report of progress; counts them."""

    def __init__(self, monkeypatch):
        self.moment = 0
        self.reports = 0
        for module in (care, exchange, insights):
            monkeypatch.setattr(module, "progress_shown", self._shown)

    @contextmanager
    def _shown(self):
        yield self._report

    def _report(self, progress):
        self.reports += 1
        if self.reports == self.moment:
            signal.raise_signal(signal.SIGINT)

    def call(self, moment, *arguments):
        self.moment, self.reports = moment, 0
        return call(*arguments)


@pytest.fixture
def interrupter(monkeypatch):
    return Interrupter(monkeypatch)


def documents(path):
    with hw.open(path) as db, db.snapshot() as snapshot:
        return snapshot.query("rows").collect()


def files_beside(path):
    found = [other for other in path.parent.rglob("*") if not other.is_dir()]
    return [other for other in found if not other.is_relative_to(path)]


COMMANDS = {
    "export": ["export", "rows.hw", "out"],
    "export as Convex does": ["export", "rows.hw", "out.zip"],
    "backup": ["backup", "rows.hw", "out.hw"],
    "restore": ["restore", "rows.hw", "out.hw"],
    "compact": ["compact", "rows.hw"],
    "trim": ["trim", "rows.hw", "--before", "2200-01-01"],
    "verify": ["verify", "rows.hw"],
    "stats": ["stats", "rows.hw"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_ctrl_c_leaves_a_good_database_and_no_half_output(
    rows, interrupter, monkeypatch, arguments
):
    monkeypatch.chdir(rows.parent)
    before = documents(rows)
    moment = 1
    while (code := interrupter.call(moment, *arguments)[0]) != 0:
        assert code == 130
        # A directory that was made for the output may stay, and is empty.
        assert files_beside(rows) == []
        assert documents(rows) == before
        moment += moment if "verify" in arguments else 1  # which takes a process each time
    assert moment > 1
    assert documents(rows) == before
    assert hw.check(rows) == []


def test_ctrl_c_in_an_import_leaves_the_database_as_it_was(rows, interrupter, monkeypatch):
    monkeypatch.chdir(rows.parent)
    shown("export", "rows.hw", "rows.jsonl.d")
    hw.open("new.hw").close()
    moment = 1
    while (code := interrupter.call(moment, "import", "new.hw", "rows.jsonl.d")[0]) != 0:
        assert code == 130
        assert documents("new.hw") == []
        moment += 1
    assert moment > 1
    assert documents("new.hw") == documents(rows)


def test_following_the_log_ends_with_ctrl_c_and_no_trace(rows):
    command = [sys.executable, "-m", "headwater.cli", "log", str(rows), "--follow", "--json"]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        for _ in range(2):
            assert process.stdout.readline().startswith("{")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
