"""References against dicts: what is named is there, and a deletion takes along what hangs on it.

Goal: no committed state has a reference to an absent document, but for those that ``_cascades``
names; what a deletion deletes is the closure of the model, or nothing if that is held; whoever
finds a document finds all that hangs on it. Method: random writes to tables that refer to each
other in every way, by one client and by two at once, with cascades cut into steps of any size.
"""

from contextlib import closing
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.relationships import graphs
from tests.relationships.graphs import (
    REFERENCES,
    TABLES,
    Documents,
    cascades_of,
    closure,
    holders,
    is_kept,
    named,
    read_all,
    settled,
    take_all_steps,
    take_step,
    without,
)

import headwater as hw
from headwater.tables.verify import verify
from headwater.transactions.explicit import OpenTransaction

NUMBERS = st.integers(0, 999)
WRITES = st.tuples(st.sampled_from(TABLES), NUMBERS, NUMBERS, st.booleans())
VERBS = ["insert", "insert", "insert", "patch", "patch", "delete"]
OPERATIONS = st.tuples(st.sampled_from(VERBS), WRITES)
POPULATION = [*["owners"] * 2, *["folders"] * 4, *["files"] * 4, *["links"] * 3, *["seals"] * 2]
"""What there is at the beginning."""


def pick(ids: list[str], number: int) -> str:
    return sorted(ids)[number % len(ids)]


