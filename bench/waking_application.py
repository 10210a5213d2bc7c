"""The application of the benchmarks of several processes: one number that is written again."""

import headwater as hw
from headwater import Document, Index, MutationCtx, QueryCtx, Table


class Note(Document["Note"]):
    name: str
    number: int


class Notes(Table[Note]):
    by_name = Index("name", unique=True)


@hw.mutation
def note(ctx: MutationCtx, number: int, name: str = "newest") -> None:
    """Write a number under a name."""
    found = ctx.db.query(Notes).with_index(Notes.by_name, name).unique()
    if found is None:
        ctx.db.insert(Notes, {"name": name, "number": number})
    else:
        ctx.db.patch(found["_id"], number=number)


@hw.query
def newest(ctx: QueryCtx, name: str = "newest") -> int:
    """The number under a name, -1 if there is none."""
    found = ctx.db.query(Notes).with_index(Notes.by_name, name).unique()
    return -1 if found is None else found["number"]
