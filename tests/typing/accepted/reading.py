"""The query builder."""

from collections.abc import Iterator
from typing import assert_type

from accepted.chat import Channel, Channels, Message, Messages, pages

import headwater as hw
from headwater import MISSING, Id, QueryCtx, Reader, TableQuery


def is_long(message: Message) -> bool:
    return len(message["body"]) > 80


def read(ctx: QueryCtx, channel: Id[Channel]) -> None:
    everything = ctx.db.query(Messages)
    assert_type(everything, TableQuery[Message])
    assert_type(everything.collect(), list[Message])
    assert_type(everything.take(3), list[Message])
    assert_type(everything.first(), Message | None)
    assert_type(everything.unique(), Message | None)
    assert_type(everything.count(), int)
    assert_type(iter(everything), Iterator[Message])
    assert_type([message["stars"] for message in everything], list[int])

    by_author = everything.with_index(Messages.by_author, "Ada", gte=3, lt=MISSING)
    assert_type(by_author, TableQuery[Message])
    both = by_author.order("desc").filter(is_long).filter(lambda message: message["stars"] > 1)
    assert_type(both, TableQuery[Message])
    range_after = ctx.db.query(Channels).with_index(Channels.by_name, gt="a", lte="b").first()
    assert_type(range_after, Channel | None)
    if range_after is not None:
        assert_type(range_after["name"], str)
        assert_type(range_after.get("topic"), str | None)

    assert_type(ctx.db.get(channel), Channel | None)
    assert_type(ctx.db.normalize_id(Channels, "any string"), Id[Channel] | None)
    assert_type(ctx.now, float)
    assert_type(ctx.random.random(), float)


def read_pages(ctx: QueryCtx, order: hw.PaginationOptions) -> list[str]:
    first = pages(ctx, {"numItems": 10, "cursor": None})
    assert_type(first, hw.PaginationResult[Message])
    assert_type(first["page"], list[Message])
    assert_type(first["isDone"], bool)
    second = pages(ctx, options={**order, "cursor": first["continueCursor"], "maximumRowsRead": 5})
    return [message["body"] for message in second["page"]]


def through_a_reader(db: Reader, channel: Id[Channel]) -> int:
    return db.query(Messages).with_index(Messages.by_channel, channel).count()
