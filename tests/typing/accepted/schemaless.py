"""Tables that no module declares, by name."""

from typing import Any, assert_type

from headwater import Id, MutationCtx, QueryCtx, TableQuery


def read(ctx: QueryCtx) -> list[dict[str, Any]]:
    notes = ctx.db.query("notes")
    assert_type(notes, TableQuery[dict[str, Any]])
    assert_type(ctx.db.normalize_id("notes", "x"), Id[Any] | None)
    first = notes.with_index("by_day", "Monday", gt=3).order("desc").first()
    assert_type(first, dict[str, Any] | None)
    return notes.filter(lambda note: note["done"] is False).collect()


def write(ctx: MutationCtx) -> Id[Any]:
    note = ctx.db.insert("notes", {"title": "buy milk", "tags": ["home", 3, None]})
    ctx.db.patch(note, done=True)
    found = ctx.db.get(note)
    print(found["title"] if found else "gone")
    assert_type(ctx.db.insert_many("notes", ({"n": n} for n in range(3))), list[Id[Any]])
    return note
