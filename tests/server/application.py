"""An application with HTTP actions of every kind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import headwater as hw
from headwater import (
    ActionCtx,
    Document,
    Index,
    MutationCtx,
    QueryCtx,
    Request,
    Response,
    SyncActionCtx,
    SyncRequest,
    Table,
)

events: list[str] = []
"""What happened inside, in order."""
gates: dict[str, asyncio.Event] = {}
"""What actions wait for, by name."""


class Note(Document["Note"]):
    text: str


class Notes(Table[Note]):
    by_text = Index("text")


@hw.mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Notes, {"text": text})


@hw.query
def texts(ctx: QueryCtx) -> list[str]:
    return [note["text"] for note in ctx.db.query(Notes)]


@hw.http_action("/hello")
async def hello(ctx: ActionCtx, request: Request) -> Response:
    return Response(f"Hello, {request.query.get('name', 'you')}.")


@hw.http_action("/notes")
async def list_notes(ctx: ActionCtx, request: Request) -> Response:
    return Response.json(await ctx.query(texts))


@hw.http_action("/notes", methods=["POST", "PUT"])
def add_note(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    ctx.mutate(write, text=request.json()["text"])
    return Response.json({"id": request.request_id}, status=201, headers={"location": "/notes"})


@hw.http_action(prefix="/echo/", methods=["GET", "POST", "DELETE"])
async def echo(ctx: ActionCtx, request: Request) -> Response:
    return Response.json(_seen(request, await request.body(), ctx.identity))


@hw.http_action(prefix="/sync-echo/", methods=["GET", "POST", "DELETE"])
def echo_on_thread(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    return Response.json(_seen(request, request.body(), ctx.identity))


def _seen(request: Any, body: bytes, identity: hw.Identity | None) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query.pairs(),
        "cookies": request.headers.get_all("cookie"),
        "body": body.decode("latin-1"),
        "who": None if identity is None else identity.subject,
        "authorization": request.headers.get("Authorization"),
    }


@hw.http_action("/upload", methods=["POST"])
async def upload(ctx: ActionCtx, request: Request) -> Response:
    sizes = [len(chunk) async for chunk in request.stream()]
    return Response.json({"bytes": sum(sizes), "pieces": len(sizes)})


@hw.http_action("/cookies")
async def cookies(ctx: ActionCtx, request: Request) -> Response:
    return Response(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Umlaut", "ä")])


@hw.http_action("/empty", methods=["GET", "DELETE"])
async def empty(ctx: ActionCtx, request: Request) -> Response:
    return Response(status=204)


@hw.http_action(prefix="/failing/", methods=["GET", "POST"])
async def failing(ctx: ActionCtx, request: Request) -> Response:
    kind = request.path.removeprefix("/failing/")
    if kind == "application":
        raise hw.ApplicationError({"code": "SOLD_OUT", "left": 0, "token": b"\x01"})
    if kind == "rate":
        raise hw.RateLimitedError(1.2, name="requests")
    if kind == "json":
        await request.json()
    if kind == "surrogate":
        await ctx.mutate(write, text=(await request.json())["text"])
    if kind == "type":
        return "text"  # type: ignore[return-value]
    raise KeyError("the secret of the house")


@hw.http_action(prefix="/sync-failing/")
def failing_on_thread(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    if request.path.endswith("type"):
        return {}  # type: ignore[return-value]
    raise KeyError("the secret of the house")


@hw.http_action("/waiting", methods=["POST"])
async def waiting(ctx: ActionCtx, request: Request) -> Response:
    events.append("begun")
    await gates["go on"].wait()
    await ctx.mutate(write, text="after all")
    gates["done"].set()
    return Response("done")


@hw.http_action("/stream")
async def stream(ctx: ActionCtx, request: Request) -> Response:
    count = int(request.query.get("count", "3"))

    async def pieces() -> AsyncIterator[str]:
        try:
            for number in range(count):
                events.append(f"made {number}")
                await ctx.mutate(write, text=f"piece {number}")
                yield f"{number};"
        finally:
            events.append("closed")
            gates["closed"].set()

    return Response(pieces(), content_type="text/plain")


@hw.http_action("/stream-on-thread")
def stream_on_thread(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    count = int(request.query.get("count", "3"))

    def pieces() -> Iterator[str]:
        try:
            for number in range(count):
                ctx.mutate(write, text=f"piece {number}")
                yield f"{number};"
        finally:
            events.append("closed")

    return Response(pieces())


@hw.http_action("/broken-stream")
async def broken_stream(ctx: ActionCtx, request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise KeyError("in the middle")

    return Response(pieces())


@hw.http_action("/slow", timeout_seconds=5)
async def slow(ctx: ActionCtx, request: Request) -> Response:
    events.append("begun")
    gates["begun"].set()
    await asyncio.Event().wait()
    return Response()
