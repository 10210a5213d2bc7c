"""Runs programs on a database in every way there is, and records what each of them saw."""

from collections.abc import Sequence
from typing import Any

from tests.laws import application
from tests.laws.programs import Program, run_operation
from tests.laws.serializability import READS, History, Ran, Written

import headwater as hw
from headwater import testing
from headwater.storage import commit_log
from headwater.storage.codec import unpack

SEEDER = "seeder"
Cells = Sequence[tuple[int, int]]


class Recorder:
    """One database and the history of what was run on it.

    Attributes:
        cells: Ids of the cells that were there at the beginning.
        lost: Names of explicit transactions that ended with a conflict.
    """

    def __init__(self, db: hw.Database, cells: Cells) -> None:
        self.db = db
        self._recorder = testing.record(db)
        self.lost: list[str] = []
        self._ran: list[Ran] = []
        self._by_receipt: list[tuple[str, Program, list[Any]]] = []
        program = [["insert", group, number] for group, number in cells]
        self.cells: list[str] = self.mutate(SEEDER, program) if cells else []

    def resolve(self, program: Program) -> Program:
        """The program with ids in place of numbers of cells."""
        return [
            [name, self.cells[rest[0] % len(self.cells)], *rest[1:]]
            if name in ("get", "patch", "replace", "delete")
            else [name, *rest]
            for name, *rest in program
        ]

    def mutate(self, name: str, program: Program) -> list[Any]:
        """As a mutation, whichever way it goes."""
        seen = self.db.mutate(application.run, writer=name, program=[list(o) for o in program])
        self.by_receipt(name, program, seen)
        return seen

    def by_receipt(self, name: str, program: Program, seen: list[Any]) -> None:
        """Note a mutation that has run; its timestamp is found in the log."""
        self._by_receipt.append((name, program, seen))

    def transact(self, name: str, program: Program) -> None:
        """As a plain function that is run until it is committed."""

        def function(tx: hw.Writer) -> list[Any]:
            seen = [run_operation(tx, name, operation) for operation in program]
            tx.insert(application.Receipts, {"writer": name})
            return seen

        self._by_receipt.append((name, program, self.db.transact(function)))

    def begin(self, name: str, program: Program) -> "Stepped":
        """As an explicit transaction that is stepped by hand."""
        return Stepped(self, name, program)

    def read(self, name: str, program: Program) -> "SteppedReads":
        """As a snapshot that is read step by step."""
        return SteppedReads(self, name, program)

    def ended(self, ran: Ran) -> None:
        """Note a transaction that was committed."""
        self._ran.append(ran)

    def history(self) -> History:
        """Everything that was committed."""
        snapshot = self.db._store.snapshot()
        log: dict[int, list[Written]] = {}
        receipts: dict[str, int] = {}
        try:
            cells, taken = (snapshot.catalog.by_name[name].number for name in ("cells", "receipts"))
            for commit in commit_log.after(snapshot.reader, 0):
                log[commit.ts] = []
                for event in commit.events:
                    number = snapshot.catalog.table_of(event.id).number
                    fields = None if event.body is None else unpack(event.body)
                    if number == cells:
                        log[commit.ts].append(Written(event.id, fields))
                    elif number == taken:
                        receipts[fields["writer"]] = commit.ts
        finally:
            snapshot.close()
        found = [Ran(name, p, seen, receipts[name]) for name, p, seen in self._by_receipt]
        return History([*self._ran, *found], log, self._recorder.history())


class Stepped:
    """An explicit transaction that runs one operation at a time."""

    def __init__(self, recorder: Recorder, name: str, program: Program) -> None:
        self._recorder = recorder
        self._name = name
        self._program = program
        self._transaction = recorder.db.transaction()
        self._seen: list[Any] = []

    def step(self) -> bool:
        """Run the next operation, or commit; whether it has ended."""
        at = len(self._seen)
        if at < len(self._program):
            self._seen.append(run_operation(self._transaction, self._name, self._program[at]))
            return False
        is_read_only = all(operation[0] in READS for operation in self._program)
        if not is_read_only:
            self._transaction.insert(application.Receipts, {"writer": self._name})
        try:
            ts = self._transaction.commit()
        except hw.ConflictError:
            self._recorder.lost.append(self._name)
        else:
            self._recorder.ended(
                Ran(self._name, self._program, self._seen, ts, is_read_only=is_read_only)
            )
        return True


class SteppedReads:
    """A snapshot that is read one operation at a time."""

    def __init__(self, recorder: Recorder, name: str, program: Program) -> None:
        self._recorder = recorder
        self._ran = Ran(name, program, [], 0, is_read_only=True)
        self._snapshot = recorder.db.snapshot()
        self._ran.ts = self._snapshot.ts
        self._seen: list[Any] = []

    def step(self) -> bool:
        """Run the next operation, or close; whether it has ended."""
        at = len(self._seen)
        if at < len(self._ran.program):
            self._seen.append(run_operation(self._snapshot, "", self._ran.program[at]))
            return False
        self._snapshot.close()
        self._ran.seen = self._seen
        self._recorder.ended(self._ran)
        return True
