"""The API of the dashboard, as its page asks it, within the process."""

import asyncio
import json
from typing import Any

import httpx
from tests.server.asgi import ask

import headwater as hw
from headwater.exchange.json_values import read_value

TOKEN = "the-admin-token-of-the-tests"
SIGNED_IN = {"authorization": f"Convex {TOKEN}"}


class Dashboard:
    """A database with its dashboard."""

    def __init__(self, db: hw.Database, **options: Any) -> None:
        self.db = db
        self.app = db.asgi(dashboard=True, admin_token=TOKEN, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = SIGNED_IN | options.pop("headers", {})
        return ask(self.app, method, f"/_dashboard/{path}", headers=headers, **options)

    def read(self, path: str, /, **parameters: Any) -> Any:
        response = self.request("GET", f"api/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return read_value(response.text)

    def act(self, path: str, /, **facts: Any) -> Any:
        response = self.request("POST", f"api/{path}", json=facts)
        assert response.status_code == 200, response.text
        return read_value(response.text)

    def refused(self, path: str, /, **facts: Any) -> tuple[int, str]:
        method, given = ("POST", "json") if path in CHANGES else ("GET", "params")
        response = self.request(method, f"api/{path}", **{given: facts})
        answer = response.json()
        assert answer.keys() == {"code", "message"}
        return response.status_code, answer["code"]


CHANGES = frozenset(
    {
        *("insert", "replace", "delete", "undo", "restore", "run"),
        *("jobs/change", "queues/change", "scheduled/cancel", "crons/delete", "file/delete"),
    }
)
READS = frozenset(
    {
        *("overview", "insights", "calls", "tables", "rows", "document", "history"),
        *("functions", "log", "commit", "timeline", "step", "queues", "file"),
    }
)


class Socket:
    """One connection on which the server tells something. Made in a task."""

    def __init__(self, app: Any, origin: str | None = None) -> None:
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        headers = [(b"host", b"here")]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/_dashboard/api/live",
            "raw_path": b"/_dashboard/api/live",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": [],
        }
        self._task = asyncio.create_task(app(scope, self._incoming.get, self._outgoing.put))
        self._incoming.put_nowait({"type": "websocket.connect"})

    def say(self, facts: Any) -> None:
        text = facts if isinstance(facts, str) else json.dumps(facts)
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        """The next message: a value, or the code with which it was closed."""
        while True:
            message = await asyncio.wait_for(self._outgoing.get(), 30)
            if message["type"] == "websocket.close":
                await self._task
                return message["code"]
            if message["type"] == "websocket.send":
                return read_value(message["text"])

    async def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task
