"""Two document types with the same fields, each with a table."""

from accepted.identical import Label, Labels, Tag, Tags, copy_tags, tag_of

import headwater as hw
from headwater import Id, MutationCtx, QueryCtx


def outside(db: hw.Database, label: Id[Label]) -> None:
    db.query(tag_of, label)  # error: id of another table
    db.query(tag_of, tag=label)  # error: id of another table
    db.watch(tag_of, tag=label)  # error: id of another table
    tag_of.bind(label)  # error: id of another table
    _tags: list[Id[Tag]] = db.mutate(copy_tags)  # error: ids of another table


def inside(ctx: QueryCtx, mutating: MutationCtx, tag: Id[Tag], label: Id[Label]) -> None:
    tag_of(ctx, label)  # error: id of another table
    tag_of(ctx, tag="abc")  # error: plain str for an id
    ctx.db.query(Tags).with_index(Labels.by_name, "x")  # error: index of another table
    _tag: Id[Tag] = mutating.db.insert(Labels, {"name": "x"})  # error: id of another table
    _label: Label | None = ctx.db.get(tag)  # error: document of another table
    _labels: list[Label] = ctx.db.query(Tags).collect()  # error: documents of another table
    for found in ctx.db.query(Labels):
        tag_of(ctx, found["_id"])  # error: id of another table
