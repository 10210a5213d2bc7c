"""What somebody reads who lost, came too late, or uses what is over."""

import datetime as dt
import pickle

import pytest
from tests.errors import application
from tests.errors.application import Users, create_user, rename, users

import headwater as hw
from headwater import errors


def conflict_of(transaction) -> hw.ConflictError:
    with pytest.raises(hw.ConflictError) as caught:
        transaction.commit()
    return caught.value


def test_a_lost_transaction_says_to_which_commit_of_which_function_on_which_document(
    db, ada
) -> None:
    transaction = db.transaction()
    transaction.get(ada)
    transaction.insert("notes", {})
    db.mutate(rename, user=ada, name="Bob")
    error = conflict_of(transaction)

    assert str(error) == (
        f"the transaction lost: commit {db.ts} by 'application:rename' changed users.by_id at "
        f"('{ada}'), which it had read. Nothing was written. Run it again on a new snapshot: "
        "db.transact(...) and mutations do that by themselves"
    )
    assert (error.ts, error.function) == (db.ts, "application:rename")
    assert (error.table, error.index, error.key) == ("users", "by_id", (ada,))


def test_a_lost_transaction_says_on_which_index_and_key(db, ada) -> None:
    transaction = db.transaction()
    transaction.query(Users).with_index(Users.by_name, "Bob").collect()
    transaction.insert("notes", {})
    db.mutate(rename, user=ada, name="Bob")
    error = conflict_of(transaction)

    assert str(error) == (
        f"the transaction lost: commit {db.ts} by 'application:rename' changed users.by_name at "
        "('Bob'), which it had read. Nothing was written. Run it again on a new snapshot: "
        "db.transact(...) and mutations do that by themselves"
    )
    assert (error.table, error.index, error.key) == ("users", "by_name", ("Bob",))


def test_a_transaction_that_lost_to_one_without_a_name_says_so(db, ada) -> None:
    transaction = db.transaction()
    transaction.patch(ada, name="Eve")
    with db.transaction() as other:
        other.patch(ada, name="Bob")
    assert str(conflict_of(transaction)).startswith(
        f"the transaction lost: commit {db.ts} by another transaction changed users.by_id at ("
    )


def test_a_transaction_or_snapshot_that_has_ended(db, ada, said) -> None:
    transaction = db.transaction()
    transaction.commit()
    for use in (
        lambda: transaction.get(ada),
        lambda: transaction.patch(ada, name="x"),
        transaction.commit,
    ):
        assert said(hw.ClosedError, use) == (
            "the transaction has ended; read and write inside its with block"
        )
    with db.snapshot() as snapshot:
        pass
    assert said(hw.ClosedError, lambda: snapshot.get(ada)) == (
        "the snapshot has ended; read and write inside its with block"
    )


def test_a_live_result_that_was_closed_or_did_not_change(db, ada, said) -> None:
    live = db.watch(users)
    assert len(live.next()) == 1
    assert said(TimeoutError, lambda: live.next(0)) == ("the live result did not change within 0 s")
    live.close()
    assert said(hw.ClosedError, live.next) == "the live result is closed; watch the query again"


def test_a_database_that_was_closed(tmp_path) -> None:
    path = tmp_path / "db.hw"
    db = hw.open(path, modules=[application])
    db.mutate(create_user, name="Ada")
    db.close()
    for use in (
        lambda: db.query(users),
        lambda: db.mutate(create_user, name="Bob"),
        lambda: db.transact(lambda tx: None),
        db.snapshot,
        db.transaction,
        lambda: db.watch(users),
        db.verify,
        db.rebuild,
    ):
        with pytest.raises(hw.ClosedError) as caught:
            use()
        text = str(caught.value)
        assert "the database is closed" in text
        assert "open it again" in text
    db.close()


def test_a_snapshot_that_was_held_for_too_long(tmp_path, said) -> None:
    limits = hw.Limits(snapshot_seconds=10.0)
    clock = HandClock()
    with hw.open(tmp_path / "db.hw", modules=[application], limits=limits, clock=clock) as db:
        ada = db.mutate(create_user, name="Ada")
        with db._store.environment.read() as reader:
            clock.seconds += 11
            db.mutate(create_user, name="Bob")
            text = said(hw.SnapshotTooOldError, lambda: reader.get(errors_database(), ada.encode()))
        assert text == (
            "this snapshot was held for longer than the limit snapshot_seconds and was taken away, "
            "as the file cannot reuse space that an open snapshot sees; take a new one and read "
            "in shorter steps, or raise it: hw.open(..., limits=hw.Limits(snapshot_seconds=...))"
        )
        snapshot = db.snapshot()
        clock.seconds += 11
        db.mutate(create_user, name="Eve")
        text = said(hw.SnapshotTooOldError, lambda: snapshot.get(ada))
        assert "snapshot_seconds" in text
        assert "take a new one" in text


def errors_database():
    from headwater.storage.format import Database

    return Database.DOCUMENTS


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.seeds = 0

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def monotonic(self) -> float:
        return self.seconds

    def seed(self) -> int:
        self.seeds += 1
        return self.seeds


def all_errors() -> list[type[hw.HeadwaterError]]:
    found = [errors.HeadwaterError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    kinds = all_errors()
    assert len(kinds) > 30
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        assert getattr(hw, kind.__name__) is kind


def made(db, ada) -> list[Exception]:
    """One error of each kind that carries facts."""
    transaction = db.transaction()
    transaction.patch(ada, name="Eve")
    db.mutate(rename, user=ada, name="Bob")
    uses = [
        transaction.commit,
        lambda: db.mutate(create_user, name="Bob"),
        lambda: db.mutate(create_user, nmae="Bob"),
        lambda: db.transact(lambda tx: tx.patch(ada, name=3)),
        lambda: db.transact(lambda tx: tx.insert("x", {"a": dt.UTC})),
        lambda: db.transact(lambda tx: (tx.delete(ada), tx.delete(ada))),
        lambda: db.query(application.calls_itself, depth=0),
    ]
    found: list[Exception] = [
        hw.ApplicationError({"code": 1}),
        hw.SchemaMismatchError("x", table="t", documents=[("id", "why")]),
        hw.NewerFormatError("x", found=2, supported=1),
        hw.NotUniqueError("x", ids=["a", "b"]),
        hw.TimeLimitError("x", limit="query_seconds", value=2.0, maximum=1.0),
        hw.UndoConflictError("x", ts=1, later={"a": (2,)}),
        hw.LogTrimmedError("x", ts=1, horizon=2),
        hw.NotReplayableError("x", ts=1, function="f"),
        hw.ImportRefusedError("x", file="f", line=3),
        hw.AlreadyThereError("x"),
        hw.ProjectionTableError("x", table="t", projection="p"),
    ]
    for use in uses:
        with pytest.raises(hw.HeadwaterError) as caught:
            use()
        found.append(caught.value)
    return found


def test_errors_keep_their_facts_across_processes(db, ada) -> None:
    """A worker pool sends what its functions raise by pickle."""
    full = hw.DiskError("full")
    full.errno = 28
    for error in [*made(db, ada), full]:
        copied = pickle.loads(pickle.dumps(error))
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert vars(copied) == vars(error)
        assert getattr(copied, "errno", None) == getattr(error, "errno", None)
