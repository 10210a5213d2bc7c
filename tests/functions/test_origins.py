"""What a commit says of where it came from."""

import asyncio
import threading

import pytest
from tests.functions import recorded
from tests.functions.recorded import Notes

import headwater as hw


@pytest.fixture
def db():
    with hw.open(modules=[recorded]) as database:
        yield database


def last_origin(db, id):
    return db.history(id)[0].origin


def test_a_commit_knows_its_function(db):
    origin = last_origin(db, db.mutate(recorded.write_unrecorded, text="x"))
    assert origin == hw.Origin("recorded:writeUnrecorded")
    assert origin.arguments is None


def test_marks_of_the_caller_are_on_every_kind_of_commit(db):
    async def by_asyncio():
        return await db.aio.mutate(recorded.write_unrecorded, text="x")

    def by_hand():
        with db.transaction() as tx:
            return tx.insert(Notes, {"text": "x", "tags": [], "luck": 1.0})

    def anonymous(tx):
        return tx.insert(Notes, {"text": "x", "tags": [], "luck": 1.0})

    with hw.origin(identity="ada", request_id="r1"):
        ids = [
            db.mutate(recorded.write_unrecorded, text="x"),
            db.call("recorded:writeUnrecorded", {"text": "x"}),
            asyncio.run(by_asyncio()),
            by_hand(),
            db.transact(anonymous),
        ]
    for id in ids:
        origin = last_origin(db, id)
        assert (origin.identity, origin.request_id) == ("ada", "r1")


def test_what_the_database_commits_for_the_caller_is_marked_too(tmp_path):
    (tmp_path / "notes.jsonl").write_text('{"text": "x", "tags": [], "luck": 0.5}')
    with hw.origin(identity="ada"), hw.open(modules=[recorded]) as db:
        db.import_from(tmp_path / "notes.jsonl")
        db.transact(lambda tx: tx.insert("new_table", {}))
        db.undo(db.ts)
        entries = db.log.read(tables=["_tables", "_indexes", "notes", "new_table"])
    functions = {entry.origin.function for entry in entries}
    assert {"_deploy", "_import", "_create_table", "_undo"} <= functions
    assert {entry.origin.identity for entry in entries} == {"ada"}


def test_a_block_inside_another_changes_only_what_it_names(db):
    with hw.origin(identity="ada", request_id="r1"):
        with hw.origin(request_id="r2"):
            inner = db.mutate(recorded.write_unrecorded, text="x")
        outer = db.mutate(recorded.write_unrecorded, text="x")
    after = db.mutate(recorded.write_unrecorded, text="x")
    assert last_origin(db, inner).identity == "ada"
    assert [last_origin(db, id).request_id for id in (inner, outer, after)] == ["r2", "r1", ""]


def test_a_mark_does_not_leak_into_other_threads(db):
    ids = []
    with hw.origin(identity="ada"):
        thread = threading.Thread(
            target=lambda: ids.append(db.mutate(recorded.write_unrecorded, text="x"))
        )
        thread.start()
        thread.join()
    assert last_origin(db, ids[0]).identity is None


@pytest.mark.parametrize("facts", [{"identity": 1}, {"request_id": b"x"}])
def test_a_mark_that_is_no_string_is_refused(facts):
    with pytest.raises(hw.ArgumentError, match="expected a string"), hw.origin(**facts):
        pass


def test_a_recorded_call_has_the_arguments_as_the_caller_gave_them(db):
    id = db.mutate(recorded.write, text="hi", tags=["a", "b"])
    assert last_origin(db, id).arguments == {"text": "hi", "tags": ["a", "b"]}


def test_a_recorded_call_survives_a_restart(tmp_path):
    with hw.open(tmp_path / "db", modules=[recorded]) as db:
        id = db.mutate(recorded.write, text="hi", tags=[])
        before = last_origin(db, id)
    with hw.open(tmp_path / "db", modules=[recorded]) as db:
        assert last_origin(db, id) == before


@pytest.mark.parametrize("attempts", [0, 1_000_000])
def test_both_ways_to_the_committer_record(db, attempts):
    statistics = db._runner.call(
        "mutation", recorded.write, (), {"text": "", "tags": []}
    ).statistics
    statistics.took(0.0 if attempts == 0 else 3600.0)
    id = db.mutate(recorded.write, text="hi", tags=["a"])
    assert last_origin(db, id).arguments == {"text": "hi", "tags": ["a"]}


def test_a_recorded_mutation_that_writes_nothing_makes_no_commit(db):
    before = db.ts
    db.mutate(recorded.write_nothing, text="hi")
    assert db.ts == before
