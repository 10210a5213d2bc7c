"""References behind rules: what is hidden from the caller is as if it were not there."""

import sys
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, NotRequired

import pytest

import headwater as hw
from headwater import Document, Id, MutationCtx, Table
from headwater.testing import database
from headwater.testing.database import ThrowAwayDatabase


class Room(Document["Room"]):
    is_open: bool


class Rooms(Table[Room]):
    pass


class Note(Document["Note"]):
    is_open: bool
    room: NotRequired[Annotated[Id[Room], hw.references(on_delete="cascade")]]
    origin: NotRequired[Annotated[Id[Room], hw.references(on_delete="set_missing")]]


class Notes(Table[Note]):
    pass


class Pin(Document["Pin"]):
    is_open: bool
    note: Annotated[Id[Note], hw.references(on_delete="restrict")]


class Pins(Table[Pin]):
    pass


def is_open(ctx: hw.QueryCtx, document: Any) -> bool:
    return document["is_open"]


for _table in (Rooms, Notes, Pins):
    hw.rules(_table, read=is_open, insert=True, modify=True)


@hw.mutation
def write(ctx: MutationCtx, fields: dict[str, Any]) -> Id[Note]:
    return ctx.db.insert(Notes, {"is_open": True, **fields})


@hw.mutation
def write_many(ctx: MutationCtx, fields: dict[str, Any]) -> list[Id[Note]]:
    return ctx.db.insert_many(Notes, [{"is_open": True}, {"is_open": True, **fields}])


@hw.mutation
def change(ctx: MutationCtx, note: Id[Note], fields: dict[str, Any]) -> None:
    ctx.db.patch(note, fields)


@hw.mutation
def delete(ctx: MutationCtx, id: str) -> None:
    ctx.db.delete(hw.Id[Any](id))


@hw.query
def notes_in(ctx: hw.QueryCtx, room: Id[Room]) -> list[Id[Note]]:
    return [note["_id"] for note in ctx.db.referring(Notes, room, by="room")]


@hw.query
def pinned(ctx: hw.QueryCtx, count: int) -> list[Id[Note]]:
    notes = ctx.db.query(Pins).follow(lambda pin: pin["note"])
    options: hw.PaginationOptions = {"numItems": count, "cursor": None}
    page = [note["_id"] for note in notes.paginate(options)["page"]]
    assert page == [note["_id"] for note in notes.take(count)]
    assert page == [note["_id"] for note in notes][:count]
    return page


@pytest.fixture
def db() -> Iterator[ThrowAwayDatabase]:
    with database(sys.modules[__name__]) as opened:
        yield opened


def insert(db: ThrowAwayDatabase, table: type[Table[Any]], **fields: Any) -> str:
    return db.transact(lambda tx: tx.insert(table, {"is_open": True, **fields}))


def outcome(action: Any, names: dict[str, str]) -> str:
    """What somebody sees of a call: its error, with the ids that he gave himself left out."""
    try:
        action()
    except hw.HeadwaterError as error:
        told = f"{type(error).__name__} {error} {sorted(vars(error).items())!r}"
        for id, name in names.items():
            told = told.replace(id, name)
        return told
    return "done"


@pytest.mark.parametrize("verb", ["write", "write_many", "change"])
def test_a_reference_to_a_hidden_document_is_one_to_an_absent_one(
    db: ThrowAwayDatabase, verb: str
) -> None:
    shown, hidden = insert(db, Rooms), insert(db, Rooms, is_open=False)
    absent = insert(db, Rooms)
    db.transact(lambda tx: tx.delete(hw.Id[Any](absent)))
    note = insert(db, Notes)

    def told(room: str, origin: str) -> str:
        fields = {"room": room, "origin": origin}
        call: Any = {
            "write": lambda: db.mutate(write, fields),
            "write_many": lambda: db.mutate(write_many, fields),
            "change": lambda: db.mutate(change, hw.Id[Note](note), fields),
        }[verb]
        return outcome(call, {hidden: "ID", absent: "ID", shown: "SHOWN"})

    refused = 0
    for room, origin in product([shown, hidden], repeat=2):
        other = [absent if id == hidden else id for id in (room, origin)]
        assert told(room, origin) == told(*other)
        refused += "DanglingReferenceError" in told(room, origin)
    assert refused == 3
    assert len({told(room, origin) for room, origin in product([hidden, absent], repeat=2)}) == 1


