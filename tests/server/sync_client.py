"""A client of the sync protocol in the process of the test, which checks all that it is told.

It holds the server to what the official clients assert: the chain of versions, timestamps that
never go back, an answer for each query that was added, a transition after each answer that is not
older than it, and the effect of a mutation never before its answer.
"""

import asyncio
import base64
import json
import struct
from typing import Any


class Closed(Exception):
    """The server has ended the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def ts_of(text: str) -> int:
    return int(struct.unpack("<Q", base64.b64decode(text))[0])


class SyncClient:
    """One connection.

    Attributes:
        values: What is known of each query: its value, or an `Exception`.
        answers: By request: the response.
        heard: All messages.
    """

    def __init__(self, app: Any, path: str = "/api/1.48.0/sync", headers: Any = ()) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"here"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": [],
        }
        self.room = asyncio.Event()
        self.room.set()
        self.task = asyncio.create_task(app(self.scope, self.incoming.get, self._send))
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.query_set = self.identity = self.requests = 0
        self.version: dict[str, Any] = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
        self.values: dict[int, Any] = {}
        self.journals: dict[int, str | None] = {}
        self.due: dict[int, set[int]] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.owed = 0
        self.parts: list[str] = []
        self.heard: list[dict[str, Any]] = []

    async def _send(self, message: dict[str, Any]) -> None:
        await self.room.wait()
        self.outgoing.put_nowait(message)
        await asyncio.sleep(0)

    # -- saying ---------------------------------------------------------------------------------

    def say(self, message: dict[str, Any] | str | bytes) -> None:
        if isinstance(message, bytes):
            self.incoming.put_nowait({"type": "websocket.receive", "bytes": message})
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    def connect(self, session: str = "session", observed: str | None = None) -> None:
        message = {"type": "Connect", "sessionId": session, "connectionCount": 0}
        if observed is not None:
            message["maxObservedTimestamp"] = observed
        self.say({**message, "lastCloseReason": "InitialConnect", "clientTs": 0})

    def modify(self, *modifications: dict[str, Any]) -> None:
        self.query_set += 1
        self.due[self.query_set] = {one["queryId"] for one in modifications}
        self.say(
            {
                "type": "ModifyQuerySet",
                "baseVersion": self.query_set - 1,
                "newVersion": self.query_set,
                "modifications": list(modifications),
            }
        )

    def watch(self, number: int, path: str, journal: str | None = None, **args: Any) -> None:
        self.modify(add(number, path, journal, **args))

    def unwatch(self, number: int) -> None:
        self.modify({"type": "Remove", "queryId": number})

    def call(self, kind: str, path: str, number: int | None = None, **args: Any) -> int:
        if number is None:
            number = self.requests
            self.requests += 1
        self.say({"type": kind, "requestId": number, "udfPath": path, "args": [args]})
        return number

    def authenticate(self, kind: str, value: str = "", **more: Any) -> None:
        message = {"type": "Authenticate", "tokenType": kind, "baseVersion": self.identity, **more}
        self.identity += 1
        self.say(message if kind == "None" else {**message, "value": value})

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    # -- hearing --------------------------------------------------------------------------------

    async def hear(self) -> dict[str, Any]:
        """The next message, checked.

        Raises:
            Closed: The server has ended the connection.
        """
        message = await self.outgoing.get()
        if message["type"] == "websocket.accept":
            return await self.hear()
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message.get("reason") or "")
        heard: dict[str, Any] = json.loads(message["text"])
        if heard["type"] == "TransitionChunk":
            assert heard["partNumber"] == len(self.parts)
            self.parts.append(heard["chunk"])
            if len(self.parts) < heard["totalParts"]:
                return await self.hear()
            heard, self.parts = json.loads("".join(self.parts)), []
        assert not self.parts, "something came between the parts of a transition"
        self.heard.append(heard)
        if heard["type"] == "Transition":
            self._transition(heard)
        elif heard["type"] in ("MutationResponse", "ActionResponse"):
            assert isinstance(heard["logLines"], list)
            assert heard["requestId"] not in self.answers, "answered twice"
            self.answers[heard["requestId"]] = heard
            ts = heard.get("ts")
            self.owed = max(self.owed, 1 if ts is None else ts_of(ts))
        return heard

    def _transition(self, transition: dict[str, Any]) -> None:
        assert transition["startVersion"] == self.version, "Invalid start version"
        end = transition["endVersion"]
        assert ts_of(end["ts"]) >= ts_of(self.version["ts"]), "an older state after a newer one"
        assert self.version["querySet"] <= end["querySet"] <= self.query_set
        assert self.version["identity"] <= end["identity"] <= self.identity
        told = {one["queryId"] for one in transition["modifications"]}
        for version in [one for one in self.due if one <= end["querySet"]]:
            assert self.due[version] <= told, "a query that was added or removed is not told of"
            del self.due[version]
        self.version = end
        for one in transition["modifications"]:
            self._modification(one)
        if ts_of(end["ts"]) >= self.owed:
            self.owed = 0

    def _modification(self, one: dict[str, Any]) -> None:
        number = one["queryId"]
        if one["type"] == "QueryRemoved":
            self.values.pop(number, None)
            return
        assert one["logLines"] == []
        self.journals[number] = one["journal"]
        if one["type"] == "QueryUpdated":
            before = self.values.get(number)
            assert number not in self.values or before != one["value"], "told although unchanged"
            self.values[number] = one["value"]
        else:
            self.values[number] = Failed(one["errorMessage"], one.get("errorData", ...))

    async def until(self, wanted: Any) -> None:
        """Hear until something is so."""
        while not wanted():
            await self.hear()

    async def settled(self) -> None:
        """Hear until all that was asked for is answered."""
        await self.until(
            lambda: (
                self.version["querySet"] == self.query_set
                and self.version["identity"] == self.identity
                and len(self.answers) >= self.requests
                and not self.owed
            )
        )

    async def closed(self) -> Closed:
        """Hear until the server ends the connection."""
        while True:
            try:
                await self.hear()
            except Closed as closed:
                return closed

    async def end(self) -> None:
        self.leave()
        await self.task


class Failed(Exception):
    """A query has failed."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


def add(number: int, path: str, journal: str | None = None, **args: Any) -> dict[str, Any]:
    return {
        "type": "Add",
        "queryId": number,
        "udfPath": path,
        "args": [args],
        "journal": journal,
    }
