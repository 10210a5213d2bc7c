"""The whole database against dicts, with documents that bring ids and creation times along."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.laws import things
from tests.laws.foreign import adopt, foreign_id, make_foreign
from tests.laws.model import Fields, holder_of
from tests.laws.test_database_model import BOUNDS, FIELDS, DatabaseMachine

import headwater as hw

TIMES = [0.0, 1.0, -5.5, 1.0, 1_700_000_000_000.25, 2.0**47, -(2.0**47), 1_700_000_000_000]


class ForeignMachine(DatabaseMachine):
    """The same, on a table that takes foreign ids from some moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}
        self.committed_times: dict[str, float] = {}
        self.is_foreign = False
        self.count = 0

    @precondition(lambda self: not self.is_foreign)
    @rule()
    def take_foreign_ids(self) -> None:
        make_foreign(self.db, "things")
        self.touched = set(self.documents)
        self.committed(self.documents)
        self.is_foreign = True

    def insert(self, tx: hw.Writer, number: int, fields: Fields) -> str:
        if not self.is_foreign or number % 4 == 0:
            id_text = tx.insert(things.Things, fields)
            document = tx.get(id_text)
            assert document is not None
            self.times[id_text] = document["_creationTime"]
            return id_text
        self.count += 1
        id_text = foreign_id(self.db, "things", self.count)
        if number % 4 == 1:
            # One that was deleted before, perhaps in this very transaction, comes back.
            gone = [known for known in sorted(self.times) if tx.get(known) is None]
            id_text = gone[number % len(gone)] if gone else id_text
        self.times[id_text] = TIMES[number % len(TIMES)]
        adopt(tx, "things", id_text, self.times[id_text], fields)
        return id_text

    def committed(self, documents: dict[str, Fields]) -> list[str]:
        self.committed_times = dict(self.times)
        return super().committed(documents)

    def abandoned(self) -> None:
        super().abandoned()
        self.times = dict(self.committed_times)

    def check_everything(self, reader: hw.Reader, documents: dict[str, Fields]) -> None:
        super().check_everything(reader, documents)
        for id_text in documents:
            document: Any = reader.get(id_text)
            assert document["_creationTime"] == self.times[id_text]

    @rule(
        bounds=st.dictionaries(BOUNDS, st.sampled_from(TIMES) | st.floats(-1e13, 1e13), max_size=2),
        is_descending=st.booleans(),
        count=st.integers(0, 5),
    )
    def creation_times(self, bounds: dict[str, float], is_descending: bool, count: int) -> None:
        """Ranges of the order of creation."""
        if {"gt", "gte"} <= bounds.keys() or {"lt", "lte"} <= bounds.keys():
            return
        timed = {id_text: {"time": self.times[id_text]} for id_text in self.documents}
        with self.db.snapshot() as snapshot:
            query = snapshot.query("things").with_index("by_creation_time", **bounds)
            rows = query.order("desc" if is_descending else "asc").take(count)
        expected = self.in_order(timed, ["time"], [], bounds, is_descending=is_descending)
        assert [row["_id"] for row in rows] == expected[:count]

    @precondition(lambda self: self.is_foreign)
    @rule(fields=FIELDS, number=st.integers(0, 99))
    def adopt_and_delete(self, fields: Fields, number: int) -> None:
        """A document that was gone before a transaction and after it leaves nothing."""
        gone = [known for known in sorted(self.times) if known not in self.documents]
        if not gone or holder_of(self.documents, "", fields) is not None:
            return
        id_text = gone[number % len(gone)]
        before = self.db.history(id_text)
        with self.db.transaction() as tx:
            adopt(tx, "things", id_text, 7.5, fields)
            tx.patch(id_text, a="changed")
            tx.delete(id_text)
        assert repr(self.db.history(id_text)) == repr(before)


TestForeignIds = ForeignMachine.TestCase
TestForeignIds.settings = settings(
    max_examples=max(10, settings().max_examples // 3), stateful_step_count=15
)
