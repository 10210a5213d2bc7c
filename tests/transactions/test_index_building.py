"""Goal: an index that was filled beside writers is the one that a rebuild makes, wherever the
filling was interrupted; what a dropped index leaves behind reaches no other one.

Method: random histories with an index declared in the middle, writes between the steps, and
kills at every write transaction.
"""

import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tables.histories import (
    INDEXES,
    Act,
    Model,
    contents,
    deploy_and_build,
    histories,
    open_store,
    transact,
)
from tests.transactions.dying import Killed, open_dying

from headwater.errors import ConflictError, HeadwaterError, SchemaMismatchError
from headwater.storage import commit_log
from headwater.storage.commit_log import Origin
from headwater.storage.format import Database
from headwater.tables.fill_notes import note_key, read_note, write_note
from headwater.tables.progress import Progress
from headwater.tables.rebuild import rebuild
from headwater.tables.verify import verify
from headwater.transactions import index_building
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.index_building import (
    build_index,
    build_indexes,
    clear_dropped,
)
from headwater.transactions.store import Store
from headwater.transactions.system_tables import next_space
from headwater.transactions.unique_check import find_duplicates
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.scan import space_of

PLAIN = DeclaredTable("notes", None)
INDEXED = DeclaredTable("notes", None, INDEXES)
OTHERWISE = DeclaredTable("notes", None, [IndexDefinition("by_a", ("b",))])
UNIQUE = DeclaredTable("notes", None, [IndexDefinition("by_a", ("a",), unique=True)])


def insert(store: Store, *values: Any) -> list[Any]:
    """One document in a transaction of its own for each value of the field a."""
    return [
        transact(store, lambda writer, a=a: writer.insert("notes", {"a": a} if a != "" else {}))
        for a in values
    ]


def assert_whole(store: Store) -> None:
    """Everything is ready, right, and what a rebuild makes; nothing is left over."""
    assert all(index.state == "ready" for index in store.catalog.indexes_by_space.values())
    with closing(store.snapshot()) as snapshot:
        assert verify(snapshot) == []
    made = contents(store.environment)
    assert not [key for key, _ in made[Database.META] if key.startswith(b"backfill/")]
    spaces = {space_of(key) for key, _ in made[Database.INDEXES]}
    assert spaces <= store.catalog.indexes_by_space.keys()
    rebuild(store.environment)
    assert contents(store.environment) == made


@settings(deadline=None, max_examples=30)
@given(histories(), histories())
def test_an_index_filled_beside_writers_is_that_of_a_rebuild(
    before: list[list[Act]], between: list[list[Act]]
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN, DeclaredTable("tasks", None)])
        model = Model().play(store, before)
        deploy(store, [INDEXED])
        waiting = iter(between)

        def write(_: Progress) -> None:
            for transaction in waiting:
                model.commit(store, transaction)
                break

        build_indexes(store, progress=write)
        model.play(store, list(waiting))
        build_indexes(store)
        assert_whole(store)


