"""What a writer reads whose document cannot be stored, or is not there."""

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid

import pytest
from tests.errors.application import Users, create_user, insert, rename

import headwater as hw


@dataclasses.dataclass
class Point:
    x: int


class Color(enum.Enum):
    RED = 1


ADVICE = [
    (
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        (
            "a datetime.datetime cannot be stored; store value.timestamp() * 1000, ms since the "
            "epoch as a float"
        ),
    ),
    (
        dt.date(2026, 1, 2),
        "a datetime.date cannot be stored; store value.isoformat(), which sorts by date",
    ),
    (
        dt.timedelta(1),
        "a datetime.timedelta cannot be stored; store value.total_seconds() * 1000, ms as a float",
    ),
    (
        decimal.Decimal("1.5"),
        (
            "a decimal.Decimal cannot be stored; store str(value), or an int of minor units such "
            "as cents"
        ),
    ),
    (uuid.UUID(int=1), "a uuid.UUID cannot be stored; store str(value)"),
    (pathlib.PurePosixPath("x"), "a pathlib.PurePosixPath cannot be stored; store str(value)"),
    ({1}, "a set cannot be stored; store sorted(value) or list(value)"),
    ((1, 2), "a tuple cannot be stored; store list(value)"),
    (bytearray(b"x"), "a bytearray cannot be stored; store bytes(value)"),
    (1j, "a complex cannot be stored; store [value.real, value.imag]"),
    (
        object(),
        (
            "an object cannot be stored; store None, a bool, int, float, str, bytes, list or dict "
            "made from it"
        ),
    ),
    (
        2**63,
        (
            "the int 9223372036854775808 is outside the signed 64-bit range -9223372036854775808 "
            "to 9223372036854775807; store str(value), or float(value) if that is exact enough"
        ),
    ),
    (
        "\ud800",
        (
            "the str '\\ud800' has a lone surrogate at position 0, which UTF-8 cannot hold; store "
            "bytes, or value.encode('utf-8', 'replace').decode()"
        ),
    ),
]


@pytest.mark.parametrize(("value", "advice"), ADVICE)
def test_what_cannot_be_stored_says_where_what_and_what_instead(db, value, advice) -> None:
    document = {"messages": [1, 2, 3, {"sent_at": value}]}
    with pytest.raises(hw.ValueNotStorableError) as caught:
        db.transact(lambda tx: tx.insert("notes", document))
    assert str(caught.value) == f"notes (insert): messages[3].sent_at: {advice}"
    assert caught.value.path == "messages[3].sent_at"
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Point(1), "dataclasses.asdict(value)"),
        (Color.RED, "store value.value"),
    ],
)
def test_objects_with_an_obvious_form_get_it_as_advice(db, said, value, words) -> None:
    text = said(
        hw.ValueNotStorableError, lambda: db.transact(lambda tx: tx.insert("n", {"a": value}))
    )
    assert text.startswith("n (insert): a: a ")
    assert words in text


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"a": {1: 2}}, "a[1]: the key 1 is of type int, and keys are str; use str(key)"),
        (
            {"a": {"$x": 2}},
            "a['$x']: the key '$x' starts with '$', which is reserved; rename it",
        ),
        (
            {"_note": 1},
            (
                "_note: field names that start with '_' are reserved for the database; rename it, "
                "or leave '_note' out of what you write if it came with a document that was read"
            ),
        ),
    ],
)
def test_keys_that_cannot_be_stored(db, said, document, problem) -> None:
    assert said(
        hw.ValueNotStorableError, lambda: db.transact(lambda tx: tx.insert("notes", document))
    ) == (f"notes (insert): {problem}")


def test_a_document_with_a_misspelt_and_a_missing_field(db, said) -> None:
    assert said(
        hw.DocumentInvalidError,
        lambda: db.mutate(insert, table="users", document={"nmae": "Ada"}),
    ) == ("users (insert): unknown field 'nmae' - did you mean 'name'? (and 'name' is missing)")


