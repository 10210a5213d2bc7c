"""What a caller reads who called a function wrongly, or wrote one wrongly."""

import datetime as dt

import pytest
from tests.errors import application
from tests.errors.application import (
    RETURNED,
    create_user,
    insert,
    messages_saying,
    page,
    returns,
    returns_wrongly,
    send,
    users,
    waits,
    writes,
)

import headwater as hw

DATETIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
NOT_A_DATETIME = (
    "a datetime.datetime cannot be stored; store value.timestamp() * 1000, ms since the epoch as "
    "a float"
)


def test_a_misspelt_argument_is_named_with_the_missing_one(db, ada, said) -> None:
    expected = (
        "application:send: unknown argument 'authr' - did you mean 'author'? (and 'author' is "
        "missing)"
    )
    assert said(hw.ArgumentError, lambda: db.mutate(send, authr=ada, body="x")) == expected
    by_path = {"authr": ada, "body": "x"}
    assert said(hw.ArgumentError, lambda: db.call("application:send", by_path)) == expected


def test_missing_arguments_are_all_named(db, said) -> None:
    assert said(hw.ArgumentError, lambda: db.mutate(send)) == (
        "application:send: missing argument 'author', 'body'"
    )


def test_an_argument_of_the_wrong_type(db, ada, said) -> None:
    assert said(hw.ArgumentError, lambda: db.mutate(send, author=ada, body=3)) == (
        "application:send: argument 'body': expected str, got 3 (int)"
    )
    assert said(hw.ArgumentError, lambda: db.query(messages_saying, body="x", count=0)) == (
        "application:messagesSaying: argument 'count': expected int (>= 1), got 0 (int)"
    )


def test_an_id_of_another_table_says_of_which(db, message, said) -> None:
    assert said(hw.ArgumentError, lambda: db.mutate(send, author=message, body="x")) == (
        "application:send: argument 'author': expected an id of table 'users', got an id of table "
        f"'messages' ('{message}')"
    )


def test_a_string_that_is_no_id(db, said) -> None:
    assert said(hw.ArgumentError, lambda: db.mutate(send, author="Ada", body="x")) == (
        "application:send: argument 'author': expected an id of table 'users', got 'Ada' (str), "
        "which is no id"
    )


def test_a_datetime_as_an_argument_says_where_and_what_to_use(db, ada, said) -> None:
    assert said(hw.ArgumentError, lambda: db.mutate(send, author=ada, body=DATETIME)) == (
        f"application:send: argument 'body': expected str; {NOT_A_DATETIME}"
    )
    nested = {"messages": [{}, {}, {}, {"sent_at": DATETIME}]}
    with pytest.raises(hw.ArgumentError) as caught:
        db.mutate(send, author=ada, body="x", extra=nested)
    assert str(caught.value) == (
        f"application:send: argument 'extra.messages[3].sent_at': {NOT_A_DATETIME}"
    )
    assert caught.value.path == "extra.messages[3].sent_at"
    assert caught.value.function == "application:send"


def test_an_unknown_function_is_answered_with_the_nearest_one(db, said) -> None:
    assert said(hw.FunctionNotFoundError, lambda: db.call("application:sned")) == (
        "no function 'application:sned'; did you mean 'application:send'?"
    )
    text = said(hw.FunctionNotFoundError, lambda: db.call("zzz"))
    assert text.startswith(
        "no function 'zzz'; there are application:allMessages, application:callsAMutation, "
    )
    assert text.endswith(" more")


def test_a_query_called_as_a_mutation_and_the_other_way_round(db, said) -> None:
    assert said(hw.FunctionKindError, lambda: db.mutate(users)) == (
        "application:users is a query, expected a mutation; use db.query(users, ...)"
    )
    for verb in (db.query, db.watch):
        assert said(hw.FunctionKindError, lambda verb=verb: verb(create_user, name="x")) == (
            "application:createUser is a mutation, expected a query; use db.mutate(create_user, "
            "...)"
        )


def test_what_is_no_function_at_all(db, said) -> None:
    assert said(hw.FunctionKindError, lambda: db.mutate("application:send")) == (
        "expected a function declared with @hw.mutation, got 'application:send'; a path is called "
        "with db.call()"
    )


def test_an_internal_function_called_from_outside(db, said) -> None:
    assert said(hw.FunctionInternalError, lambda: db.call("application:secret")) == (
        "application:secret is internal: it is called by other functions, not from outside; call "
        "a public function that uses it, or declare it without internal=True"
    )


@pytest.mark.parametrize(
    "verb",
    [
        *("insert", "patch", "replace", "delete"),
        *("insert_many", "patch_many", "delete_many", "patch_where", "delete_where"),
    ],
)
def test_a_write_in_a_query(db, said, verb) -> None:
    assert said(hw.WriteInQueryError, lambda: db.query(writes, verb=verb)) == (
        f"application:writes is a query, it cannot {verb}. Make it a mutation (@hw.mutation), or "
        f"move the {verb} into one"
    )


