"""Eight processes write and watch one directory at the same time.

Goal: what all of them saw is explained by one order; every live query of each of them shows states
that were, in their order, and ends with the last one; also when some are killed at any call.
Method: drawn programs; each transaction and each delivered result is told to the parent, which
replays the log.
"""

import json
import random
import signal

import pytest
from tests.laws import application
from tests.laws.programs import ModelCells, run_operation
from tests.laws.recording import SEEDER, Recorder
from tests.laws.serializability import Ran, _apply, check, without_times
from tests.processes.writers import GROUP_0

import headwater as hw

PROCESSES = 8
PROGRAMS = 20
CELLS = [(number % 2, number % 3) for number in range(6)]

CHILD = """
from tests.crashes import faults
from tests.processes import writers
def tell(line):
    os.write(1, (line + "\\n").encode())
seed, programs, cells, call, moment = sys.argv[2:]
killer = faults.kill_at(int(call), moment) if int(call) else faults.Faults()
with faults.engine(killer):
    writers.work(path, tell, seed, int(programs), cells.split())
"""


class Heard:
    """What the children said."""

    def __init__(self) -> None:
        self.ran: list[list] = []
        self.live: dict[int, list[tuple[int, list]]] = {}

    def until(self, child, word: str) -> str:
        """Take in what a child says until a word; returns the word, empty if it died before."""
        while line := child.hear():
            if not line.startswith("["):
                assert line == word, line
                return word
            kind, *facts = json.loads(line)
            if kind == "ran":
                self.ran.append(facts)
            else:
                self.live.setdefault(child.process.pid, []).append(tuple(facts))
        return ""


def run_all(path, start, kills):
    """Let all children work; those with a kill die at that call. What was heard, and the log."""
    with hw.open(path, modules=[application]) as db:
        recorder = Recorder(db, CELLS)
        children = [
            start(
                CHILD, path, f"w{at}", PROGRAMS, " ".join(recorder.cells), *kills.get(at, (0, ""))
            )
            for at in range(PROCESSES)
        ]
        heard = Heard()
        alive = [child for child in children if heard.until(child, "ready")]
        for child in alive:
            child.tell("go")
        alive = [child for child in alive if heard.until(child, "wrote")]
        for child in alive:
            child.tell("end")
        for child in alive:
            assert heard.until(child, "last"), child.errors
        for child in children:
            child.rest()
        history = recorder.history()
        receipts = db.transact(lambda tx: tx.query("receipts").collect())
        ts_of = {receipt["writer"]: db.history(receipt["_id"])[0].ts for receipt in receipts}
        ts_of.pop(SEEDER)
        for name, program, seen, ts in heard.ran:
            is_read = ts is not None
            history.transactions.append(
                Ran(name, program, seen, ts if is_read else ts_of[name], is_read_only=is_read)
            )
        told = {name for name, *_ in heard.ran}
        history.transactions += untold(history, {t: n for n, t in ts_of.items() if n not in told})
        assert db.verify() == []
    return children, heard, history


def untold(history, names: dict[int, str]) -> list[Ran]:
    """What was committed by processes that died before they could say so: its writes, at least."""
    found, known = [], set()
    for ts in sorted(history.log):
        program, seen = [], []
        for cell, fields in ((written.cell, written.fields) for written in history.log[ts]):
            if fields is None:
                program.append(["delete", cell])
            elif cell in known:
                program.append(["patch", cell, {k: v for k, v in fields.items() if k != "writer"}])
            else:
                program.append(["insert", fields["group"], fields["number"]])
            seen.append(cell if program[-1][0] == "insert" else True)
            known.add(cell)
        if ts in names:
            found.append(Ran(names[ts], program, seen, ts))
    return found


def check_live(heard, history) -> None:
    """Each result is the state at its timestamp, and they come in order."""
    documents: dict = {}
    states = {}
    for ts in sorted(history.log):
        for written in history.log[ts]:
            _apply(documents, written)
        states[ts] = run_operation(ModelCells(dict(documents)), "", GROUP_0[0])
    for delivered in heard.live.values():
        stamps = [ts for ts, _ in delivered]
        assert stamps == sorted(set(stamps)), "older after newer, or the same twice"
        for ts, value in delivered:
            expected = states[max(known for known in states if known <= ts)]
            assert without_times(value) == [expected]


def test_what_eight_writers_and_their_live_queries_see_is_explained_by_the_log(path, start) -> None:
    children, heard, history = run_all(path, start, {})

    assert [child.process.returncode for child in children] == [0] * PROCESSES
    assert len(heard.ran) > PROCESSES * PROGRAMS // 2
    assert len(heard.live) == PROCESSES, "everybody was told something"
    assert check(history) == []
    check_live(heard, history)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killing_some_of_eight_writers_harms_no_other(path, start, moment) -> None:
    draw = random.Random(moment)
    victims = draw.sample(range(PROCESSES), 3)
    kills = {at: (draw.randint(3, 35), moment) for at in victims}
    children, heard, history = run_all(path, start, kills)

    for at, child in enumerate(children):
        assert child.process.returncode == (-signal.SIGKILL if at in kills else 0), child.errors
    assert check(history) == []
    check_live(heard, history)
