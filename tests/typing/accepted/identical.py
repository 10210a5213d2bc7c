"""Two document types with the same fields, told apart by their tables."""

from typing import assert_type

import headwater as hw
from headwater import DocumentOf, Id, Index, Table


class Tag(DocumentOf["Tag", "Tags"]):
    name: str


class Tags(Table[Tag]):
    by_name = Index("name")


class Label(DocumentOf["Label", "Labels"]):
    name: str


class Labels(Table[Label]):
    by_name = Index("name")


@hw.query
def tag_of(ctx: hw.QueryCtx, tag: Id[Tag]) -> Tag | None:
    found = ctx.db.get(tag)
    if found is not None:
        assert_type(found["_id"], Id[Tag])
        assert_type(found["name"], str)
        return ctx.db.get(found["_id"])
    return ctx.db.query(Tags).with_index(Tags.by_name, "x").first()


@hw.mutation
def copy_tags(ctx: hw.MutationCtx) -> list[Id[Label]]:
    tags = ctx.db.query(Tags).collect()
    return ctx.db.insert_many(Labels, [{"name": tag["name"]} for tag in tags])


def outside(db: hw.Database, tag: Id[Tag]) -> None:
    assert_type(db.query(tag_of, tag), Tag | None)
    assert_type(db.mutate(copy_tags), list[Id[Label]])
