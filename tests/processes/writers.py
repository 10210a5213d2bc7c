"""What each of many writing processes does: drawn programs, under live queries of its own.

It says a line of JSON for each transaction that was committed and for each result that a live query
delivered, at once, so that what a killed one had seen counts too.
"""

import json
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.laws import application
from tests.laws.programs import Program
from tests.laws.recording import Recorder
from tests.laws.serializability import Ran

import headwater as hw

GROUP_0: Program = [["range", "by_group", [0], {}, "asc", None]]
WAIT_SECONDS = 100
Say = Callable[[str], None]


def drawn_program(draw: random.Random) -> list[list[Any]]:
    """One to four operations on few cells; the last one writes."""
    program = [_operation(draw, draw.random() < 0.5) for _ in range(draw.randint(0, 3))]
    return [*program, _operation(draw, True)]


def _operation(draw: random.Random, writes: bool) -> list[Any]:
    slot, group, number = draw.randrange(6), draw.randrange(2), draw.randrange(4)
    if writes:
        return draw.choice(
            [
                ["insert", group, number],
                ["patch", slot, {"number": number}],
                ["patch", slot, {"group": group}],
                ["replace", slot, group, number],
                ["delete", slot],
            ]
        )
    order, count = draw.choice(["asc", "desc"]), draw.choice([None, 1, 2, 3])
    return draw.choice(
        [
            ["get", slot],
            ["range", "by_group", [group], {"gte": number}, order, count],
            ["range", "by_number", [], {"lt": number}, order, count],
            ["walk", order, count],
        ]
    )


class Reporting(Recorder):
    """A recorder that says at once what was committed."""

    def __init__(self, db: hw.Database, cells: list[str], say: Say) -> None:
        super().__init__(db, [])
        self.cells = cells
        self._say = say

    def by_receipt(self, name: str, program: Program, seen: list[Any]) -> None:
        self._say(json.dumps(["ran", name, program, seen, None]))

    def ended(self, ran: Ran) -> None:
        said = [ran.name, ran.program, ran.seen, None if not ran.is_read_only else ran.ts]
        self._say(json.dumps(["ran", *said]))

    def transact(self, name: str, program: Program) -> None:
        super().transact(name, program)
        _, program, seen = self._by_receipt.pop()
        self.by_receipt(name, program, seen)


class Watcher:
    """A live query whose results are said one after the other by a thread of its own."""

    def __init__(self, db: hw.Database, say: Say) -> None:
        self._db = db
        self._say = say
        self._live = db.watch(application.look, program=[list(GROUP_0[0])])
        self._last: Any = self._live.next(WAIT_SECONDS)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for value in self._live:
            with self._changed:
                self._last = value
                self._say(json.dumps(["live", self._live.ts, value]))
                self._changed.notify_all()

    def wait_for_the_end(self) -> bool:
        """Whether the last state comes, when nobody commits any more."""
        expected = self._db.query(application.look, program=[list(GROUP_0[0])])
        with self._changed:
            return self._changed.wait_for(lambda: self._last == expected, WAIT_SECONDS)

    def close(self) -> None:
        """End it."""
        self._live.close()
        self._thread.join()


def work(path: Path, say: Say, seed: str, programs: int, cells: list[str]) -> None:
    """Run drawn programs in every way; then say whether the live query ends with the last state."""
    draw = random.Random(seed)
    with hw.open(path, modules=[application]) as db:
        watcher = Watcher(db, say)
        recorder = Reporting(db, cells, say)
        say("ready")
        sys.stdin.readline()
        for number in range(programs):
            name, program = f"{seed}/{number}", recorder.resolve(drawn_program(draw))
            way = draw.choice(["mutate", "transact", "begin", "read"])
            if way == "read":
                program = [["walk", "asc", None], GROUP_0[0]]
            stepped = getattr(recorder, way)(name, program)
            while way in ("begin", "read") and not stepped.step():
                pass
        say("wrote")
        sys.stdin.readline()
        say("last" if watcher.wait_for_the_end() else "missed the last state")
        watcher.close()
