"""Goal: the stored tables become what is declared, in one commit, or nothing is changed.

Method: deployments of random declarations one after the other, compared with what was declared;
documents that do not fit, written before, while and after they are looked for.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import INDEXES, open_store, transact
from tests.transactions.test_index_building import insert, together

from headwater.errors import ConflictError, DeclarationError, SchemaMismatchError
from headwater.schema import v
from headwater.schema.compile import compile_checker
from headwater.schema.json_form import to_json
from headwater.schema.validators import Validator
from headwater.storage import commit_log
from headwater.storage.commit_log import Origin
from headwater.tables.progress import Progress
from headwater.tables.verify import verify
from headwater.transactions import deployment as deployment_module
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.deployment import DeclaredTable, Deployment, deploy
from headwater.transactions.index_building import build_indexes
from headwater.transactions.store import Store
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.values import check_document

PLAIN = DeclaredTable("notes", None)


def typed(validator: Validator, *indexes: IndexDefinition) -> DeclaredTable:
    return DeclaredTable("notes", to_json(validator), indexes, compile_checker(validator))


INTEGERS = typed(v.object({"a": v.optional(v.integer())}))
WIDER = typed(v.object({"a": v.optional(v.nullable(v.integer()))}))
STRINGS = typed(v.object({"a": v.string()}))


def head(store: Store) -> int:
    with closing(store.snapshot()) as snapshot:
        return snapshot.ts


def assert_unchanged(store: Store, before: int) -> None:
    assert head(store) == before
    with closing(store.snapshot()) as snapshot:
        assert verify(snapshot) == []


def definitions(name: str) -> st.SearchStrategy[IndexDefinition]:
    fields = st.lists(st.sampled_from(["a", "b", "c.d"]), min_size=1, max_size=2, unique=True)
    return st.builds(IndexDefinition, st.just(name), fields.map(tuple))


def declarations() -> st.SearchStrategy[list[DeclaredTable]]:
    indexes = st.tuples(*(st.none() | definitions(name) for name in ("by_x", "by_y", "by_z")))
    chosen = indexes.map(lambda some: [index for index in some if index is not None])
    schema = st.sampled_from([None, to_json(v.any())])
    tables = [st.builds(DeclaredTable, st.just(n), schema, chosen) for n in ("notes", "tasks")]
    return st.lists(st.one_of(*tables), unique_by=lambda table: table.name, max_size=2)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(declarations(), st.booleans()), max_size=5))
def test_after_a_deployment_the_catalog_is_what_was_declared_last(
    deployments: list[tuple[list[DeclaredTable], bool]],
) -> None:
    expected: dict[str, DeclaredTable] = {}
    with closing(open_store()) as store:
        for declared, writes in deployments:
            before = head(store)
            done = deploy(store, declared)
            expected |= {table.name: table for table in declared}
            stored = {table.name: table for table in store.catalog.user_tables()}
            assert stored.keys() == expected.keys()
            for name, table in expected.items():
                assert stored[name].schema == table.schema_json
                found = [index.definition for index in stored[name].indexes]
                assert sorted(found, key=str) == sorted(table.indexes, key=str)
            with closing(store.snapshot()) as snapshot:
                commits = list(commit_log.after(snapshot.reader, before))
            assert len(commits) == (done.ts > 0)
            if done.ts == 0:
                assert done == Deployment(building=done.building)
            waiting = [
                f"{t.name}.{i.name}"
                for t in stored.values()
                for i in t.indexes
                if i.state != "ready"
            ]
            assert sorted(done.building) == sorted(
                name for name in waiting if name.split(".")[0] in {t.name for t in declared}
            )
            again = deploy(store, declared)
            assert again == Deployment(building=done.building)
            if writes and "notes" in stored:
                insert(store, 1, 2, 3)
                build_indexes(store)
            with closing(store.snapshot()) as snapshot:
                assert verify(snapshot) == []


def test_a_deployment_says_what_it_changed() -> None:
    with closing(open_store()) as store:
        first = deploy(store, [DeclaredTable("notes", None, INDEXES[:2])])
        assert first == Deployment(
            head(store), created=("notes",), added=("notes.by_a", "notes.by_b_a")
        )
        insert(store, 1)
        changed = IndexDefinition("by_a", ("a",), unique=True)
        second = deploy(store, [DeclaredTable("notes", to_json(v.any()), [changed, INDEXES[2]])])
        assert second == Deployment(
            head(store),
            retyped=("notes",),
            added=("notes.by_a", "notes.by_c"),
            dropped=("notes.by_a", "notes.by_b_a"),
            building=("notes.by_a", "notes.by_c"),
        )


def test_indexes_of_an_empty_table_are_ready_at_once() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        (id_text,) = insert(store, 1)
        transact(store, lambda writer: writer.delete(id_text))
        done = deploy(store, [DeclaredTable("notes", None, INDEXES)])
        assert done.building == ()
        assert {index.state for index in store.catalog.indexes_by_space.values()} == {"ready"}


def test_tables_that_nobody_declares_are_left_alone() -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", None, INDEXES)])
        before = head(store)
        assert deploy(store, []) == Deployment()
        assert_unchanged(store, before)
        deploy(store, [DeclaredTable("tasks", None)])
        assert len(store.catalog.by_name["notes"].indexes) == 3


@pytest.mark.parametrize("name", ["", "1a", "a b", "_tables", "é", "a" * 65])
def test_a_name_that_no_table_can_have_changes_nothing(name: str) -> None:
    with closing(open_store()) as store:
        with pytest.raises(DeclarationError, match="cannot be the name of a table"):
            deploy(store, [DeclaredTable("fine", None), DeclaredTable(name, None)])
        assert_unchanged(store, 0)


# Document types ---------------------------------------------------------------------------------


def test_documents_that_do_not_fit_are_named_and_nothing_is_changed() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        ids = insert(store, 1, "x", 2, None)
        before = head(store)
        with pytest.raises(SchemaMismatchError) as caught:
            deploy(store, [DeclaredTable("tasks", None), INTEGERS])
        assert_unchanged(store, before)
        assert caught.value.table == "notes"
        assert [id_text for id_text, _ in caught.value.documents] == [ids[1], ids[3]]
        assert "a: expected" in caught.value.documents[0][1]
        assert f"2 of its documents do not fit the declared type: {ids[1]}: a: expected" in str(
            caught.value
        )
        assert "tasks" not in store.catalog.by_name


def test_the_error_names_five_documents_and_counts_all() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *["x"] * 8)
        with pytest.raises(SchemaMismatchError, match=r"8 of its .* \(the first 5\)") as caught:
            deploy(store, [INTEGERS])
        assert len(caught.value.documents) == 5


def test_documents_that_fit_let_the_type_change() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(7))
        assert deploy(store, [INTEGERS]).retyped == ("notes",)
        assert store.catalog.by_name["notes"].schema == INTEGERS.schema_json


def test_a_check_for_storable_values_refuses_as_well() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, [[[[1]]]])

        def check(fields: Mapping[str, Any]) -> None:
            check_document(fields, nesting=2)

        with pytest.raises(SchemaMismatchError):
            deploy(store, [DeclaredTable("notes", to_json(v.any()), (), check)])


def never(_: Mapping[str, Any]) -> None:
    raise AssertionError("a document was checked")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (INTEGERS.schema_json, INTEGERS.schema_json),
        (INTEGERS.schema_json, WIDER.schema_json),
        (INTEGERS.schema_json, None),
    ],
)
def test_a_type_that_accepts_all_that_the_old_one_did_needs_no_check(old: Any, new: Any) -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", old)])
        insert(store, 1)
        deploy(store, [DeclaredTable("notes", new, (), never)])
        assert store.catalog.by_name["notes"].schema == new


@pytest.mark.parametrize("old", [None, {"type": "of the future"}, WIDER.schema_json])
def test_every_other_change_of_type_checks_the_documents(old: Any) -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", old)])
        insert(store, 1)
        seen: list[Mapping[str, Any]] = []
        deploy(store, [DeclaredTable("notes", INTEGERS.schema_json, (), seen.append)])
        assert seen == [{"a": 1}]


def test_a_type_without_a_check_is_stored() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, "x")
        deploy(store, [DeclaredTable("notes", INTEGERS.schema_json)])
        assert store.catalog.by_name["notes"].schema == INTEGERS.schema_json


def test_progress_counts_the_documents_that_are_checked() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(7))
        seen: list[Progress] = []
        deploy(store, [INTEGERS], progress=seen.append)
        step = "checking documents of notes"
        assert seen == [Progress(step, done, 7) for done in (0, 3, 6, 7)]


# Beside writers ---------------------------------------------------------------------------------


def at_the_end_of_the_check(write: Callable[[], object]) -> Callable[[Progress], None]:
    """Write when the documents have been looked at, before the catalog is changed."""

    def report(progress: Progress) -> None:
        if progress.done == progress.total:
            write()

    return report


def test_a_document_written_after_the_check_is_checked_too() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN, DeclaredTable("tasks", None)])
        insert(store, *range(4))
        late: list[Any] = []

        def write() -> None:
            transact(store, lambda writer: writer.insert("tasks", {"a": "not its table"}))
            late.extend(insert(store, 5, "x"))

        with pytest.raises(SchemaMismatchError) as caught:
            deploy(store, [INTEGERS], progress=at_the_end_of_the_check(write))
        assert [id_text for id_text, _ in caught.value.documents] == late[1:]
        assert store.catalog.by_name["notes"].schema is None


def test_a_document_deleted_after_the_check_does_no_harm() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        ids = insert(store, *range(4))

        def write() -> None:
            transact(store, lambda writer: writer.delete(ids[0]))

        deploy(store, [INTEGERS], progress=at_the_end_of_the_check(write))
        assert store.catalog.by_name["notes"].schema == INTEGERS.schema_json


def test_a_document_written_in_the_same_batch_is_checked_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(4))
        with closing(store.snapshot()) as snapshot:
            late = store.begin(snapshot)
            id_text = store.writer(late).insert("notes", {"a": "x"})
            together(store, monkeypatch, CommitRequest(Origin(), transaction=late))
            with pytest.raises(SchemaMismatchError) as caught:
                deploy(store, [INTEGERS])
        assert [name for name, _ in caught.value.documents] == [id_text]


def test_a_document_written_in_the_same_batch_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        with closing(store.snapshot()) as snapshot:
            late = store.begin(snapshot)
            store.writer(late).insert("notes", {"a": "x"})
            together(store, monkeypatch, CommitRequest(Origin(), transaction=late))
            done = deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        assert done.building == ("notes.by_a",)
        build_indexes(store)
        with closing(store.snapshot()) as snapshot:
            assert verify(snapshot) == []


def test_a_writer_from_before_a_deployment_has_to_run_again() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        with closing(store.snapshot()) as snapshot:
            early = store.begin(snapshot)
            store.writer(early).insert("notes", {"a": "x"})
            deploy(store, [INTEGERS])
            with pytest.raises(ConflictError):
                store.commit(early, Origin())


def test_a_deployment_that_another_one_overtook_is_prepared_anew() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1)
        calls: list[Deployment] = []

        def overtake() -> None:
            if not calls:
                calls.append(deploy(store, [DeclaredTable("notes", None, INDEXES[:1])]))

        done = deploy(store, [INTEGERS], progress=at_the_end_of_the_check(overtake))
        assert calls[0].added == done.dropped == ("notes.by_a",)
        assert done.retyped == ("notes",)


def test_deployments_that_are_overtaken_for_ever_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_module, "_ATTEMPTS", 3)
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1)
        states = [INDEXES[:1], [], INDEXES[:1], []]

        def overtake() -> None:
            deploy(store, [DeclaredTable("notes", None, states.pop(0))])

        with pytest.raises(ConflictError, match="kept changing tables") as caught:
            deploy(store, [INTEGERS], progress=at_the_end_of_the_check(overtake))
        assert caught.value.table == "_tables"
        assert len(states) == 1
