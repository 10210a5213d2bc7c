"""A backup is the database at one of its commits, however busy it is meanwhile.

Goal: what is in the copy is a prefix of the history, whole, verified, and open to writing.
Method: writers go on in threads while copies are made; each transaction writes a pair.
"""

import threading

import pytest

import headwater as hw


def write_pair(tx, number):
    tx.insert("left", {"number": number})
    tx.insert("right", {"number": number})


def numbers(db, table):
    with db.snapshot() as s:
        return [row["number"] for row in s.query(table).collect()]


def test_a_copy_made_under_writers_is_a_prefix_of_the_history(tmp_path):
    stop = threading.Event()
    with hw.open(tmp_path / "db", durability="none") as db:
        db.transact(lambda tx: write_pair(tx, 0))

        def write():
            number = 1
            while not stop.is_set():
                db.transact(lambda tx, number=number: write_pair(tx, number))
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for name in ("first", "second"):
                before = numbers(db, "left")
                db.backup(tmp_path / name)
                with hw.open(tmp_path / name) as copy:
                    held = numbers(copy, "left")
                    assert held == list(range(len(held)))
                    assert len(held) >= len(before)
                    assert numbers(copy, "right") == held
                    assert copy.verify() == []
                    copy.transact(lambda tx: write_pair(tx, -1))
                    assert copy.verify() == []
        finally:
            stop.set()
            writer.join()
        assert -1 not in numbers(db, "left")


def test_a_copy_keeps_indexes_history_and_ids(tmp_path):
    with hw.open(tmp_path / "db", durability="none") as db:
        note = db.transact(lambda tx: tx.insert("notes", {"text": "a"}))
        db.transact(lambda tx: tx.patch(note, text="b"))
        db.backup(tmp_path / "copy")
        with hw.open(tmp_path / "copy") as copy:
            assert copy.get(note) == db.get(note)
            assert copy.history(note) == db.history(note)
            assert copy.rebuild() == db.rebuild()


def test_nothing_is_overwritten(tmp_path):
    with hw.open(tmp_path / "db") as db:
        with pytest.raises(hw.AlreadyOpenError, match="there is a database already"):
            db.backup(tmp_path / "db")
        (tmp_path / "letters").mkdir()
        (tmp_path / "letters" / "dear.txt").write_text("Dear")
        with pytest.raises(hw.NotADatabaseError):
            db.backup(tmp_path / "letters")
        assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear"
