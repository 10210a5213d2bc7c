"""What somebody reads whose undo is refused."""

import pytest
from tests.errors.application import create_user, rename

import headwater as hw


def test_an_undo_of_what_has_changed_since_names_documents_and_commits(db, ada) -> None:
    created = db.ts
    db.mutate(rename, user=ada, name="Bob")
    with pytest.raises(hw.UndoConflictError) as caught:
        db.undo(created)
    assert str(caught.value) == (
        f"commit {created} cannot be undone: later commits have changed what it would write over: "
        f"{ada} by {db.ts}. Nothing was written. Undo those commits first, the newest one first, "
        "or pass override=True to write the earlier versions all the same"
    )
    assert (caught.value.ts, caught.value.later) == (created, {ada: (db.ts,)})
    assert caught.value.code == "undo_conflict"


def test_of_many_documents_and_commits_the_first_are_named(db) -> None:
    users = [db.mutate(create_user, name=f"user {number}") for number in range(4)]
    with db.transaction() as tx:
        for user in users:
            tx.patch(user, name=tx.get(user)["name"].upper())
    changed = db.ts
    for user in users:
        db.mutate(rename, user=user, name=f"{user} again")
    with pytest.raises(hw.UndoConflictError, match=r"\(the first 3 of 4 documents\)") as caught:
        db.undo(changed)
    assert list(caught.value.later) == users


def test_a_restore_over_several_changes_names_them(db, ada) -> None:
    created = db.ts
    later = []
    for number in range(12):
        db.mutate(rename, user=ada, name=f"Bob {number}")
        later.insert(0, db.ts)
    with pytest.raises(hw.UndoConflictError) as caught:
        db.restore(ada, created)
    assert str(caught.value) == (
        f"{ada} cannot be restored as of {created}: later commits have changed what it would write "
        f"over: {ada} by {later[0]}, {later[1]}, {later[2]}. Nothing was written. Undo those "
        "commits first, the newest one first, or pass override=True to write the earlier versions "
        "all the same"
    )
    assert caught.value.later == {ada: tuple(later[:10])}


def test_what_is_no_commit(db, said) -> None:
    assert said(hw.UsageError, lambda: db.undo(db.ts + 1)) == (
        f"there is no commit {db.ts + 1}; db.history(id) and db.log.read() give the timestamps of "
        "commits"
    )
    for wrong in (-1, 1.0, True, None, 2**63):
        assert said(hw.ArgumentError, lambda ts=wrong: db.undo(ts)) == (
            f"ts={wrong!r}: expected the timestamp of a commit, an int of nanoseconds since the "
            "epoch, as db.history(id) and db.log.read() give them"
        )
        said(hw.ArgumentError, lambda ts=wrong: db.restore("x", ts))


def test_a_change_of_the_catalog_is_not_undone(db, said) -> None:
    deployed = db.ts
    assert said(hw.UsageError, lambda: db.undo(deployed)) == (
        f"commit {deployed} by '_deploy' changed tables or indexes, and cannot be undone; open the "
        "database with the earlier declarations instead"
    )


def test_a_document_that_never_was_is_not_restored(db, ada, said) -> None:
    unknown = ada[:-4] + "0000"
    said(hw.InvalidIdError, lambda: db.restore(unknown, db.ts))
    transaction = db.transaction()
    ghost = transaction.insert("users", {"name": "ghost"})
    transaction.rollback()
    assert said(hw.DocumentNotFoundError, lambda: db.restore(ghost, db.ts)) == (
        f"cannot restore {ghost!r}: the log knows no version of it; it was never committed, or it "
        "was deleted and the log has been trimmed since"
    )


def test_the_catalog_is_not_restored(db, said) -> None:
    table = db._store.catalog.by_name["users"].id
    assert said(hw.InvalidIdError, lambda: db.restore(table, db.ts - 1)) == (
        f"{table!r} is an id of a system table, expected one of a table you may write to"
    )


def test_what_was_trimmed_is_not_undone(db, ada, said) -> None:
    created = db.ts
    db.mutate(rename, user=ada, name="Bob")
    renamed = db.ts
    db.mutate(rename, user=ada, name="Eve")
    db.trim_log(renamed + 1)
    for use in (
        lambda: db.undo(created),
        lambda: db.undo(renamed),
        lambda: db.restore(ada, created),
    ):
        with pytest.raises(hw.LogTrimmedError) as caught:
            use()
        assert caught.value.horizon == renamed
    assert db.restore(ada, renamed) == db.ts
    assert db.get(ada)["name"] == "Bob"
