"""The page of the chat. ``headwater dev examples/chat`` serves it, and the functions it calls."""

from pathlib import Path
from typing import Final

import headwater as hw
from headwater import Response, SyncActionCtx, SyncRequest

PAGE: Final = Path(__file__).parent / "page"


def file(name: str, media_type: str) -> Response:
    """A file of the page, which browsers ask for again whenever they show it."""
    headers = {"Content-Type": media_type, "Cache-Control": "no-cache"}
    return Response((PAGE / name).read_bytes(), headers=headers)


@hw.http_action("/")
def index(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    return file("index.html", "text/html; charset=utf-8")


@hw.http_action("/chat.css")
def style(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    return file("chat.css", "text/css; charset=utf-8")


@hw.http_action("/chat.js")
def script(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    return file("chat.js", "text/javascript; charset=utf-8")
