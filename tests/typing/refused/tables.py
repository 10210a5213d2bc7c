"""Tables, indexes, orders, writes."""

from typing import Literal, TypedDict

from accepted.chat import Channel, Channels, Message, Messages

import headwater as hw
from headwater import Id, MutationCtx, QueryCtx, Table, TableIndex


class Plain(TypedDict):
    name: str


class Numbers(Table[int]):  # error: no document
    pass


class Plains(Table[Plain]):  # error: a TypedDict that is no document
    pass


class Texts(Table[Channel], title="x"):  # error: unknown keyword
    by_name = hw.Index("name", uniqe=True)  # error: misspelt option
    by_number = hw.Index(3)  # error: a field is a str


def reads(ctx: QueryCtx, order: str, channel: Id[Channel]) -> None:
    messages = ctx.db.query(Messages)
    messages.with_index(Messages.by_chanel, channel)  # error: unknown index
    messages.with_index(Channels.by_name, "x")  # error: index of another table
    messages.with_index("by_channel", channel)  # error: a str on a typed table
    messages.with_index(Messages.by_channel, ge=1)  # error: unknown bound
    messages.order("down")  # error: bad order
    messages.order(order)  # error: any str as an order
    messages.order(descending=True)  # error: bad order
    messages.take("3")  # error: a number
    messages.take()  # error: how many
    messages.filter(lambda message: message["boody"])  # error: misspelt field
    messages.filter("stars > 3")  # error: no function
    messages.paginate({"cursor": None})  # error: no numItems
    messages.limit(3)  # error: unknown step
    messages.collect()[0]["boody"].upper()  # error: misspelt field
    ctx.db.query(Message)  # error: a document type is no table
    ctx.db.query(Channels.by_name)  # error: an index is no table
    ctx.db.get("abc")  # error: plain str for an id
    ctx.db.get(Channels)  # error: no id
    _index: TableIndex[Message] = Channels.by_name  # error: index of another table
    _kind: Literal["a"] = ctx.now  # error: a float


def writes_of_a_query(ctx: QueryCtx, channel: Id[Channel], db: hw.Database) -> None:
    ctx.db.insert(Channels, {"name": "x"})  # error: write through a query's context
    ctx.db.insert_many(Channels, [])  # error: write through a query's context
    ctx.db.patch(channel, name="x")  # error: write through a query's context
    ctx.db.replace(channel, {"name": "x"})  # error: write through a query's context
    ctx.db.delete(channel)  # error: write through a query's context
    ctx.db.patch_many({channel: {"name": "x"}})  # error: write through a query's context
    ctx.db.delete_where(ctx.db.query(Channels))  # error: write through a query's context
    ctx.db.query(Channels).delete()  # error: a query reads
    with db.snapshot() as snapshot:
        snapshot.delete(channel)  # error: write through a snapshot
        snapshot.ts.commit()  # error: not a transaction


def writes(ctx: MutationCtx, channel: Id[Channel], text: str) -> None:
    ctx.db.patch("abc", name="x")  # error: patch on a str
    ctx.db.patch(text, {"name": "x"})  # error: patch on a str
    ctx.db.replace(text, {"name": "x"})  # error: replace on a str
    ctx.db.delete(text)  # error: delete on a str
    ctx.db.delete(Channels, channel)  # error: an id says its table
    ctx.db.insert(Channels, name="x")  # error: a document is a dict
    ctx.db.insert(Channels, ["x"])  # error: a document is a dict
    ctx.db.insert(Channel, {"name": "x"})  # error: a document type is no table
    ctx.db.insert({"name": "x"})  # error: no table
    ctx.db.insert_many(Channels, {"name": "x"})  # error: one document, not many
    ctx.db.get_many(channel)  # error: one id, not many
    ctx.db.delete_many(channel)  # error: one id, not many
    ctx.db.delete_many([text])  # error: delete on a str
    ctx.db.patch_many({text: {"name": "x"}})  # error: patch on a str
    ctx.db.patch_many([channel], name="x")  # error: no mapping
    ctx.db.patch_where(Channels, name="x")  # error: a table is no query
    ctx.db.delete_where(ctx.db.query(Channels).collect())  # error: it has run already
    ctx.now = 1.0  # error: the time cannot be set
    ctx.db = ctx.db  # error: the tables cannot be set


def opening(path: bytes) -> None:
    hw.open("x", module=[])  # error: misspelt keyword
    hw.open("x", durability="half")  # error: unknown durability
    hw.open("x", [])  # error: modules are given by name
    hw.open("x", modules=[3])  # error: a number is no module
    hw.open(path)  # error: bytes as a path
    hw.open(limits=hw.Limits(document_megabytes=3))  # error: unknown limit
    hw.open(build="never")  # error: unknown way to build