class ReferencesMachine(RuleBasedStateMachine):
    """The model is what was committed; ids of deleted documents are tried as well."""

    @initialize(
        size=st.sampled_from([1, 2, 3, 5, 1000]),
        numbers=st.lists(
            st.tuples(NUMBERS, NUMBERS), min_size=len(POPULATION), max_size=len(POPULATION)
        ),
    )
    def open(self, size: int, numbers: list[tuple[int, int]]) -> None:
        self.size = size
        self.store = graphs.open_graph(size)
        self.documents: Documents = {}
        self.known: dict[str, list[str]] = {name: [] for name in TABLES}
        with OpenTransaction(self.store) as tx:
            for table, (number, other) in zip(POPULATION, numbers, strict=True):
                self.documents = self.insert(tx, self.documents, table, number, other)

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            expected = settled(self.documents)
            take_all_steps(self.store)
            assert read_all(self.store) == expected
            with closing(self.store.snapshot()) as snapshot:
                assert verify(snapshot) == []
        finally:
            self.store.close()

    # -- writes ---------------------------------------------------------------------------------

    def fields(
        self, documents: Documents, table: str, number: int, other: int
    ) -> dict[str, Any] | None:
        """Fields of a document that names others, by number; None if there is nothing to name.

        Sometimes what it names is gone.
        """
        fields: dict[str, Any] = {"name": "x"} if table == "owners" else {}
        for at, reference in enumerate(REFERENCES[table]):
            known = self.known[reference.table]
            candidates = known if number % 5 == 0 else [id for id in known if id in documents]
            is_required = reference.on_delete != "set_missing" and reference.field not in (
                "parent",
                "file",
            )
            if candidates and (is_required or (other >> at) % 2):
                fields[reference.field] = pick(candidates, number + at * other)
            elif is_required:
                return None
        return fields

    def expect_written(
        self, documents: Documents, id: str, fields: dict[str, Any], *, is_new: bool
    ) -> bool:
        """Whether a document may name what it names."""
        before = documents.get(id, {})
        for reference in REFERENCES[fields["_table"]]:
            target = fields.get(reference.field)
            if target is None or (not is_new and before.get(reference.field) == target):
                continue
            may_hold = reference.on_delete == "restrict" or (
                reference.on_delete == "cascade"
                and not is_new
                and fields["_table"] in graphs.RESTRICTED
            )
            there = {**documents, id: fields} if not is_new else documents
            if target not in there or (may_hold and not is_kept(documents, target)):
                return False
        return True

    def operate(
        self, tx: hw.Writer, documents: Documents, verb: str, write: tuple[str, int, int, bool]
    ) -> Documents:
        """One write, and what it has to do; returns the documents after it."""
        table, number, other, is_replace = write
        if verb == "insert":
            return self.insert(tx, documents, table, number, other)
        if not documents:
            return documents
        id = pick(list(documents), number)
        if verb == "delete":
            return self.delete(tx, documents, id)
        return self.change(tx, documents, id, other, is_replace=is_replace)

    def insert(
        self, tx: hw.Writer, documents: Documents, table: str, number: int, other: int
    ) -> Documents:
        fields = self.fields(documents, table, number, other)
        if fields is None:
            return documents
        wanted = {**fields, "_table": table}
        if not self.expect_written(documents, "", wanted, is_new=True):
            with pytest.raises(hw.DanglingReferenceError):
                tx.insert(table, fields)
            return documents
        id = str(tx.insert(table, fields))
        self.known[table].append(id)
        return {**documents, id: wanted}

    def change(
        self, tx: hw.Writer, documents: Documents, id: Any, other: int, *, is_replace: bool
    ) -> Documents:
        table = documents[id]["_table"]
        fields = self.fields(documents, table, other, other // 3)
        if fields is None:
            return documents
        new = {**({} if is_replace else documents[id]), **fields, "_table": table}
        if self.gets_away(documents, id, new):
            with pytest.raises((hw.DocumentNotFoundError, hw.DanglingReferenceError)):
                tx.replace(id, fields) if is_replace else tx.patch(id, fields)
            return documents
        if not self.expect_written(documents, id, new, is_new=False):
            with pytest.raises(hw.DanglingReferenceError):
                tx.replace(id, fields) if is_replace else tx.patch(id, fields)
            return documents
        tx.replace(id, fields) if is_replace else tx.patch(id, fields)
        return {**documents, id: new}

    @staticmethod
    def gets_away(documents: Documents, id: str, new: dict[str, Any]) -> bool:
        """Whether a document that is about to be deleted would hang on something else."""
        old = dict(named(documents[id], "cascade"))
        return any(
            new.get(name) != target and not is_kept(documents, target)
            for name, target in old.items()
        )

    def delete(self, tx: hw.Writer, documents: Documents, id: Any) -> Documents:
        deleted = closure(documents, {id})
        held = holders(documents, deleted)
        if held:
            with pytest.raises(hw.ReferencedError) as refused:
                tx.delete(id)
            error = refused.value
            assert set(error.children) <= held
            assert error.id in deleted
            assert error.children
            assert all(documents[one]["_table"] == error.table for one in error.children)
            assert all(documents[one][error.field] == error.id for one in error.children)
            return documents
        tx.delete(id)
        return self.seen(tx, documents, id, deleted)

    def seen(self, tx: hw.Writer, documents: Documents, id: str, deleted: set[str]) -> Documents:
        """What a deletion did in its own transaction: all of it, or the document alone."""
        alone = {other: fields for other, fields in documents.items() if other != id}
        whole = without(documents, deleted)
        is_whole = all(tx.get(other) is None for other in deleted)
        if len(deleted) > 1:
            assert is_whole or all(tx.get(other) is not None for other in deleted - {id})
        changed = {other for other in whole if whole[other] != documents[other]}
        if is_whole and all(tx.get(o) is not None for o in changed):
            left = {o: self.user_fields(tx.get(o), documents[o]) for o in changed}
            if all(left[o] == whole[o] for o in changed):
                return whole
        assert len(deleted) - 1 + len(changed) > 0
        return alone

    @staticmethod
    def user_fields(document: Any, before: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in document.items() if name[0] != "_"}
        return {**fields, "_table": before["_table"]}

    # -- rules ----------------------------------------------------------------------------------

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=8))
    def transaction(self, operations: list[Any]) -> None:
        documents = self.documents
        with OpenTransaction(self.store) as tx:
            for verb, write in operations:
                documents = self.operate(tx, documents, verb, write)
        self.documents = documents
        assert read_all(self.store) == documents

    @rule(
        one=st.lists(OPERATIONS, min_size=1, max_size=4),
        other=st.lists(OPERATIONS, min_size=1, max_size=4),
    )
    def two_at_once(self, one: list[Any], other: list[Any]) -> None:
        """Both see what was before them; the one that comes second holds only if that is so."""
        first, second = OpenTransaction(self.store), OpenTransaction(self.store)
        after_first = after_second = self.documents
        for verb, write in one:
            after_first = self.operate(first, after_first, verb, write)
        for verb, write in other:
            after_second = self.operate(second, after_second, verb, write)
        first.commit()
        self.documents = after_first
        assert read_all(self.store) == after_first
        try:
            second.commit()
        except hw.ConflictError:
            assert read_all(self.store) == after_first
        self.documents = read_all(self.store)

    @precondition(lambda self: cascades_of(self.store))
    @rule(number=NUMBERS)
    def step(self, number: int) -> None:
        """A step of any cascade: only what hangs on something that is gone may change."""
        before, end = self.documents, settled(self.documents)
        underway = cascades_of(self.store)
        take_step(self.store, underway[number % len(underway)]["_id"])
        self.documents = after = read_all(self.store)
        assert settled(after) == end
        gone = before.keys() - after.keys()
        changed = [id for id in after if after[id] != before[id]]
        assert len(gone) + len(changed) <= self.size
        assert after.keys() <= before.keys()
        # Whoever finds a document finds all that hangs on it alone: what hangs on it goes after it.
        for id in gone:
            assert any(target not in after for _, target in named(before[id], "cascade"))

    @precondition(lambda self: cascades_of(self.store))
    @rule()
    def finish(self) -> None:
        expected = settled(self.documents)
        take_all_steps(self.store)
        self.documents = read_all(self.store)
        assert self.documents == expected

    # -- laws -----------------------------------------------------------------------------------

    @invariant()
    def every_reference_names_a_document_or_what_a_cascade_has_deleted(self) -> None:
        if not hasattr(self, "store"):
            return
        documents = read_all(self.store)
        pending = {
            id
            for cascade in cascades_of(self.store)
            for group in cascade["pending"]
            for id in group["ids"]
        }
        for id, fields in documents.items():
            for name, target in named(fields, "cascade", "set_missing"):
                assert target in documents or target in pending, (fields, name)
            for name, target in named(fields, "restrict"):
                assert target in documents or not is_kept(documents, id), (fields, name)
        if self.size == 1000:
            assert pending == set()


TestReferences = ReferencesMachine.TestCase
TestReferences.settings = settings(
    max_examples=max(15, settings().max_examples), stateful_step_count=15
)