def test_a_write_through_a_snapshot(db, ada, said) -> None:
    with db.snapshot() as snapshot:
        assert said(hw.WriteInQueryError, lambda: snapshot.delete(ada)) == (
            "a snapshot only reads, it cannot delete. Write in a mutation, db.transact() or "
            "db.transaction()"
        )


def test_a_query_that_calls_a_mutation(db, said) -> None:
    assert said(hw.FunctionKindError, lambda: db.query(application.calls_a_mutation)) == (
        "application:callsAMutation is a query, it cannot call the mutation "
        "application:createUser. Make it a mutation, or call both from one"
    )


def test_input_and_output_in_a_mutation_says_what_was_called_and_where_it_belongs(db, said) -> None:
    text = said(hw.ImpureFunctionError, lambda: db.mutate(application.opens_a_file))
    assert text.startswith(
        "application:opensAFile is a mutation and opened a file (open '/etc/hostname') at "
        f"{application.__file__}:"
    )
    advice = (
        "It may run several times and must not do I/O: do it in an action, or before calling, and "
        "pass the result in as an argument"
    )
    assert text.endswith(advice)
    text = said(hw.ImpureFunctionError, lambda: db.mutate(application.makes_a_socket))
    assert text.startswith("application:makesASocket is a mutation and made a socket (socket.__ne")
    assert text.endswith(advice)
    text = said(hw.ImpureFunctionError, lambda: db.query(application.starts_a_process))
    assert text.startswith("application:startsAProcess is a query and ")
    assert text.endswith(advice)


def test_a_document_that_is_no_dict(db, said) -> None:
    text = "notes: a document is [1, 2] (list), expected a dict of its fields"
    note = db.transact(lambda tx: tx.insert("notes", {"a": 1}))
    for write in (
        lambda tx: tx.insert("notes", [1, 2]),
        lambda tx: tx.insert_many("notes", [[1, 2]]),
        lambda tx: tx.replace(note, [1, 2]),
    ):
        assert said(hw.DocumentInvalidError, lambda write=write: db.transact(write)) == text


def test_a_function_that_waits_for_time(db, said) -> None:
    text = said(hw.ImpureFunctionError, lambda: db.mutate(waits, seconds=1.0))
    assert text.startswith("application:waits awaited something that is not ready.")


def test_a_function_that_really_waits(db, said) -> None:
    assert said(hw.ImpureFunctionError, lambda: db.mutate(waits, seconds=0.0)) == (
        "application:waits awaited something that is not ready. A query or mutation may run "
        "several times and must not wait: do that in an action, or before calling, and pass the "
        "result in"
    )


def test_a_function_that_uses_the_database_itself(db, said) -> None:
    RETURNED["db"] = db
    assert said(hw.UsageError, lambda: db.mutate(application.uses_the_database)) == (
        "application:usesTheDatabase used the database itself instead of its context: inside a "
        "query or mutation, read and write with ctx.db, and call other functions as "
        "function(ctx, ...), so that all of it is one transaction"
    )


def test_a_bad_return_value_says_where_it_is_wrong(db, said) -> None:
    assert said(hw.ReturnValueError, lambda: db.query(returns_wrongly)) == (
        "application:returnsWrongly: result[1]: expected str, got 3 (int)"
    )
    RETURNED["deep"] = {"at": [DATETIME]}
    assert said(hw.ReturnValueError, lambda: db.query(returns, what="deep")) == (
        f"application:returns: result.at[0]: {NOT_A_DATETIME}"
    )


def test_what_the_application_refuses_comes_with_its_data() -> None:
    error = hw.ApplicationError({"code": "FULL"})
    assert str(error) == "the application refused: {'code': 'FULL'}"
    assert error.data == {"code": "FULL"}


def test_a_cursor_that_is_none_or_of_another_query(db, message, said) -> None:
    def at(cursor):
        return lambda: db.query(page, opts={"numItems": 1, "cursor": cursor})

    assert said(hw.InvalidCursorError, at("zzz")) == (
        "InvalidCursor: 'zzz' is no cursor; pass the continueCursor of the page before, or None "
        "for the first page"
    )
    foreign = db.transact(
        lambda tx: tx.query("users").paginate({"numItems": 1, "cursor": None})["continueCursor"]
    )
    assert said(hw.InvalidCursorError, at(foreign)) == (
        "InvalidCursor: this cursor belongs to another query (table, index, bounds and order have "
        "to be the same for every page); begin again with cursor None"
    )


def test_a_page_of_nothing(db, said) -> None:
    opts = {"numItems": 0, "cursor": None}
    assert said(hw.UsageError, lambda: db.query(page, opts=opts)) == (
        "paginate: numItems is 0, expected a whole number above 0"
    )


def test_a_call_that_passes_a_document_of_no_table(db, said) -> None:
    assert said(hw.DeclarationError, lambda: db.mutate(insert, table="no table", document={})) == (
        "'no table' cannot be the name of a table: expected a letter, then letters, digits and "
        "underscores, 64 at most"
    )
