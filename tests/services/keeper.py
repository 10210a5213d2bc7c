"""A service of these tests: it keeps notes in a table of its own."""

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table
from headwater.transactions.service_writer import ServiceWriter


class Kept(Document["Kept"]):
    key: str
    size: int


class KeptThings(Table[Kept], name="_kept", number=1999):
    by_key = Index("key", unique=True)
    by_size = Index("size")


class Thing(Document["Thing"]):
    kept: Id[Kept]


class Things(Table[Thing]):
    pass


def writer(ctx: MutationCtx) -> ServiceWriter:
    return ServiceWriter(ctx.transaction, ctx.db._rules)


@hw.mutation
def keep(ctx: MutationCtx, key: str, size: int) -> str:
    return writer(ctx).insert(KeptThings, {"key": key, "size": size})


@hw.mutation
def resize(ctx: MutationCtx, id: str, size: int) -> None:
    writer(ctx).patch(id, size=size)


@hw.mutation
def drop(ctx: MutationCtx, id: str) -> None:
    writer(ctx).delete(id)


@hw.mutation
def keep_and_fail(ctx: MutationCtx, key: str) -> None:
    keep(ctx, key=key, size=0)
    raise hw.ApplicationError("no")


@hw.mutation
def abuse(ctx: MutationCtx, verb: str, id: str) -> None:
    if verb == "insert":
        ctx.db.insert("_kept", {"key": "mine", "size": 1})
    elif verb == "insert_many":
        ctx.db.insert_many("_kept", [{"key": "mine", "size": 1}])
    elif verb == "patch":
        ctx.db.patch(id, size=1000)
    elif verb == "replace":
        ctx.db.replace(id, {"key": "mine", "size": 1})
    else:
        ctx.db.delete(id)


@hw.query
def sizes(ctx: QueryCtx, least: int = 0) -> list[int]:
    found = ctx.db.query(KeptThings).with_index(KeptThings.by_size, gte=least)
    return [kept["size"] for kept in found]
