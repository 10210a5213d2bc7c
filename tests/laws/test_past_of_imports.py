"""Goal: earlier states of tables with foreign ids are what they were, whatever came back since.

Method: a table takes documents with ids and creation times of their own from some commit on, and
deleted ones come back; bytes and orders are remembered after every commit, and compared with what
is shown of that moment.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import past_functions, things
from tests.laws.clocks import StillClock
from tests.laws.foreign import adopt, foreign_id, make_foreign
from tests.laws.model import Fields, holder_of, in_range, is_same
from tests.laws.test_past import FIELDS, fields_of
from tests.tables.test_past import Bytes, past, remembered

import headwater as hw
from headwater.storage.commit_log import Origin
from headwater.storage.format import Database
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.system_tables import set_table_number

TIMES = [0.0, 1.0, -5.5, 1.0, 1_700_000_000_000.25, 2.0**47, -(2.0**47)]
VERBS = st.sampled_from(["insert", "insert", "revive", "replace", "delete", "delete"])
PROGRAMS = st.lists(
    st.lists(st.tuples(VERBS, st.integers(0, 99), FIELDS), min_size=1, max_size=4), max_size=4
)


class Imports:
    """A database with its states by moment: documents, creation times, and bytes."""

    def __init__(self, db: hw.Database) -> None:
        self.db = db
        self.is_foreign = False
        self.documents: dict[str, Fields] = {}
        self.times: dict[str, float] = {}
        self.count = 0
        self.states: dict[int, tuple[dict[str, Fields], dict[str, float], Bytes]] = {}
        self.remember()

    def remember(self) -> None:
        bytes_now = remembered(self.db._store)
        self.states[self.db.ts] = (dict(self.documents), dict(self.times), bytes_now)

    def take_foreign_ids(self) -> None:
        make_foreign(self.db, "things")
        self.is_foreign = True
        self.remember()

    def play(self, program: list[list[Any]]) -> None:
        for operations in program:
            with self.db.transaction() as tx:
                for operation in operations:
                    self.operate(tx, *operation)
            self.remember()

    def operate(self, tx: hw.Writer, verb: str, number: int, fields: Fields) -> None:
        ids = sorted(self.documents)
        gone = sorted(self.times.keys() - self.documents.keys())
        id_text = ids[number % len(ids)] if ids else ""
        if holder_of(self.documents, id_text if verb == "replace" else "", fields) is not None:
            return
        if verb == "revive" and gone and self.is_foreign:
            self.adopt(tx, gone[number % len(gone)], number, fields)
        elif verb == "insert" and self.is_foreign and number % 3:
            self.count += 1
            self.adopt(tx, foreign_id(self.db, "things", self.count), number, fields)
        elif verb in ("insert", "revive") or not ids:
            id_text = tx.insert(things.Things, fields)
            self.documents[id_text] = fields
            self.times[id_text] = tx.get(id_text)["_creationTime"]
        elif verb == "replace":
            tx.replace(hw.Id(id_text), fields)
            self.documents[id_text] = fields
        else:
            tx.delete(hw.Id(id_text))
            del self.documents[id_text]

    def adopt(self, tx: hw.Writer, id_text: str, number: int, fields: Fields) -> None:
        self.times[id_text] = TIMES[number % len(TIMES)]
        self.documents[id_text] = fields
        adopt(tx, "things", id_text, self.times[id_text], fields)


def opened() -> hw.Database:
    modules = [things, past_functions]
    return hw.open(None, modules=modules, clock=StillClock())


@settings(max_examples=max(10, settings().max_examples // 3))
@given(PROGRAMS, PROGRAMS)
def test_every_earlier_state_of_a_table_with_foreign_ids_is_what_it_was(
    before: list[Any], after: list[Any]
) -> None:
    with opened() as db:
        imports = Imports(db)
        imports.play(before)
        imports.take_foreign_ids()
        imports.play(after)
        for ts, (documents, times, expected) in imports.states.items():
            with past(db._store, ts) as reader:
                for database in Database:
                    assert list(reader.scan(database, b"", None)) == expected[database]
            with db.snapshot(at=ts) as snapshot:
                check(snapshot, documents, times)
            for id_text in imports.times:
                document = db.get(hw.Id(id_text), at=ts)
                assert is_same(fields_of(document), documents.get(id_text))
                if document is not None:
                    assert document["_creationTime"] == times[id_text]
        for id_text in imports.times:
            for revision in db.history(hw.Id(id_text)):
                assert is_same(db.get(hw.Id(id_text), at=revision.ts), revision.document)


def check(snapshot: hw.OpenSnapshot, documents: dict[str, Fields], times: dict[str, float]) -> None:
    timed = {id_text: {"time": times[id_text]} for id_text in documents}
    for order in ("asc", "desc"):
        down = order == "desc"
        rows = snapshot.query("things").order("desc" if down else "asc").collect()
        expected = in_range(timed, ["time"], [], {}, is_descending=down, times=times)
        assert [row["_id"] for row in rows] == expected
        for index, paths in things.INDEXES.items():
            ran = snapshot.run(past_functions.things_by, index, order=order)
            expected = in_range(documents, paths, [], {}, is_descending=down, times=times)
            assert [row["_id"] for row in ran] == expected


@settings(max_examples=max(10, settings().max_examples // 4))
@given(PROGRAMS, PROGRAMS)
def test_a_table_may_have_had_another_number(before: list[Any], after: list[Any]) -> None:
    with opened() as db:
        imports = Imports(db)
        imports.play(before)
        moment = db.ts
        with db.transaction() as tx:
            for id_text in imports.documents:
                tx.delete(hw.Id(id_text))
        was = imports.documents
        imports.documents = {}
        imports.remember()
        renumber(db, "things", 12_345)
        renumber(db, "others", 10_001)
        imports.remember()
        imports.play(after)
        with db.transaction() as tx:
            tx.insert("others", {"a": 1})
        for ts, (documents, times, expected) in imports.states.items():
            with past(db._store, ts) as reader:
                for database in Database:
                    assert list(reader.scan(database, b"", None)) == expected[database]
            with db.snapshot(at=ts) as snapshot:
                check(snapshot, documents, times)
                assert snapshot.query("others").collect() == []
        changes = db.diff(moment, db.ts)
        assert [change.table for change in changes].count("others") == 1
        assert {c.id for c in changes if c.after is None} == set(was)
        assert {c.id for c in changes if c.before is None and c.table == "things"} == set(
            imports.documents
        )


def renumber(db: hw.Database, table: str, number: int) -> None:
    def run(transaction: Any) -> None:
        set_table_number(transaction, transaction.tables[table], number)

    request = CommitRequest(Origin(function="_import"), run=run)
    db._store.committer.submit(request)
    request.wait()
