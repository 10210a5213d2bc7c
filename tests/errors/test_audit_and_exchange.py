"""What a caller reads whose commit cannot be replayed, or whose file cannot be imported."""

from datetime import datetime

import pytest

import headwater as hw


@pytest.fixture
def db():
    with hw.open() as database:
        database.transact(lambda tx: tx.insert("notes", {"text": "a"}))
        yield database


def test_a_commit_without_arguments_says_how_to_record_them(db, said) -> None:
    ts = db.ts
    assert said(hw.NotReplayableError, lambda: db.replay(ts)) == (
        f"commit {ts} was made by db.<locals>.<lambda>, and does not have its arguments; declare "
        "the mutation with @hw.mutation(record_arguments=True), and its commits from then on can "
        "be replayed"
    )


def test_a_commit_that_is_not_there_says_where_to_find_one(db, said) -> None:
    assert said(hw.NotReplayableError, lambda: db.replay(1)) == (
        "there is no commit 1; take the ts of a revision, as db.history(id) gives them"
    )


def test_a_moment_without_a_zone_says_how_to_give_it_one(db, said) -> None:
    naive = datetime(2026, 1, 2)  # noqa: DTZ001 - it is what is refused
    assert said(hw.ArgumentError, lambda: db.snapshot(at=naive)) == (
        "at=datetime.datetime(2026, 1, 2, 0, 0): a datetime without a time zone could mean several "
        "moments; give it one: at.astimezone() for local time, at.replace(tzinfo=datetime.UTC) for "
        "UTC"
    )


def test_an_export_names_what_is_in_its_way(db, said, tmp_path) -> None:
    assert said(hw.AlreadyThereError, lambda: db.export_to(tmp_path)) == (
        f"{tmp_path}: expected nothing there, found a directory; choose another path, or move it "
        "away"
    )


def test_an_import_names_file_line_and_reason(db, said, tmp_path) -> None:
    file = tmp_path / "others.jsonl"
    file.write_text('{"text": "b"}\n{"text": "b", "_id": "x"}\n')
    assert said(hw.ImportRefusedError, lambda: db.import_from(file)) == (
        f"{file}, line 2: _id: 'x' is no id: it has 1 characters instead of 31, 32, 34, 36 or 37. "
        "Nothing was imported"
    )


def test_an_import_into_a_table_that_is_not_empty_names_the_other_modes(db, said, tmp_path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"text": "b"}\n')
    assert said(hw.ImportRefusedError, lambda: db.import_from(file)) == (
        f"{file}: table 'notes' has documents already; mode='append' adds these to them, "
        "mode='replace' puts these in their place. Nothing was imported"
    )


def test_an_import_of_nothing_says_what_can_be_imported(db, said, tmp_path) -> None:
    assert said(hw.ImportRefusedError, lambda: db.import_from(tmp_path / "a")) == (
        f"{tmp_path / 'a'}: there is no such file or directory; expected an export"
    )
