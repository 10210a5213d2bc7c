"""The whole database against dicts: documents, ranges, pages, history, reopening, rebuilding."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests import strategies
from tests.laws import things
from tests.laws.clocks import StillClock
from tests.laws.model import Fields, holder_of, in_range, is_same
from tests.tables.histories import contents

import headwater as hw
from headwater.storage.codec import pack

FEW = st.sampled_from([0, 1, 1.0, 2, "x", None])
ANY = st.one_of(FEW, FEW, strategies.values(4), strategies.long_texts())


@st.composite
def any_value(draw: st.DrawFn) -> Any:
    """Of any kind. Hypothesis shows it by its name, and not with all that it is made of."""
    return draw(ANY)


VALUES = any_value()
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES,
        "b": VALUES,
        "c": st.one_of(VALUES, st.fixed_dictionaries({}, optional={"d": VALUES, "e": FEW})),
        "u": VALUES,
    },
)
CHANGES = st.dictionaries(st.sampled_from("abcu"), VALUES | st.just(hw.MISSING), max_size=3)
BOUNDS = st.sampled_from(["gt", "gte", "lt", "lte"])
OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 99), FIELDS),
    st.tuples(st.just("insert"), st.integers(0, 99), FIELDS),
    st.tuples(st.just("patch"), st.integers(0, 99), CHANGES),
    st.tuples(st.just("replace"), st.integers(0, 99), FIELDS),
    st.tuples(st.just("delete"), st.integers(0, 99), st.none()),
)


class Abandon(Exception):
    """Ends a transaction without a commit."""


class DatabaseMachine(RuleBasedStateMachine):
    """Documents of one table; the model is what was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="headwater-model-"))
        self.clock = StillClock()
        self.db = self.open()
        self.documents: dict[str, Fields] = {}
        self.versions: dict[str, list[Fields | None]] = {}
        self.times: dict[str, float] | None = None
        self.touched: set[str] = set()

    def open(self) -> hw.Database:
        return hw.open(self.directory / "db", modules=[things], durability="none", clock=self.clock)

    def teardown(self) -> None:
        try:
            assert self.db.verify() == []
            for id_text in self.versions:
                self.check_history(id_text)
        finally:
            self.db.close()
            shutil.rmtree(self.directory)

    # -- writes ---------------------------------------------------------------------------------

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=6), is_abandoned=st.booleans())
    def transaction(self, operations: list[Any], is_abandoned: bool) -> None:
        """Operations of one transaction, refused ones among them; sometimes it is dropped."""
        documents = dict(self.documents)
        is_abandoned = is_abandoned and len(operations) % 2 == 0
        try:
            with self.db.transaction() as tx:
                for operation in operations:
                    self.operate(tx, documents, *operation)
                self.check_everything(tx, documents)
                if is_abandoned:
                    raise Abandon
        except Abandon:
            self.abandoned()
            return
        self.committed(documents)

    def abandoned(self) -> None:
        """A transaction was dropped."""
        self.touched.clear()

    def operate(
        self, tx: hw.Writer, documents: dict[str, Fields], verb: str, number: int, what: Any
    ) -> None:
        id_text = sorted(documents)[number % len(documents)] if documents else ""
        if verb == "insert":
            if holder_of(documents, "", what) is not None:
                with pytest.raises(hw.UniqueViolationError):
                    tx.insert(things.Things, what)
            else:
                id_text = self.insert(tx, number, what)
                documents[id_text] = what
                self.touched.add(id_text)
        elif not documents:
            return
        elif verb == "delete":
            tx.delete(id_text)
            del documents[id_text]
            self.touched.add(id_text)
        else:
            new = dict(what) if verb == "replace" else {**documents[id_text], **what}
            new = {name: value for name, value in new.items() if value is not hw.MISSING}
            holder = holder_of(documents, id_text, new)
            write = tx.patch if verb == "patch" else tx.replace
            if holder is not None:
                with pytest.raises(hw.UniqueViolationError) as refused:
                    write(id_text, what)
                assert refused.value.holder == holder
            else:
                write(id_text, what)
                if pack(documents[id_text]) != pack(new):
                    self.touched.add(id_text)
                documents[id_text] = new

    def insert(self, tx: hw.Writer, number: int, fields: Fields) -> str:
        return tx.insert(things.Things, fields)

    def in_order(
        self,
        documents: dict[str, Fields],
        paths: Sequence[str],
        equal: Sequence[Any] = (),
        bounds: Mapping[str, Any] | None = None,
        *,
        is_descending: bool = False,
    ) -> list[str]:
        return in_range(
            documents, paths, equal, bounds or {}, is_descending=is_descending, times=self.times
        )

    def committed(self, documents: dict[str, Fields]) -> list[str]:
        """Note the versions that a commit has made; returns whose."""
        made = [i for i in sorted(self.touched) if i in self.documents or i in documents]
        for id_text in made:
            self.versions.setdefault(id_text, []).append(documents.get(id_text))
        self.documents = documents
        self.touched.clear()
        return made

    @rule(fields=FIELDS)
    def insert_and_delete(self, fields: Fields) -> None:
        """A document that is gone at the end of its transaction leaves nothing."""
        before = self.db.ts
        with self.db.transaction() as tx:
            if holder_of(self.documents, "", fields) is None:
                id_text = tx.insert(things.Things, fields)
                tx.patch(id_text, a="changed")
                tx.delete(id_text)
                assert tx.get(id_text) is None
        assert self.db.ts == before
        if holder_of(self.documents, "", fields) is None:
            assert self.db.history(id_text) == []

    # -- reads ----------------------------------------------------------------------------------

    def check_everything(self, reader: hw.Reader, documents: dict[str, Fields]) -> None:
        """Every document, and every index as a whole, both ways."""
        found = {row["_id"]: row for row in reader.query(things.Things)}
        assert list(found) == self.in_order(documents, ())
        for id_text, fields in documents.items():
            row = {name: value for name, value in found[id_text].items() if name[0] != "_"}
            assert is_same(row, fields), (row, fields)
        for index, paths in things.INDEXES.items():
            for order in ("asc", "desc"):
                rows = reader.query("things").with_index(index).order(order).collect()
                expected = self.in_order(documents, paths, is_descending=order == "desc")
                assert [row["_id"] for row in rows] == expected

    @rule(
        index=st.sampled_from(list(things.INDEXES)),
        number=st.integers(0, 99),
        is_equal=st.booleans(),
        bounds=st.dictionaries(BOUNDS, VALUES | st.just(hw.MISSING), max_size=2),
        use_stored=st.booleans(),
        is_descending=st.booleans(),
        count=st.none() | st.integers(0, 4),
    )
    def range(
        self,
        index: str,
        number: int,
        is_equal: bool,
        bounds: dict[str, Any],
        use_stored: bool,
        is_descending: bool,
        count: int | None,
    ) -> None:
        """A range whose values are drawn, or those of a document."""
        paths = things.INDEXES[index]
        if {"gt", "gte"} <= bounds.keys() or {"lt", "lte"} <= bounds.keys():
            return
        from tests.laws.model import value_at

        equal: list[Any] = []
        if self.documents:
            fields = self.documents[sorted(self.documents)[number % len(self.documents)]]
            if is_equal and len(paths) > 1:
                equal = [value_at(fields, paths[0])]
            if use_stored:
                bounds = dict.fromkeys(bounds, value_at(fields, paths[len(equal)]))
        with self.db.snapshot() as snapshot:
            query = snapshot.query("things").with_index(index, *equal, **bounds)
            query = query.order("desc" if is_descending else "asc")
            rows = query.collect() if count is None else query.take(count)
        expected = self.in_order(self.documents, paths, equal, bounds, is_descending=is_descending)
        assert [row["_id"] for row in rows] == expected[: None if count is None else count]

    @rule(
        index=st.sampled_from(list(things.INDEXES)),
        size=st.integers(1, 3),
        is_descending=st.booleans(),
        changes=st.lists(OPERATIONS, max_size=4),
    )
    def walk(self, index: str, size: int, is_descending: bool, changes: list[Any]) -> None:
        """Pages to the end while rows come, go and move between them."""
        stable = self.in_order(self.documents, things.INDEXES[index], is_descending=is_descending)
        seen: list[str] = []
        cursor: str | None = None
        for _ in range_of(1000):
            with self.db.snapshot() as snapshot:
                query = snapshot.query("things").with_index(index)
                query = query.order("desc" if is_descending else "asc")
                page = query.paginate({"numItems": size, "cursor": cursor})
            seen += [row["_id"] for row in page["page"]]
            assert len(page["page"]) <= size
            if page["isDone"]:
                break
            cursor = page["continueCursor"]
            if changes:
                before = self.documents
                self.transaction_of([changes.pop()])
                stable = [
                    id_text
                    for id_text in stable
                    if id_text in self.documents and self.documents[id_text] is before[id_text]
                ]
        else:
            pytest.fail("the walk does not end")
        kept = [id_text for id_text in seen if id_text in stable]
        assert kept == stable

    def transaction_of(self, operations: list[Any]) -> None:
        documents = dict(self.documents)
        with self.db.transaction() as tx:
            for operation in operations:
                self.operate(tx, documents, *operation)
        self.committed(documents)

    # -- the rest -------------------------------------------------------------------------------

    @precondition(lambda self: self.versions)
    @rule(number=st.integers(0, 99))
    def history(self, number: int) -> None:
        self.check_history(sorted(self.versions)[number % len(self.versions)])

    def check_history(self, id_text: str) -> None:
        revisions = self.db.history(id_text)
        assert [revision.ts for revision in revisions] == sorted(
            (revision.ts for revision in revisions), reverse=True
        )
        documents = [
            None
            if revision.document is None
            else {name: value for name, value in revision.document.items() if name[0] != "_"}
            for revision in reversed(revisions)
        ]
        assert len(documents) == len(self.versions[id_text])
        assert all(map(is_same, documents, self.versions[id_text]))

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.db = self.open()

    @rule()
    def rebuild(self) -> None:
        environment = self.db._store.environment
        before = contents(environment)
        self.db.rebuild()
        assert contents(environment) == before

    @rule(seconds=st.sampled_from([-3600, -0.001, 0.001, 3600]))
    def move_the_clock(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @invariant()
    def a_snapshot_shows_the_model(self) -> None:
        with self.db.snapshot() as snapshot:
            self.check_everything(snapshot, self.documents)


range_of = range
TestDatabaseModel = DatabaseMachine.TestCase
TestDatabaseModel.settings = settings(
    max_examples=max(10, settings().max_examples // 3), stateful_step_count=15
)
