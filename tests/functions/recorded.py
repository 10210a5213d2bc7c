"""Mutations whose calls are kept in the log, and some that are not."""

import headwater as hw
from headwater import Document, Id, MutationCtx, Table


class Note(Document["Note"]):
    text: str
    tags: list[str]
    luck: float


class Notes(Table[Note]):
    pass


@hw.mutation(record_arguments=True)
def write(ctx: MutationCtx, text: str, tags: list[str]) -> Id[Note]:
    tags.append("changed inside")
    return ctx.db.insert(Notes, {"text": text, "tags": tags, "luck": ctx.random.random()})


@hw.mutation
def write_unrecorded(ctx: MutationCtx, text: str) -> Id[Note]:
    return ctx.db.insert(Notes, {"text": text, "tags": [], "luck": 0.0})


@hw.mutation(record_arguments=True)
def write_nothing(ctx: MutationCtx, text: str) -> None:
    pass
