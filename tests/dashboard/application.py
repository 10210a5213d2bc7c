"""An application to look at: channels and messages, with functions of every kind."""

from typing import Annotated, Literal, NotRequired

import headwater as hw
from headwater import (
    Document,
    Id,
    Index,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    Table,
)


class Channel(Document["Channel"]):
    name: str


class Channels(Table[Channel]):
    by_name = Index("name", unique=True)


class Message(Document["Message"]):
    channel: Annotated[Id[Channel], hw.references(on_delete="cascade")]
    author: str
    body: str
    stars: int
    kind: NotRequired[Literal["text", "image"]]
    tags: NotRequired[list[str]]


class Messages(Table[Message]):
    by_channel = Index("channel")
    by_author = Index("author")


@hw.query
def latest(ctx: QueryCtx, channel: str = "general", limit: int = 20) -> list[Message]:
    """The newest messages of a channel.

    Those of a channel that is not there are none.
    """
    found = ctx.db.query(Channels).with_index(Channels.by_name, channel).first()
    if found is None:
        return []
    return (
        ctx.db.query(Messages)
        .with_index(Messages.by_channel, found["_id"])
        .order("desc")
        .take(limit)
    )


@hw.query
def count(ctx: QueryCtx) -> int:
    return ctx.db.query(Messages).count()


@hw.query
def first(ctx: QueryCtx) -> str:
    found = ctx.db.query(Messages).first()
    if found is None:
        raise hw.ApplicationError("nothing there")
    return found["body"]


@hw.query
def who(ctx: QueryCtx) -> dict[str, str] | None:
    identity = ctx.identity
    return None if identity is None else {"who": identity.subject, "of": identity.issuer}


@hw.mutation
def create_channel(ctx: MutationCtx, name: str) -> Id[Channel]:
    return ctx.db.insert(Channels, {"name": name})


@hw.mutation
def send(
    ctx: MutationCtx,
    channel: Id[Channel],
    author: str,
    body: str,
    stars: Annotated[int, hw.Range(ge=0, le=5)] = 0,
    kind: Literal["text", "image"] = "text",
) -> Id[Message]:
    """Send a message to a channel."""
    ctx.log.info(f"{author} writes")
    if not body:
        raise hw.ApplicationError({"code": "EMPTY"})
    return ctx.db.insert(
        Messages,
        {"channel": channel, "author": author, "body": body, "stars": stars, "kind": kind},
    )


@hw.mutation(internal=True)
def star(ctx: MutationCtx, message: Id[Message]) -> None:
    found = ctx.db.get(message)
    if found is not None:
        ctx.db.patch(message, stars=found["stars"] + 1)


@hw.mutation
def fail(ctx: MutationCtx) -> None:
    raise KeyError("the secret of the house")


@hw.action
def digest(ctx: SyncActionCtx, channel: str = "general") -> int:
    """Count what a channel has to say."""
    return len(ctx.query(latest, channel=channel, limit=1000))


@hw.job(queue="mail")
def deliver(ctx: SyncActionCtx, to: str) -> None:
    if "@" not in to:
        raise ValueError(f"{to!r} is no address")


crons = hw.Crons()
crons.daily("digest", digest, hour=7)
