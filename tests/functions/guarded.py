"""An application with rules: notes of owners and teams, unique keys, and a closed table."""

from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, SyncActionCtx, Table


class Member(Document["Member"]):
    team: str
    who: str


class Members(Table[Member]):
    by_team = Index("team", "who")


class Note(Document["Note"]):
    owner: str
    text: str
    team: NotRequired[str]
    key: NotRequired[int]
    state: NotRequired[str]


class Notes(Table[Note]):
    by_owner = Index("owner")
    by_text = Index("text")
    by_key = Index("key", unique=True)


class Secret(Document["Secret"]):
    text: str


class Secrets(Table[Secret]):
    pass


class Ticket(Document["Ticket"]):
    state: str


class Tickets(Table[Ticket]):
    pass


def me(ctx: QueryCtx) -> str:
    return "" if ctx.identity is None else ctx.identity.subject


def is_member(ctx: QueryCtx, team: str) -> bool:
    found = ctx.db.query(Members).with_index(Members.by_team, team, me(ctx))
    return found.first() is not None


def can_read(ctx: QueryCtx, note: Note) -> bool:
    if note["text"] == "broken rule":
        raise ValueError("the rule fails")
    return note["owner"] == me(ctx) or ("team" in note and is_member(ctx, note["team"]))


def is_own(ctx: QueryCtx, note: Note) -> bool:
    return note["owner"] == me(ctx)


def moves_on(ctx: QueryCtx, old: Ticket, new: Ticket) -> bool:
    return (old["state"], new["state"]) in (("open", "closed"), ("closed", "open"))


hw.rules(Notes, read=can_read, insert=is_own, modify=is_own)
hw.rules(Secrets)
hw.rules(Tickets, read=True, insert=True, modify=moves_on, delete=False)


@hw.query
def all_notes(ctx: QueryCtx) -> list[Note]:
    return ctx.db.query(Notes).collect()


@hw.query(internal=True)
def all_notes_internal(ctx: QueryCtx) -> list[Note]:
    return ctx.db.query(Notes).collect()


@hw.query
def nested(ctx: QueryCtx) -> list[Note]:
    return all_notes_internal(ctx)


@hw.query
def escaped(ctx: QueryCtx, how: str) -> int:
    if how == "db":
        return ctx.db.without_rules().query(Notes).count()
    return len(all_notes_internal(ctx.without_rules()))


@hw.action
def by_action(ctx: SyncActionCtx) -> list[Note]:
    return ctx.query(all_notes_internal)


@hw.action(internal=True)
def by_internal_action(ctx: SyncActionCtx) -> list[Note]:
    return ctx.query(all_notes_internal)


@hw.query
def get_note(ctx: QueryCtx, id: Id[Note]) -> Note | None:
    return ctx.db.get(id)


@hw.query
def by_text(ctx: QueryCtx, low: str, order: str = "asc") -> dict[str, Any]:
    def query() -> Any:
        ordered: Any = order
        return ctx.db.query(Notes).with_index(Notes.by_text, gte=low).order(ordered)

    first = query().first()
    return {
        "collect": query().collect(),
        "take": query().take(2),
        "first": first,
        "count": query().count(),
        "iterated": [note["_id"] for note in query()],
        "filtered": [note["text"] for note in query().filter(lambda note: note["text"] != "b")],
        "normalized": ctx.db.normalize_id(Notes, first["_id"]) if first else None,
    }


@hw.query
def unique(ctx: QueryCtx, text: str) -> Note | None:
    return ctx.db.query(Notes).with_index(Notes.by_text, text).unique()


@hw.query
def page(ctx: QueryCtx, options: hw.PaginationOptions) -> hw.PaginationResult[Note]:
    return ctx.db.query(Notes).with_index(Notes.by_text).paginate(options)


@hw.query
def secrets(ctx: QueryCtx) -> list[Secret]:
    return ctx.db.query(Secrets).collect()


@hw.query
def predicates_see(ctx: QueryCtx) -> list[str]:
    seen: list[str] = []

    def note_text(note: Note) -> bool:
        seen.append(note["text"])
        return True

    ctx.db.query(Notes).filter(note_text).collect()
    return seen


@hw.mutation
def write(ctx: MutationCtx, note: dict[str, Any]) -> Id[Note]:
    return ctx.db.insert(Notes, note)


@hw.mutation
def write_many(ctx: MutationCtx, notes: list[dict[str, Any]]) -> list[Id[Note]]:
    return ctx.db.insert_many(Notes, notes)


@hw.mutation
def patch(ctx: MutationCtx, id: str, fields: dict[str, Any]) -> None:
    ctx.db.patch(Id[Any](id), fields)


@hw.mutation
def replace(ctx: MutationCtx, id: str, document: dict[str, Any]) -> None:
    ctx.db.replace(Id[Any](id), document)


@hw.mutation
def delete(ctx: MutationCtx, id: str) -> None:
    ctx.db.delete(Id[Any](id))


@hw.mutation
def insert_anywhere(ctx: MutationCtx, table: str, document: dict[str, Any]) -> str:
    return ctx.db.insert(table, document)


@hw.query
def read_anywhere(ctx: QueryCtx, table: str) -> list[dict[str, Any]]:
    return ctx.db.query(table).collect()


@hw.query
def get_anything(ctx: QueryCtx, id: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = ctx.db.get(Id[Any](id))
    return found


@hw.mutation(internal=True)
def fill(ctx: MutationCtx, table: str, documents: list[dict[str, Any]]) -> list[str]:
    return ctx.db.insert_many(table, documents)


@hw.mutation(record_arguments=True)
def count_into(ctx: MutationCtx, text: str) -> int:
    count = ctx.db.query(Notes).count()
    ctx.db.insert(Notes, {"owner": me(ctx), "text": f"{text}{count}"})
    return count


@hw.mutation(internal=True, record_arguments=True)
def count_internally(ctx: MutationCtx, text: str) -> int:
    count = ctx.db.query(Notes).count()
    ctx.db.insert(Notes, {"owner": me(ctx), "text": f"{text}{count}"})
    return count


@hw.action
def count_by_action(ctx: SyncActionCtx, text: str) -> int:
    return ctx.mutate(count_internally, text=text)
