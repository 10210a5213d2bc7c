"""Whatever comes in at the WebSocket: an answer with a reason, and nobody else is held up."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server import served
from tests.server.sync_client import Closed, SyncClient

import headwater as hw

PATIENCE_SECONDS = 60
CLOSE_CODES = {1000, 1009, 1013}

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
paths = st.sampled_from(
    [
        "served:list",
        "served:writeNote",
        "served:fail",
        "served:secret",
        "served",
        "",
        ":",
        "../x",
        "a:b:c",
    ]
) | st.text(max_size=12)
versions = st.integers(-1, 3) | anything
modifications = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Add", "Remove", "Replace"]),
            "queryId": st.integers(-1, 3) | anything,
        },
        optional={
            "udfPath": paths | anything,
            "args": st.lists(anything, max_size=2) | anything,
            "journal": anything,
            "componentPath": anything,
        },
    ),
    max_size=3,
)
messages = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("ModifyQuerySet"), "baseVersion": versions, "newVersion": versions},
        optional={"modifications": modifications | anything},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Mutation", "Action"]),
            "requestId": st.integers(-1, 5) | anything,
        },
        optional={"udfPath": paths | anything, "args": st.lists(anything, max_size=2) | anything},
    ),
    st.fixed_dictionaries(
        {"type": st.just("Authenticate"), "baseVersion": versions},
        optional={
            "tokenType": st.sampled_from(["User", "Admin", "None", "Root"]) | anything,
            "value": anything,
            "impersonating": anything,
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["Connect", "Event", "Transition", "Ping"]) | anything},
        optional={"sessionId": anything, "maxObservedTimestamp": anything},
    ),
).map(json.dumps)
frames = st.one_of(
    messages,
    messages,
    messages,
    anything.map(json.dumps),
    st.text(max_size=30),
    st.binary(max_size=10),
)


@settings(max_examples=80)
@given(st.booleans(), st.lists(frames, min_size=1, max_size=6))
def test_hostile_frames_harm_nobody(connects: bool, said: list[Any]) -> None:
    """A connection that was told why it ends, or goes on; others are told of the next commit."""

    async def run() -> None:
        with hw.open(None, modules=[served]) as db:
            app = db.asgi(api=True, identify=lambda token: None, admin_token="x" * 16)
            other = SyncClient(app)
            other.connect("other")
            other.watch(0, "served:list")
            await other.settled()
            hostile = SyncClient(app, path="/api/1.48.0/sync")
            if connects:
                hostile.connect("hostile")
            for frame in said:
                hostile.say(frame)
            hostile.leave()
            await hostile.task
            check_what_was_said(hostile)
            await db.aio.mutate(served.write_note, text="after")
            await other.until(lambda: other.values[0][-1:] == ["after"])
            await other.end()
            assert (len(db._reactor.queries), db._reactor.queries.subscription_count) == (0, 0)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))


def check_what_was_said(client: SyncClient) -> None:
    """No trace, no secret, and a close that says why."""
    while not client.outgoing.empty():
        message = client.outgoing.get_nowait()
        if message["type"] == "websocket.close":
            assert message["code"] in CLOSE_CODES, message
        elif message["type"] == "websocket.send":
            assert "Traceback" not in message["text"]
            assert "secret of the house" not in message["text"]
            json.loads(message["text"])


def test_a_fault_inside_is_told_to_its_log_and_not_to_the_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from headwater.server.sync_queries import WatchedQueries

    def fail(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(WatchedQueries, "modifications", fail)

    async def run() -> Closed:
        with hw.open(None, modules=[served]) as db:
            client = SyncClient(db.asgi(api=True))
            client.connect()
            client.watch(0, "served:list")
            return await client.closed()

    with caplog.at_level(logging.ERROR):
        closed = asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))
    assert (closed.code, closed.reason) == (1011, "InternalServerError")
    assert "the secret of the house" in caplog.text
