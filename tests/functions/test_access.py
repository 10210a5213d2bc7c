"""Rules per table: what they hide is absent, what they deny raises, and where they do not hold."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
from tests.functions import guarded
from tests.functions.guarded import Notes
from tests.server.asgi import ask

import headwater as hw
from headwater import MutationCtx, QueryCtx, testing

ADA = hw.Identity("ada")
EVA = hw.Identity("eva")


@pytest.fixture
def db():
    with testing.database(guarded) as database:
        yield database


def fill(db, *notes: dict[str, Any]) -> list[str]:
    return db.mutate(guarded.fill, table="notes", documents=list(notes))


def note(owner: str, text: str, **more: Any) -> dict[str, Any]:
    return {"owner": owner, "text": text, **more}


def texts(notes) -> list[str]:
    return [one["text"] for one in notes]


@pytest.fixture
def notes(db) -> list[str]:
    """Ada's are a, c, e; Eva's are b, d, f."""
    return fill(db, *(note(("ada", "eva")[at % 2], "abcdef"[at]) for at in range(6)))


# Reading -----------------------------------------------------------------------------------------


def test_every_verb_reads_what_is_visible(db, notes) -> None:
    with hw.acting_as(ADA):
        seen = db.query(guarded.by_text, low="b")
        assert texts(seen["collect"]) == texts(seen["take"]) == ["c", "e"]
        assert seen["first"]["text"] == "c"
        assert seen["count"] == 2
        assert seen["iterated"] == [notes[2], notes[4]]
        assert seen["filtered"] == ["c", "e"]
        assert seen["normalized"] == notes[2]
        assert texts(db.query(guarded.by_text, low="", order="desc")["take"]) == ["e", "c"]
        assert texts(db.query(guarded.all_notes)) == ["a", "c", "e"]
        assert db.query(guarded.get_note, notes[0]) is not None
        assert db.query(guarded.get_note, notes[1]) is None
        assert db.query(guarded.unique, text="a") is not None
        assert db.query(guarded.unique, text="b") is None
    assert db.query(guarded.all_notes) == []


def test_unique_counts_what_is_visible(db) -> None:
    fill(db, note("ada", "x"), note("eva", "x"), note("eva", "y"), note("eva", "y"))
    with hw.acting_as(ADA):
        found = db.query(guarded.unique, text="x")
        assert found is not None
        assert found["owner"] == "ada"
        assert db.query(guarded.unique, text="y") is None
    with hw.acting_as(EVA), pytest.raises(hw.NotUniqueError):
        db.query(guarded.unique, text="y")


def test_filters_of_the_function_see_no_hidden_document(db, notes) -> None:
    with hw.acting_as(ADA):
        assert db.query(guarded.predicates_see) == ["a", "c", "e"]


def pages(db, count: int) -> list[dict[str, Any]]:
    found, cursor = [], None
    while not found or not found[-1]["isDone"]:
        found.append(db.query(guarded.page, {"numItems": count, "cursor": cursor}))
        cursor = found[-1]["continueCursor"]
    return found


def test_pages_have_the_size_that_was_asked_for(db) -> None:
    fill(db, *(note("ada" if at % 3 == 0 else "eva", f"{at:02}") for at in range(30)))
    with hw.acting_as(ADA):
        found = pages(db, 4)
        assert [len(page["page"]) for page in found] == [4, 4, 2]
        assert [text for page in found for text in texts(page["page"])] == [
            f"{at:02}" for at in range(0, 30, 3)
        ]


def test_pages_are_those_of_a_database_without_the_hidden_documents(db) -> None:
    """Cursors, status and ends too: nothing of a page tells what else there is."""
    fill(db, *(note("ada", f"{at:02}") for at in range(0, 30, 3)))
    with hw.acting_as(ADA):
        before = {count: pages(db, count) for count in range(1, 12)}
        assert db.mutate(guarded.write, note("ada", "98"))
    fill(db, *(note("eva", f"{at:02}") for at in range(40) if at % 3))
    with hw.acting_as(ADA):
        db.mutate(guarded.delete, db.query(guarded.unique, text="98")["_id"])
        assert {count: pages(db, count) for count in range(1, 12)} == before


def test_a_live_page_keeps_its_place_while_documents_become_visible(db) -> None:
    ids = fill(db, *(note("ada" if at % 2 else "eva", str(at)) for at in range(9)))
    with hw.acting_as(ADA):
        live = db.watch(guarded.page, {"numItems": 2, "cursor": None})
    with live:
        assert texts(live.next()["page"]) == ["1", "3"]
        db.transact(lambda tx: tx.patch(ids[2], owner="ada"))
        assert texts(live.next()["page"]) == ["1", "2", "3"]
        db.transact(lambda tx: tx.patch(ids[1], owner="eva"))
        assert texts(live.next()["page"]) == ["2", "3"]


def test_a_live_query_follows_what_its_rules_depend_on(db) -> None:
    fill(db, note("eva", "of the team", team="red"))
    with hw.acting_as(ADA):
        live = db.watch(guarded.all_notes)
    with live:
        assert live.next() == []
        (member,) = db.mutate(
            guarded.fill, table="members", documents=[{"team": "red", "who": "ada"}]
        )
        assert texts(live.next()) == ["of the team"]
        db.transact(lambda tx: tx.delete(member))
        assert live.next() == []


def test_a_change_of_a_hidden_document_tells_nobody(db, notes) -> None:
    with hw.acting_as(ADA), db.watch(guarded.all_notes) as live:
        assert texts(live.next()) == ["a", "c", "e"]
        db.transact(lambda tx: tx.patch(notes[1], text="changed"))
        db.transact(lambda tx: tx.patch(notes[0], text="a2"))
        assert texts(live.next()) == ["a2", "c", "e"]


def test_results_are_cached_for_each_caller(db, notes) -> None:
    db.runner.call("query", guarded.all_notes, (), {}).statistics.took(10.0)
    for who, expected in [(None, ""), (ADA, "ace"), (EVA, "bdf"), (None, "")] * 4:
        with hw.acting_as(who):
            assert "".join(texts(db.query(guarded.all_notes))) == expected


def test_an_internal_query_is_cached_apart_from_its_guarded_runs(db, notes) -> None:
    db.runner.call("query", guarded.all_notes_internal, (), {}).statistics.took(10.0)
    for _ in range(4):
        assert len(db.query(guarded.all_notes_internal)) == 6
        with hw.acting_as(ADA):
            assert len(db.act(guarded.by_action)) == 3
            assert len(db.query(guarded.all_notes_internal)) == 6


# Writing -----------------------------------------------------------------------------------------


def test_a_write_to_a_hidden_document_is_one_to_an_absent_one(db, notes) -> None:
    gone = notes[1]
    writes = [
        lambda id: db.mutate(guarded.patch, id, {"text": "x"}),
        lambda id: db.mutate(guarded.replace, id, note("ada", "x")),
        lambda id: db.mutate(guarded.delete, id),
    ]
    said: list[list[str]] = []
    for _ in range(2):
        said.append([])
        for write in writes:
            with hw.acting_as(ADA), pytest.raises(hw.DocumentNotFoundError) as caught:
                write(gone)
            said[-1].append(str(caught.value))
            assert caught.value.id == gone
        if len(said) == 1:
            db.transact(lambda tx: tx.delete(gone))
    assert said[0] == said[1]


def test_a_write_that_is_denied_raises_and_says_what_it_was(db) -> None:
    with hw.acting_as(EVA):
        db.mutate(guarded.fill, table="members", documents=[{"team": "red", "who": "ada"}])
        id = db.mutate(guarded.write, note("eva", "x", team="red"))
    with hw.acting_as(ADA):
        for verb, write in [
            ("insert", lambda: db.mutate(guarded.write, note("eva", "x"))),
            ("insert", lambda: db.mutate(guarded.write_many, [note("ada", "y"), note("eva", "x")])),
            ("modify", lambda: db.mutate(guarded.patch, id, {"text": "y"})),
            ("modify", lambda: db.mutate(guarded.patch, id, {})),
            ("modify", lambda: db.mutate(guarded.replace, id, note("ada", "y"))),
            ("delete", lambda: db.mutate(guarded.delete, id)),
        ]:
            with pytest.raises(hw.PermissionDeniedError) as caught:
                write()
            assert (caught.value.verb, caught.value.table) == (verb, "notes")
            assert caught.value.id == ("" if verb == "insert" else id)
    assert texts(db.query(guarded.all_notes_internal)) == ["x"]


def test_a_document_cannot_be_given_to_somebody_else_by_the_rule_of_one_document(db) -> None:
    with hw.acting_as(ADA):
        id = db.mutate(guarded.write, note("ada", "x"))
        with pytest.raises(hw.PermissionDeniedError):
            db.mutate(guarded.patch, id, {"owner": "eva"})
        db.mutate(guarded.patch, id, {"text": "y"})
        db.mutate(guarded.replace, id, note("ada", "z"))
        db.mutate(guarded.delete, id)


def test_a_rule_of_two_documents_decides_on_the_change(db) -> None:
    id = db.mutate(guarded.insert_anywhere, table="tickets", document={"state": "open"})
    db.mutate(guarded.patch, id, {"state": "closed"})
    db.mutate(guarded.replace, id, {"state": "open"})
    with pytest.raises(hw.PermissionDeniedError):
        db.mutate(guarded.patch, id, {"state": "lost"})
    with pytest.raises(hw.PermissionDeniedError):
        db.mutate(guarded.delete, id)


def test_what_no_rule_allows_is_denied(db) -> None:
    db.mutate(guarded.fill, table="secrets", documents=[{"text": "s"}])
    assert db.query(guarded.secrets) == []
    with pytest.raises(hw.PermissionDeniedError):
        db.mutate(guarded.insert_anywhere, table="secrets", document={"text": "t"})


def test_rules_see_documents_that_fit_their_type(db) -> None:
    with hw.acting_as(ADA), pytest.raises(hw.DocumentInvalidError):
        db.mutate(guarded.write, {"text": "without owner"})


def test_the_holder_of_a_key_is_named_to_those_who_may_read_it(db) -> None:
    own, other = fill(db, note("ada", "x", key=1), note("eva", "y", key=2))
    with hw.acting_as(ADA):
        with pytest.raises(hw.UniqueViolationError) as caught:
            db.mutate(guarded.write, note("ada", "z", key=1))
        assert caught.value.holder == own
        for write in (
            lambda: db.mutate(guarded.write, note("ada", "z", key=2)),
            lambda: db.mutate(guarded.write_many, [note("ada", "z", key=2)]),
            lambda: db.mutate(guarded.patch, own, {"key": 2}),
            lambda: db.mutate(guarded.replace, own, note("ada", "z", key=2)),
        ):
            with pytest.raises(hw.UniqueViolationError) as caught:
                write()
            assert caught.value.holder == ""
            assert other not in str(caught.value)
            assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
        with pytest.raises(hw.PermissionDeniedError):  # before anybody asks about the key
            db.mutate(guarded.write, note("eva", "z", key=2))


def test_each_document_of_many_sees_those_before_it() -> None:
    class Slot(hw.Document["Slot"]):
        n: int

    class Slots(hw.Table[Slot]):
        pass

    def while_free(ctx: QueryCtx, slot: Slot) -> bool:
        return ctx.db.query(Slots).count() < 2

    @hw.mutation
    def take(ctx: MutationCtx, count: int) -> None:
        ctx.db.insert_many(Slots, [{"n": n} for n in range(count)])

    module = made("slots", Slots=Slots, take=take)
    declare(module, Slots, read=True, insert=while_free)
    with testing.database(module) as db:
        with pytest.raises(hw.PermissionDeniedError):
            db.mutate(take, 3)
        db.mutate(take, 2)


# Where they hold ---------------------------------------------------------------------------------


def test_they_hold_however_a_public_function_is_called(db, notes) -> None:
    with hw.acting_as(ADA):
        calls = [
            db.query(guarded.all_notes),
            db.call("guarded:allNotes"),
            asyncio.run(db.aio.query(guarded.all_notes)),
            asyncio.run(db.aio.call("guarded:allNotes")),
            db.query(guarded.all_notes, at=db.ts),
            db.call("guarded:allNotes", at=db.ts),
            db.query(guarded.nested),
            db.act(guarded.by_action),
            db.call("guarded:byAction"),
            asyncio.run(db.aio.act(guarded.by_action)),
        ]
        with db.snapshot() as snapshot, db.snapshot(at=db.ts) as past:
            calls += [snapshot.run(guarded.all_notes), past.run(guarded.all_notes)]
        with db.watch_all(guarded.all_notes.bind()) as live:
            calls += [live.next()[0]]
    assert [texts(found) for found in calls] == [["a", "c", "e"]] * len(calls)


def test_they_hold_for_what_a_request_reaches() -> None:
    @hw.http_action("/notes")
    async def show(ctx: hw.ActionCtx, request: hw.Request) -> hw.Response:
        found = await ctx.query(guarded.all_notes_internal)
        return hw.Response.json(texts(found))

    module = made("shown", show=show)
    with testing.database(guarded, module) as db:
        fill(db, note("ada", "a"), note("eva", "b"))
        app = db.asgi()
        assert ask(app, "GET", "/notes").json() == []
        with hw.acting_as(ADA):
            assert ask(app, "GET", "/notes").json() == ["a"]


def test_they_do_not_hold_for_the_program_itself(db, notes) -> None:
    calls = [
        db.query(guarded.all_notes_internal),
        db.act(guarded.by_internal_action),
        db.transact(lambda tx: tx.query(Notes).collect()),
    ]
    with db.snapshot() as snapshot:
        calls += [snapshot.query(Notes).collect(), snapshot.run(guarded.all_notes_internal)]
    with db.transaction() as tx:
        calls += [tx.query(Notes).collect()]
        tx.patch(notes[1], text="written")
        assert tx.without_rules() is tx
    with db.watch(guarded.all_notes_internal) as live:
        calls += [live.next()]
    assert [len(found) for found in calls] == [6] * len(calls)


def test_trusted_code_takes_the_way_around(db, notes) -> None:
    assert db.query(guarded.escaped, how="db") == 6
    assert db.query(guarded.escaped, how="ctx") == 6


def test_a_provider_may_take_the_way_around_for_its_functions(db, notes) -> None:
    def trusted(ctx: MutationCtx) -> MutationCtx:
        hw.require(hw.require_identity(ctx).subject == "root", "for root only")
        return ctx.without_rules()

    @hw.custom(hw.mutation, trusted)
    def rename_all(ctx: MutationCtx, text: str) -> int:
        for one in ctx.db.query(Notes).collect():
            ctx.db.patch(one["_id"], text=text)
        return len(guarded.all_notes(ctx))

    with hw.acting_as(hw.Identity("root")):
        assert db.mutate(rename_all, text="same") == 6
    with hw.acting_as(ADA), pytest.raises(hw.PermissionDeniedError, match="for root only"):
        db.mutate(rename_all, text="other")


def test_the_past_is_guarded_with_the_memberships_of_then(db) -> None:
    fill(db, note("eva", "x", team="red"))
    (member,) = db.mutate(guarded.fill, table="members", documents=[{"team": "red", "who": "ada"}])
    then = db.ts
    db.transact(lambda tx: tx.delete(member))
    with hw.acting_as(ADA):
        assert db.query(guarded.all_notes) == []
        assert texts(db.query(guarded.all_notes, at=then)) == ["x"]


def test_a_replayed_call_has_the_rules_that_it_had(db, notes) -> None:
    with hw.acting_as(ADA):
        assert db.mutate(guarded.count_into, "x") == 3
        assert db.act(guarded.count_by_action, "y") == 4
        assert db.mutate(guarded.count_internally, "z") == 8
    for ts in [entry.ts for entry in db.log.read()][-3:]:
        assert db.replay(ts).is_same


# Rules that fail ---------------------------------------------------------------------------------


def test_a_rule_that_raises_fails_the_function(db) -> None:
    fill(db, note("ada", "broken rule"))
    with hw.acting_as(ADA), pytest.raises(ValueError, match="the rule fails") as caught:
        db.query(guarded.all_notes)
    assert caught.value.__notes__ == ["raised by the rule can_read of table 'notes' for read"]


def test_a_rule_says_yes_or_no() -> None:
    for answer in (None, 1, "yes", []):
        module = made("answers", everything=read_everything())
        declare(module, guarded.Notes, read=lambda ctx, document, answer=answer: answer)
        with testing.database(module) as db:
            fill(db, note("ada", "x"))
            with pytest.raises(hw.ReturnValueError, match="expected True or False"):
                db.query(module.everything)


def read_everything() -> Any:
    @hw.query
    def everything(ctx: QueryCtx) -> list[Any]:
        return ctx.db.query("notes").collect()

    return everything


def test_a_rule_reads_and_does_not_write() -> None:
    module = made("writing", everything=read_everything())

    def writes(ctx: Any, document: Any) -> bool:
        ctx.db.insert("notes", {})
        return True

    declare(module, guarded.Notes, read=writes)
    with testing.database(module) as db:
        fill(db, note("ada", "x"))
        with pytest.raises(hw.WriteInQueryError):
            db.query(module.everything)


def test_documents_that_rules_skip_count_as_read(db) -> None:
    fill(db, *(note("eva", "x") for _ in range(30)))
    with testing.database(guarded, limits=hw.Limits(documents_read=20)) as small:
        small.mutate(guarded.fill, table="notes", documents=[note("eva", "x")] * 30)
        with hw.acting_as(ADA), pytest.raises(hw.LimitExceededError, match="documents_read"):
            small.query(guarded.all_notes)


def test_a_rule_may_call_functions_which_read_without_rules() -> None:
    def among_few(ctx: QueryCtx, one: Any) -> bool:
        return len(everything(ctx)) < 3

    everything = read_everything()
    module = made("few", everything=everything)
    declare(module, guarded.Notes, read=among_few)
    with testing.database(module) as db:
        fill(db, note("ada", "x"), note("eva", "y"))
        assert len(db.query(everything)) == 2
        fill(db, note("eva", "z"))
        assert db.query(everything) == []


# Tables without rules ----------------------------------------------------------------------------


def test_tables_without_rules_are_open_by_default(db) -> None:
    id = db.mutate(guarded.insert_anywhere, table="loose", document={"a": 1})
    assert len(db.query(guarded.read_anywhere, table="loose")) == 1
    assert db.query(guarded.get_anything, id) is not None
    assert db.query(guarded.read_anywhere, table="_tables") != []


def test_deny_closes_tables_without_rules_to_public_functions() -> None:
    with testing.database(guarded, default_access="deny") as db:
        (id,) = db.mutate(guarded.fill, table="loose", documents=[{"a": 1}])
        assert db.query(guarded.read_anywhere, table="loose") == []
        assert db.query(guarded.read_anywhere, table="_tables") == []
        assert db.query(guarded.get_anything, id) is None
        for write in (
            lambda: db.mutate(guarded.patch, id, {"a": 2}),
            lambda: db.mutate(guarded.delete, id),
        ):
            with pytest.raises(hw.DocumentNotFoundError):
                write()
        with pytest.raises(hw.PermissionDeniedError, match="default_access='deny'"):
            db.mutate(guarded.insert_anywhere, table="loose", document={"a": 1})
        assert db.transact(lambda tx: tx.query("loose").count()) == 1
        with hw.acting_as(ADA):
            db.mutate(guarded.write, note("ada", "x"))
            assert texts(db.query(guarded.all_notes)) == ["x"]


def test_a_table_that_a_mutation_makes_is_guarded_at_once(db) -> None:
    @hw.mutation
    def make(ctx: MutationCtx) -> bool:
        id = ctx.db.insert(Notes, {"owner": guarded.me(ctx), "text": "x"})
        return ctx.db.get(id) is not None

    with hw.acting_as(ADA):
        assert db.mutate(make)
    assert db.query(guarded.all_notes) == []


# Declarations ------------------------------------------------------------------------------------


def made(name: str, **content: Any) -> Any:
    module = ModuleType(name)
    vars(module).update(content)
    return module


def declare(module: Any, table: Any, **rules: Any) -> None:
    """Declare rules as if a statement of the module did."""
    vars(module).update(hw=hw, table=table, given=rules)
    exec("hw.rules(table, **given)", vars(module))


def test_rules_count_in_the_module_that_declares_them() -> None:
    plain, other = made("plain", everything=read_everything()), made("other")
    declare(other, guarded.Notes, read=False)
    with testing.database(plain) as db:
        fill(db, note("ada", "x"))
        assert len(db.query(plain.everything)) == 1
    with testing.database(plain, other) as db:
        fill(db, note("ada", "x"))
        assert db.query(plain.everything) == []
        assert db.application.access.rules["notes"].module == "other"
    with pytest.raises(hw.DeclarationError, match="'notes' are declared in guarded and in other"):
        testing.database(guarded_as("guarded"), other)
    declare(other, guarded.Notes, read=True)  # as when the module is loaded again
    with testing.database(plain, other) as db:
        fill(db, note("ada", "x"))
        assert len(db.query(plain.everything)) == 1


def guarded_as(name: str) -> Any:
    module = made(name)
    declare(module, guarded.Notes, read=True)
    return module


async def waits(ctx: Any, document: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"read": 5}, "'notes': read=5: expected a function of a context and a document, or bool"),
        ({"read": waits}, "read=waits: expected a plain def that returns a bool"),
        ({"read": lambda ctx: True}, r"expected a function that takes \(ctx, document\)"),
        ({"insert": lambda a, b, c: True}, r"insert=.*takes \(ctx, document\)"),
        ({"modify": lambda a, b, c, d: True}, r"takes \(ctx, old\) or \(ctx, old, new\)"),
        ({"modify": lambda a, b, c: True}, "say who may delete: delete="),
        ({"delete": lambda a, b, c: True}, r"delete=.*takes \(ctx, document\)"),
    ],
)
def test_rules_that_cannot_work(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(hw.DeclarationError, match=said):
        declare(made("wrong"), guarded.Notes, **rules)


def test_rules_for_something_that_is_no_table() -> None:
    with pytest.raises(hw.DeclarationError, match=r"expected the class of a table"):
        declare(made("wrong"), "notes", read=True)
    with pytest.raises(hw.DeclarationError, match="expected 'allow' or 'deny'"):
        testing.database(default_access="closed")  # type: ignore[arg-type]


def test_a_directory_is_open_with_one_choice(tmp_path) -> None:
    with hw.open(tmp_path / "a.hw", modules=[guarded], default_access="deny") as db:
        assert db.application.access.default == "deny"
        with hw.open(tmp_path / "a.hw"):
            pass
        with pytest.raises(hw.AlreadyOpenError, match="default_access"):
            hw.open(tmp_path / "a.hw", default_access="allow")


# Functions ---------------------------------------------------------------------------------------


def test_require_lets_nothing_be_written(db) -> None:
    @hw.mutation
    def publish(ctx: MutationCtx, text: str) -> None:
        hw.require_identity(ctx)
        ctx.db.insert("loose", {"text": text})
        hw.require(text != "spam", "no spam", code="spam")
        hw.require(text)

    db.transact(lambda tx: tx.insert("loose", {"text": "first"}))
    with pytest.raises(hw.NotSignedInError):
        db.mutate(publish, text="x")
    with hw.acting_as(ADA):
        db.mutate(publish, text="x")
        with pytest.raises(PermissionError, match="no spam") as caught:
            db.mutate(publish, text="spam")
        assert isinstance(caught.value, hw.PermissionDeniedError)
        assert caught.value.code == "spam"
        with pytest.raises(hw.PermissionDeniedError, match="this is not allowed") as caught:
            db.mutate(publish, text="")
        assert caught.value.code == hw.PermissionDeniedError.code == "permission_denied"
    assert texts(db.query(guarded.read_anywhere, table="loose")) == ["first", "x"]
