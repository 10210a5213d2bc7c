"""The page of the chat. ``headwater dev examples/chat`` serves it, and the functions it calls."""

from pathlib import Path
from typing import Final

import headwater as hw
from headwater import Response, SyncActionCtx, SyncRequest

FOLDER: Final = Path(__file__).parent / "page"
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/chat.css": ("chat.css", "text/css; charset=utf-8"),
    "/chat.js": ("chat.js", "text/javascript; charset=utf-8"),
}


@hw.http_action(prefix="/")
def page(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    """A file of the page, which browsers ask for again whenever they show it."""
    if request.path not in FILES:
        return Response("There is no such page.", status=404)
    name, content_type = FILES[request.path]
    headers = {"Cache-Control": "no-cache"}
    return Response((FOLDER / name).read_bytes(), headers=headers, content_type=content_type)
