"""An application with every kind of index and value."""

from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Maker(Document["Maker"]):
    name: str


class Makers(Table[Maker]):
    by_name = Index("name", unique=True)


class Item(Document["Item"]):
    name: str
    maker: NotRequired[Id[Maker]]
    count: int
    price: float
    big: NotRequired[hw.Int64]
    extra: NotRequired[Any]


class Items(Table[Item]):
    by_name = Index("name")
    by_maker = Index("maker", "count")


@hw.query
def items(ctx: QueryCtx) -> list[Item]:
    return ctx.db.query(Items).collect()


@hw.query
def items_named(ctx: QueryCtx, name: str) -> list[Item]:
    return ctx.db.query(Items).with_index(Items.by_name, name).collect()


@hw.mutation
def add(ctx: MutationCtx, name: str) -> Id[Item]:
    return ctx.db.insert(Items, {"name": name, "count": 1, "price": 1.5})
