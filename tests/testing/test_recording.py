"""The recorder sees what transactions saw, and nothing that they did not."""

import threading
from itertools import islice

import pytest
from tests.laws import application
from tests.laws.application import Cells

import headwater as hw
from headwater import testing
from headwater.testing import check_serializable, record


@pytest.fixture
def db():
    with testing.database(application) as opened:
        yield opened


@pytest.fixture
def cells(db):
    """Ids of five cells of group 0, by number."""

    def insert(tx):
        return [tx.insert(Cells, {"group": 0, "number": n, "writer": ""}) for n in range(5)]

    return db.transact(insert)


def reads_of(db, function):
    """What the recorder says that a function has read."""
    with record(db) as recorder:
        db.transact(function)
    (found,) = [t for t in recorder.history().transactions if t.began is not None]
    return found.reads


def ids(reads):
    return [read.id for read in reads]


def test_a_read_names_the_version(db, cells) -> None:
    ts = db.ts
    (read,) = reads_of(db, lambda tx: tx.get(cells[2]))
    assert (read.id, read.ts, read.last_ts, read.through) == (cells[2], ts, ts, "")


def test_a_read_of_what_was_deleted_names_the_deletion(db, cells) -> None:
    db.transact(lambda tx: tx.delete(cells[2]))
    (read,) = reads_of(db, lambda tx: tx.get(cells[2]))
    assert (read.ts, read.is_absent) == (db.ts, True)


def test_a_range_ends_with_what_was_taken_of_it(db, cells) -> None:
    def first_two(tx):
        tx.query(Cells).with_index(Cells.by_number).take(2)

    def first_two_one_by_one(tx):
        list(islice(tx.query(Cells).with_index(Cells.by_number), 2))

    def last_two(tx):
        tx.query(Cells).order("desc").take(2)

    def page_of_two(tx):
        query = tx.query(Cells).with_index(Cells.by_number)
        query.paginate({"numItems": 2, "cursor": None})

    assert ids(reads_of(db, first_two)) == cells[:2]
    assert ids(reads_of(db, first_two_one_by_one)) == cells[:2]
    assert ids(reads_of(db, page_of_two)) == cells[:2]
    assert sorted(ids(reads_of(db, last_two))) == cells[3:]


def test_what_a_filter_looked_at_was_read(db, cells) -> None:
    def filtered(tx):
        return tx.query(Cells).filter(lambda cell: cell["number"] == 2).first()

    assert ids(reads_of(db, filtered)) == cells[:3]


def test_what_was_in_the_range_before_or_after_is_absent_from_it(db, cells) -> None:
    moved_out, gone, comes_in = cells[0], cells[1], cells[2]
    db.transact(lambda tx: tx.patch(comes_in, number=9))
    db.transact(lambda tx: tx.patch(moved_out, group=1))
    left_at = db.ts
    db.transact(lambda tx: tx.patch(moved_out, writer="x"))
    db.transact(lambda tx: tx.delete(gone))
    deleted_at = db.ts
    with record(db) as recorder:
        snapshot = db.snapshot()
        query = snapshot.query(Cells).with_index(Cells.by_group, 0, lt=9)
        assert [cell["_id"] for cell in query] == cells[3:]
        db.transact(lambda tx: tx.patch(comes_in, number=0))
        snapshot.close()
    (reader,) = [t for t in recorder.history().transactions if t.name.startswith("snapshot")]
    absent = {read.id: read for read in reader.reads if read.is_absent}
    assert absent.keys() == {moved_out, gone, comes_in}
    assert absent[moved_out].ts == left_at
    assert absent[moved_out].last_ts > left_at, "its change outside is the same to the reader"
    assert absent[gone].ts == absent[gone].last_ts == deleted_at
    assert absent[comes_in].through == "cells.by_group"


def test_own_writes_are_not_read_from_others(db, cells) -> None:
    def own(tx):
        new = tx.insert(Cells, {"group": 0, "number": 1, "writer": ""})
        tx.patch(new, number=2)
        tx.get(new)
        tx.query(Cells).with_index(Cells.by_number, 2).collect()
        tx.query(Cells).with_index(Cells.by_number, 2).take(5)

    assert set(ids(reads_of(db, own))) == {cells[2]}


