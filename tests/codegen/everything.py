"""An application with every kind of annotation."""

from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Id,
    Index,
    MutationCtx,
    PaginationOptions,
    PaginationResult,
    QueryCtx,
    StoredFile,
    Table,
    v,
)

Cents = NewType("Cents", int)


class Place(TypedDict):
    city: str
    street: NotRequired[str | None]


class Channel(Document["Channel"]):
    name: str
    kind: Literal["open", "closed"]


class Channels(Table[Channel]):
    by_name = Index("name", unique=True)


class Message(Document["Message"]):
    channel: Id[Channel]
    text: str
    size: int
    score: float
    price: Cents
    exact: hw.Int64
    raw: bytes
    is_read: bool
    tags: list[str]
    place: Place
    picture: Id[StoredFile] | None
    reactions: dict[str, int]
    seen: dict[Id[Channel], float]
    extra: NotRequired[Any]


class Messages(Table[Message], name="all_messages"):
    by_channel = Index("channel")


@hw.query
def list_(
    ctx: QueryCtx, channel: Id[Channel], options: PaginationOptions
) -> PaginationResult[Message]:
    """The messages of a channel, in pages.

    Ends nothing: */ is no end.
    """
    raise NotImplementedError


@hw.query
def get(ctx: QueryCtx, message: Id[Message]) -> Message | None:
    raise NotImplementedError


@hw.query
def count(ctx: QueryCtx) -> int:
    """How many there are."""
    raise NotImplementedError


@hw.query
def recent(
    ctx: QueryCtx, limit: Annotated[int, hw.Wire("pageSize")] = 10, since: float | None = None
) -> list[Message]:
    raise NotImplementedError


@hw.query
def anything(ctx: QueryCtx, value, options: dict[str, Any]) -> Any:  # type: ignore[no-untyped-def]
    raise NotImplementedError


@hw.query
def default(ctx: QueryCtx) -> None:
    raise NotImplementedError


@hw.mutation
def create_channel(
    ctx: MutationCtx,
    name: Annotated[str, hw.Length(1, 20)],
    kind: Literal["open", "closed"] = "open",
    level: Literal[1, 2, True] | None = None,
) -> Id[Channel]:
    raise NotImplementedError


@hw.mutation
def send_all(
    ctx: MutationCtx, messages: list[Place], big: hw.Int64, raw: bytes, by_kind: dict[str, Place]
) -> dict[str, list[hw.Int64]]:
    raise NotImplementedError


@hw.mutation(internal=True)
def forget(ctx: MutationCtx, message: Id[Message]) -> None:
    raise NotImplementedError


@hw.mutation(args={"value": v.object({"a b": v.any(), "it's": v.optional(v.string())})})
def odd_names(ctx: MutationCtx, value: Any) -> Any:
    raise NotImplementedError


@hw.action
async def fetch_page(ctx: ActionCtx, url: str, file: Id[StoredFile] | None = None) -> bytes:
    """Get a page.

    Args:
        url: Where.
    """
    raise NotImplementedError


@hw.query
def by_kind(ctx: QueryCtx, least: dict[Literal["open", "closed"], int]) -> dict[str, Any]:
    raise NotImplementedError