def test_what_a_document_names_already_may_have_become_hidden(db: ThrowAwayDatabase) -> None:
    room = insert(db, Rooms)
    note = hw.Id[Note](db.mutate(write, {"room": room}))
    db.transact(lambda tx: tx.patch(hw.Id[Room](room), is_open=False))
    db.mutate(change, note, {"room": room, "is_open": True})
    with pytest.raises(hw.DanglingReferenceError):
        db.mutate(change, note, {"origin": room})


def test_what_holds_a_document_is_named_as_far_as_it_is_shown(db: ThrowAwayDatabase) -> None:
    note = insert(db, Notes)
    hidden = [insert(db, Pins, note=note, is_open=False) for _ in range(2)]
    with pytest.raises(hw.ReferencedError) as refused:
        db.mutate(delete, note)
    assert (refused.value.id, refused.value.children) == (note, ())
    assert not any(id in str(refused.value) for id in hidden)
    assert (refused.value.__cause__, refused.value.__suppress_context__) == (None, True)
    shown = insert(db, Pins, note=note)
    with pytest.raises(hw.ReferencedError) as refused:
        db.mutate(delete, note)
    assert refused.value.children == (shown,)
    db.transact(lambda tx: [tx.delete(hw.Id[Any](id)) for id in hidden])
    with pytest.raises(hw.ReferencedError, match=shown) as refused:
        db.mutate(delete, note)
    assert refused.value.children == (shown,)


def test_a_hidden_document_that_stands_in_the_way_is_not_named(db: ThrowAwayDatabase) -> None:
    room = insert(db, Rooms)
    note = insert(db, Notes, room=room, is_open=False)
    pin = insert(db, Pins, note=note)
    with pytest.raises(hw.ReferencedError) as refused:
        db.mutate(delete, room)
    assert note not in str(refused.value)
    assert (refused.value.id, refused.value.children) == (room, (pin,))
    db.transact(lambda tx: tx.patch(hw.Id[Note](note), is_open=True))
    with pytest.raises(hw.ReferencedError, match=note) as refused:
        db.mutate(delete, room)
    assert refused.value.id == note


def test_a_cascade_reaches_what_is_hidden(db: ThrowAwayDatabase) -> None:
    """That a document hangs on another one is not the caller's to know."""
    room = insert(db, Rooms)
    note = insert(db, Notes, room=room, is_open=False)
    other = insert(db, Notes, origin=room, is_open=False)
    db.mutate(delete, room)
    assert db.get(hw.Id[Note](note)) is None
    assert "origin" not in (db.get(hw.Id[Note](other)) or {"origin"})
    assert db.verify() == []


# Walking ----------------------------------------------------------------------------------------


def test_who_refers_to_a_document_is_found_as_far_as_it_is_shown(db: ThrowAwayDatabase) -> None:
    room = hw.Id[Room](insert(db, Rooms, is_open=False))
    shown = [insert(db, Notes, room=room, is_open=at % 2 == 0) for at in range(4)][::2]
    assert db.query(notes_in, room=room) == shown


def test_what_is_followed_skips_what_is_hidden_and_goes_on(db: ThrowAwayDatabase) -> None:
    notes = [insert(db, Notes, is_open=at % 3 != 0) for at in range(9)]
    for at, note in enumerate(notes):
        insert(db, Pins, note=note, is_open=at != 4)
    shown = [note for at, note in enumerate(notes) if at % 3 and at != 4]
    for count in range(1, 7):
        assert db.query(pinned, count=count) == shown[:count]
    with db.snapshot() as s:
        everything = [note["_id"] for note in s.query(Pins).follow(lambda pin: pin["note"])]
        assert everything == notes