def names_in(store: Store, index: str) -> list[Any]:
    return transact(
        store, lambda writer: [d["a"] for d in writer.query("notes").with_index(index).collect()]
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 16), st.booleans())
def test_a_kill_at_any_step_costs_no_more_than_the_step(steps: int, after_commit: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "db.hw"
        with closing(open_store(path)) as store:
            deploy_and_build(store, DeclaredTable("notes", None, INDEXES[:2]))
            insert(store, *range(10))
        store, environment = open_dying(path)
        environment.steps_to_live, environment.dies_after_commit = steps, after_commit
        with suppress(Killed, HeadwaterError):
            deploy_and_build(store, OTHERWISE)
        store.close()
        with closing(open_store(path)) as store:
            with closing(store.snapshot()) as snapshot:
                assert verify(snapshot) == []
            deploy_and_build(store, OTHERWISE)
            assert_whole(store)
            assert [index.definition for index in store.catalog.indexes_by_space.values()] == list(
                OTHERWISE.indexes
            )
            assert len(contents(store.environment)[Database.INDEXES]) == 10


def test_the_kills_reach_every_step() -> None:
    """What the law above needs: a whole deployment takes fewer steps than it tries."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "db.hw"
        with closing(open_store(path)) as store:
            deploy_and_build(store, DeclaredTable("notes", None, INDEXES[:2]))
            insert(store, *range(10))
        store, environment = open_dying(path)
        environment.steps_to_live = 100
        with closing(store):
            deploy_and_build(store, OTHERWISE)
            # The deployment, 20 entries cleared and 10 documents filled in threes, and so on.
            assert 12 <= 100 - environment.steps_to_live <= 16


def test_filling_goes_on_where_it_stopped() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "db.hw"
        with closing(open_store(path)) as store:
            deploy(store, [PLAIN])
            insert(store, *range(10))
            deploy(store, [UNIQUE])
        store, environment = open_dying(path)
        environment.steps_to_live = 2
        with pytest.raises(Killed):
            build_indexes(store)
        store.close()
        with closing(open_store(path)) as store:
            assert len(contents(store.environment)[Database.INDEXES]) == 6
            (index,) = store.catalog.indexes_by_space.values()
            with store.environment.read() as reader:
                assert (
                    read_note(reader, index)
                    == contents(store.environment, Database.DOCUMENTS)[Database.DOCUMENTS][-5][0]
                )
            build_indexes(store)
            assert_whole(store)
            assert names_in(store, "by_a") == list(range(10))


def test_a_note_about_another_index_says_nothing() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        ids = insert(store, *range(5))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        (index,) = store.catalog.indexes_by_space.values()
        with store.environment.write() as writer:
            write_note(writer, index, ids[-1].encode("ascii"))
            forged = b"other " + ids[-1].encode("ascii")
            writer.delete(Database.META, note_key(index.space))
            writer.put(Database.META, note_key(index.space), forged)
        build_indexes(store)
        assert_whole(store)
        assert len(contents(store.environment)[Database.INDEXES]) == 5


def test_a_note_left_behind_is_cleared() -> None:
    with closing(open_store()) as store:
        with store.environment.write() as writer:
            writer.put(Database.META, note_key(77), b"left")
        build_indexes(store)
        assert_whole(store)


def test_nothing_to_build_writes_nothing() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store, environment = open_dying(Path(directory) / "db.hw")
        with closing(store):
            environment.steps_to_live = 0
            build_indexes(store)
            build_index(store, 1)
            assert clear_dropped(store) == 0
            assert not environment.is_dead


def test_two_that_fill_the_same_index_share_the_work() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(10))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        calls: list[Progress] = []

        def another(progress: Progress) -> None:
            calls.append(progress)
            if len(calls) == 2:
                build_indexes(store)

        build_indexes(store, progress=another)
        assert len(calls) >= 2
        assert_whole(store)
        with closing(store.snapshot()) as snapshot:
            commits = commit_log.after(snapshot.reader, 0)
            assert [c.origin.function for c in commits].count("_fill_index") == 1


def test_an_index_dropped_while_it_is_filled_is_given_up_and_cleared() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(10))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        calls: list[Progress] = []

        def drop(progress: Progress) -> None:
            calls.append(progress)
            if len(calls) == 2:
                deploy(store, [PLAIN])

        build_indexes(store, progress=drop)
        assert len(calls) == 3  # at the beginning, after the first step, and at the end
        assert_whole(store)
        assert store.catalog.indexes_by_space == {}
        assert contents(store.environment)[Database.INDEXES] == []


def test_another_index_in_the_same_space_is_not_taken_for_the_one_that_was_filled() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(10))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        calls: list[Progress] = []

        def replace(progress: Progress) -> None:
            calls.append(progress)
            if len(calls) == 2:
                deploy(store, [PLAIN])
                clear_dropped(store)
                deploy(store, [OTHERWISE])

        build_indexes(store, progress=replace)
        (index,) = store.catalog.indexes_by_space.values()
        assert (index.space, index.state) == (1, "building")
        build_indexes(store)
        assert_whole(store)


def test_progress_counts_the_documents() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(7))
        deploy(store, [DeclaredTable("notes", None, INDEXES[:1])])
        seen: list[Progress] = []
        build_indexes(store, progress=seen.append)
        step = "filling index notes.by_a"
        assert seen == [Progress(step, done, 7) for done in (0, 3, 6, 7)]


# Uniqueness -------------------------------------------------------------------------------------


def test_documents_that_share_a_key_are_named_and_the_index_is_given_up() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        ids = insert(store, 1, 2, 1.0, "", "", 2, 3)
        deploy(store, [UNIQUE])
        with pytest.raises(SchemaMismatchError) as caught:
            build_indexes(store)
        assert caught.value.table == "notes"
        assert caught.value.documents == (
            (ids[2], f"has a=1, as {ids[0]} has"),
            (ids[5], f"has a=2, as {ids[1]} has"),
        )
        assert "notes.by_a cannot be unique" in str(caught.value)
        assert ids[5] in str(caught.value)
        assert_whole(store)
        assert store.catalog.indexes_by_space == {}


def test_the_error_names_five_documents_and_counts_all() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *[1] * 9)
        deploy(store, [UNIQUE])
        with pytest.raises(SchemaMismatchError, match="the first 5 of 8") as caught:
            build_indexes(store)
        assert len(caught.value.documents) == 5


def test_the_other_indexes_are_filled_although_one_is_given_up() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1, 1)
        deploy(store, [DeclaredTable("notes", None, [*UNIQUE.indexes, *INDEXES[1:]])])
        with pytest.raises(SchemaMismatchError):
            build_indexes(store)
        assert [i.name for i in store.catalog.indexes_by_space.values()] == ["by_b_a", "by_c"]
        assert_whole(store)


def test_a_unique_index_without_duplicates_becomes_ready_and_holds() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 3, 1, "", 2, "")
        deploy_and_build(store, UNIQUE)
        assert_whole(store)
        with pytest.raises(HeadwaterError, match="already holds a=2"):
            insert(store, 2)
        insert(store, "", 4)
        assert_whole(store)


def after_the_scan(
    store: Store, monkeypatch: pytest.MonkeyPatch, *writes: Callable[[], object]
) -> list[int]:
    """Let others write between each scan for duplicates and the decision."""
    scans: list[int] = []

    def scan_and_write(*arguments: Any) -> Any:
        result = find_duplicates(*arguments)
        if len(scans) < len(writes):
            writes[len(scans)]()
        scans.append(result[0].total)
        return result

    monkeypatch.setattr(index_building, "find_duplicates", scan_and_write)
    return scans


def test_a_writer_from_before_the_filling_cannot_slip_a_duplicate_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        (first,) = insert(store, 1)
        deploy(store, [UNIQUE])
        with closing(store.snapshot()) as snapshot:
            # It looks for the key where the document of the same key has no entry yet.
            early = store.begin(snapshot)
            store.writer(early).insert("notes", {"a": 1})
            scans = after_the_scan(store, monkeypatch, lambda: store.commit(early, Origin()))
            with pytest.raises(SchemaMismatchError) as caught:
                build_indexes(store)
        assert scans == [0]
        ((_, reason),) = caught.value.documents
        assert reason == f"has a=1, as {first} has"
        assert store.catalog.indexes_by_space == {}
        assert_whole(store)


def test_a_writer_in_the_middle_of_the_scan_cannot_slip_a_duplicate_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, *range(7))
        deploy(store, [UNIQUE])
        with closing(store.snapshot()) as old:
            early = store.begin(old)
            store.writer(early).insert("notes", {"a": 0})
            snapshot, taken = store.snapshot, list[int]()

            def commit_before_the_second_step() -> Any:
                taken.append(1)
                if len(taken) == 2:
                    store.commit(early, Origin())
                return snapshot()

            def scan(*arguments: Any) -> Any:
                with monkeypatch.context() as patch:
                    patch.setattr(store, "snapshot", commit_before_the_second_step)
                    return find_duplicates(*arguments)

            monkeypatch.setattr(index_building, "find_duplicates", scan)
            with pytest.raises(SchemaMismatchError, match="has a=0"):
                build_indexes(store)
        assert_whole(store)


def test_a_writer_in_the_same_batch_cannot_slip_a_duplicate_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1)
        deploy(store, [UNIQUE])
        with closing(store.snapshot()) as snapshot:
            early = store.begin(snapshot)
            store.writer(early).insert("notes", {"a": 1})
            together(store, monkeypatch, CommitRequest(Origin(), transaction=early))
            with pytest.raises(SchemaMismatchError):
                build_indexes(store)
        assert store.catalog.indexes_by_space == {}
        assert_whole(store)


def together(store: Store, monkeypatch: pytest.MonkeyPatch, first: CommitRequest) -> None:
    """Let the next request come in one batch with another one before it."""
    submit = store.committer.submit

    def submit_both(request: CommitRequest) -> None:
        monkeypatch.setattr(store.committer, "submit", submit)

        def both() -> None:
            submit(first)
            submit(request)

        store.committer.call(both)  # on the committer's thread, which takes them afterwards

    monkeypatch.setattr(store.committer, "submit", submit_both)


def test_a_writer_after_the_decision_has_to_run_again() -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1)
        deploy(store, [UNIQUE])
        with closing(store.snapshot()) as snapshot:
            early = store.begin(snapshot)
            store.writer(early).insert("notes", {"a": 1})
            build_indexes(store)
            with pytest.raises(ConflictError):
                store.commit(early, Origin())
        assert_whole(store)


def test_new_documents_without_the_field_are_no_duplicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        insert(store, 1)
        deploy(store, [UNIQUE])
        scans = after_the_scan(store, monkeypatch, lambda: insert(store, "", "", 2))
        build_indexes(store)
        assert scans == [0]
        assert_whole(store)


def test_duplicates_that_went_away_are_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store()) as store:
        deploy(store, [PLAIN])
        ids = insert(store, 1, 1)
        deploy(store, [UNIQUE])
        scans = after_the_scan(
            store,
            monkeypatch,
            lambda: transact(store, lambda writer: writer.patch(ids[1], a=2)),
        )
        build_indexes(store)
        assert scans == [1, 0]
        assert_whole(store)


# Dropped indexes --------------------------------------------------------------------------------


def test_a_new_index_never_gets_a_space_with_entries() -> None:
    with closing(open_store()) as store:
        deploy_and_build(store, INDEXED)
        insert(store, 1, 2)
        deploy(store, [PLAIN])
        left = {space_of(key) for key, _ in contents(store.environment)[Database.INDEXES]}
        assert left == {1, 2, 3}
        with closing(store.snapshot()) as snapshot:
            assert next_space(snapshot.reader, snapshot.catalog) == 4
        deploy(store, [INDEXED])
        assert set(store.catalog.indexes_by_space) == {4, 5, 6}
        assert clear_dropped(store) == 6
        build_indexes(store)
        assert_whole(store)


def test_spaces_are_free_again_once_they_are_cleared() -> None:
    with closing(open_store()) as store:
        deploy_and_build(store, INDEXED)
        insert(store, 1)
        deploy_and_build(store, PLAIN)
        with closing(store.snapshot()) as snapshot:
            assert next_space(snapshot.reader, snapshot.catalog) == 1


def test_entries_of_an_index_that_came_back_into_its_space_are_not_cleared() -> None:
    """Another process may clear the space and reuse it after this one has looked."""
    with closing(open_store()) as store:
        deploy_and_build(store, DeclaredTable("notes", None, INDEXES[:1]))
        insert(store, 1, 2)
        deploy(store, [PLAIN])
        calls: list[Progress] = []

        def reuse(progress: Progress) -> None:
            calls.append(progress)
            if len(calls) == 1:
                clear_dropped(store)
                deploy_and_build(store, OTHERWISE)

        assert clear_dropped(store, progress=reuse) == 0
        assert set(store.catalog.indexes_by_space) == {1}
        assert calls[0] == Progress("clearing dropped indexes", 0, 1)
        assert_whole(store)
