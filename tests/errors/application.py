"""An application in which everything can be done wrongly."""

import socket
import subprocess
from typing import Annotated, Any, Literal, NotRequired

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table

OPEN = open


class User(Document["User"]):
    name: str
    email: NotRequired[str]


class Users(Table[User]):
    by_name = Index("name", unique=True)


class Message(Document["Message"]):
    author: Id[User]
    body: str
    kind: NotRequired[Literal["text", "image"]]
    extra: NotRequired[Any]


class Messages(Table[Message]):
    by_author = Index("author", "kind")


@hw.mutation
def create_user(ctx: MutationCtx, name: str) -> Id[User]:
    return ctx.db.insert(Users, {"name": name})


@hw.mutation
def rename(ctx: MutationCtx, user: Id[User], name: str) -> None:
    ctx.db.patch(user, name=name)


@hw.mutation
def send(ctx: MutationCtx, author: Id[User], body: str, extra: Any = None) -> Id[Message]:
    return ctx.db.insert(Messages, {"author": author, "body": body, "extra": extra})


@hw.mutation
def insert(ctx: MutationCtx, table: str, document: Any) -> Any:
    return ctx.db.insert(table, document)


@hw.query
def users(ctx: QueryCtx) -> list[User]:
    return ctx.db.query(Users).collect()


@hw.query
def messages_saying(ctx: QueryCtx, body: str, count: Annotated[int, hw.Range(ge=1)] = 10) -> Any:
    return ctx.db.query(Messages).filter(lambda message: message["body"] == body).take(count)


@hw.query
def all_messages(ctx: QueryCtx) -> list[Message]:
    return ctx.db.query(Messages).collect()


@hw.query
def page(ctx: QueryCtx, opts: hw.PaginationOptions) -> Any:
    return ctx.db.query(Messages).paginate(opts)


@hw.query
def writes(ctx: QueryCtx, verb: str) -> None:
    getattr(ctx.db, verb)("x", {})


@hw.query
def calls_a_mutation(ctx: QueryCtx) -> None:
    create_user(ctx, "x")  # type: ignore[arg-type]


@hw.mutation
def opens_a_file(ctx: MutationCtx) -> None:
    OPEN("/etc/hostname").close()


@hw.mutation
def makes_a_socket(ctx: MutationCtx) -> None:
    socket.socket().close()


@hw.query
def starts_a_process(ctx: QueryCtx) -> None:
    subprocess.run(["true"], check=False)


@hw.query
def returns_wrongly(ctx: QueryCtx) -> list[str]:
    return ["a", 3]  # type: ignore[list-item]


@hw.query
def returns(ctx: QueryCtx, what: str) -> Any:
    return RETURNED[what]


RETURNED: dict[str, Any] = {}


@hw.query(internal=True)
def secret(ctx: QueryCtx) -> int:
    return 1


@hw.query
def calls_itself(ctx: QueryCtx, depth: int) -> int:
    return calls_itself(ctx, depth + 1)


@hw.mutation
async def waits(ctx: MutationCtx, seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@hw.mutation
def uses_the_database(ctx: MutationCtx) -> Any:
    return RETURNED["db"].query(users)