def test_a_patch_that_does_not_fit_names_the_document(db, ada) -> None:
    with pytest.raises(hw.DocumentInvalidError) as caught:
        db.transact(lambda tx: tx.patch(ada, name=3))
    assert str(caught.value) == f"users ({ada}): name: expected str, got 3 (int)"
    assert (caught.value.table, caught.value.path) == ("users", "name")
    with pytest.raises(hw.DocumentInvalidError) as caught:
        db.transact(lambda tx: tx.patch(ada, emial="x"))
    assert str(caught.value) == (f"users ({ada}): unknown field 'emial' - did you mean 'email'?")


def test_a_field_that_is_an_id_of_another_table(db, message, said) -> None:
    document = {"author": message, "body": "x"}
    assert said(
        hw.DocumentInvalidError, lambda: db.mutate(insert, table="messages", document=document)
    ) == (
        "messages (insert): author: expected an id of table 'users', got an id of table "
        f"'messages' ('{message}')"
    )


def test_a_unique_index_says_which_document_holds_the_key(db, ada) -> None:
    for use in (
        lambda: db.mutate(create_user, name="Ada"),
        lambda: db.mutate(rename, user=db.mutate(create_user, name="Bob"), name="Ada"),
    ):
        with pytest.raises(hw.UniqueViolationError) as caught:
            use()
        assert str(caught.value) == (
            f"users.by_name is unique, and document {ada} already holds name='Ada'; patch that "
            "document, or choose another key"
        )
        error = caught.value
        assert (error.table, error.index, error.key) == ("users", "by_name", ("Ada",))
        assert error.holder == ada


@pytest.mark.parametrize("verb", ["patch", "replace", "delete"])
def test_a_write_to_no_such_document(db, ada, verb) -> None:
    db.transact(lambda tx: tx.delete(ada))
    more = () if verb == "delete" else ({"name": "x"},)
    with pytest.raises(hw.DocumentNotFoundError) as caught:
        db.transact(lambda tx: getattr(tx, verb)(ada, *more))
    assert str(caught.value) == (
        f"cannot {verb} '{ada}': there is no such document in 'users'; it was deleted, or never "
        "committed"
    )
    assert caught.value.id == ada


def test_what_is_no_id(db, said) -> None:
    with db.snapshot() as snapshot:
        assert said(hw.InvalidIdError, lambda: snapshot.get("abc")) == (
            "'abc' (str) is no document id: 'abc' is no id: it has 3 characters instead of 31, "
            "32, 34, 36 or 37; expected the _id of a document"
        )
        for wrong in (None, 3):
            assert said(hw.InvalidIdError, lambda wrong=wrong: snapshot.get(wrong)) == (
                f"{wrong!r} ({type(wrong).__name__}) is no document id: ids are strings of "
                "lower-case letters and digits; expected the _id of a document"
            )
    assert said(hw.InvalidIdError, lambda: db.history("abc")) == (
        "'abc' is no id: it has 3 characters instead of 31, 32, 34, 36 or 37; expected the _id of "
        "a document"
    )


def test_an_id_that_one_may_not_write_to(db, said) -> None:
    (table, *_) = db._store.catalog.user_tables()
    assert said(hw.InvalidIdError, lambda: db.transact(lambda tx: tx.delete(table.id))) == (
        f"'{table.id}' is an id of a system table, expected one of a table you may write to"
    )


def test_several_where_one_was_expected(db, said) -> None:
    ids = [db.mutate(create_user, name=name) for name in ("Ada", "Bob")]
    with db.snapshot() as snapshot, pytest.raises(hw.NotUniqueError) as caught:
        snapshot.query(Users).unique()
    assert str(caught.value) == (
        f"unique() found more than one document in 'users': {ids[0]}, {ids[1]}; use first() or "
        "take(), or declare the index with unique=True"
    )
    assert caught.value.ids == tuple(ids)