def test_the_check_of_a_unique_index_is_a_read(db) -> None:
    def insert(tx):
        return tx.insert(application.Receipts, {"writer": "a"})

    taken = db.transact(insert)
    with record(db) as recorder:
        with pytest.raises(hw.UniqueViolationError):
            db.transact(insert)
        db.transact(lambda tx: tx.insert(application.Receipts, {"writer": "b"}))
        db.transact(lambda tx: tx.delete(taken))
        db.transact(insert)
    history = recorder.history()
    last = max(history.transactions, key=lambda t: t.ts)
    (read,) = last.reads
    assert (read.id, read.is_absent, read.through) == (taken, True, "receipts.by_writer")
    assert check_serializable(history)


def test_a_query_and_a_mutation_are_named_by_their_functions(db, cells) -> None:
    with record(db) as recorder:
        db.query(application.get_cell, cell=cells[0])
        db.mutate(application.run, writer="w", program=[["get", cells[0]]])
    named = [t.name for t in recorder.history().transactions if t.began is not None]
    assert sorted(named) == ["application:getCell #1", "application:run #2"]


def test_what_lost_or_failed_is_no_part_of_the_history(db, cells) -> None:
    def fail(tx):
        tx.patch(cells[0], number=7)
        raise KeyError

    with record(db) as recorder:
        losing = db.transaction()
        losing.patch(cells[0], number=losing.get(cells[0])["number"] + 1)
        db.transact(lambda tx: tx.patch(cells[0], number=5))
        with pytest.raises(hw.ConflictError):
            losing.commit()
        with pytest.raises(KeyError):
            db.transact(fail)
    history = recorder.history()
    assert sum(t.began is not None for t in history.transactions) == 1
    assert check_serializable(history)


def test_commits_of_nobody_that_was_watched_are_in_the_history(db, cells) -> None:
    with record(db) as recorder:
        pass
    db.transact(lambda tx: tx.delete(cells[0]))
    history = recorder.history()
    assert cells[0] in history.transactions[-1].writes
    assert history.document(cells[0]) == f"cells/{cells[0]}"


def test_who_reads_the_past_is_not_stale(db, cells) -> None:
    then = db.ts
    db.transact(lambda tx: tx.delete(cells[0]))
    with record(db) as recorder, db.snapshot(at=then) as past:
        assert past.get(cells[0]) is not None
    assert check_serializable(recorder.history())


def test_a_database_has_one_recorder(db) -> None:
    with record(db), pytest.raises(hw.UsageError, match="recorded already"):
        record(db)
    record(db).close()


def test_recording_goes_on_after_a_crash(db, cells) -> None:
    with record(db) as recorder:
        db.transact(lambda tx: tx.patch(cells[0], number=5))
        db.crash()
        db.transact(lambda tx: tx.patch(cells[0], number=tx.get(cells[0])["number"] + 1))
        history = recorder.history()
    assert sum(t.began is not None for t in history.transactions) == 2
    assert check_serializable(history)


def test_a_snapshot_that_is_too_old_is_a_stale_read(db, cells, monkeypatch) -> None:
    """A planted bug: after a commit somebody still gets the state from before it."""
    store = db.runner.store
    old = store.snapshot()
    with record(db) as recorder:
        db.transact(lambda tx: tx.patch(cells[0], number=5))
        with monkeypatch.context() as patch:
            patch.setattr(store, "snapshot", lambda: (recorder.looking(), old)[1])
            with db.snapshot() as stale:
                assert stale.get(cells[0])["number"] == 0
    (anomaly,) = check_serializable(recorder.history()).anomalies
    assert anomaly.kind == "stale read"
    assert "had ended when" in anomaly.explanation


def test_a_read_of_what_was_never_committed_is_dirty(db, cells, monkeypatch) -> None:
    """A planted bug: a reader is shown something that is in no commit."""
    from headwater.testing import observed

    read = observed.Transaction.read
    with record(db) as recorder, monkeypatch.context() as patch:
        patch.setattr(
            observed.Transaction, "read", lambda self, key: {**read(self, key), "number": 77}
        )
        db.query(application.get_cell, cell=cells[0])
    (anomaly,) = check_serializable(recorder.history()).anomalies
    assert anomaly.kind == "dirty read"


def test_threads_that_write_to_one_document_are_serializable(db, cells) -> None:
    def increment(tx):
        tx.patch(cells[0], number=tx.get(cells[0])["number"] + 1)

    def work():
        for _ in range(20):
            db.transact(increment)
            db.query(application.total)

    with record(db) as recorder:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    history = recorder.history()
    assert sum(t.began is not None for t in history.transactions) == 160
    verdict = check_serializable(history)
    assert verdict, verdict
    assert db.get(cells[0])["number"] == 80
