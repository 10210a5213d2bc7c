"""Whatever is sent to the HTTP API: an answer with a code, no traces, and a server that goes on."""

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import served
from tests.server.asgi import Wire

from headwater import testing

ENDPOINTS = [
    "/api/query",
    "/api/mutation",
    "/api/action",
    "/api/function",
    "/api/query_ts",
    "/api/query_at_ts",
    "/api/query_batch",
    "/api/run/served/list",
    "/api/run/",
    "/api/storage/x",
    "/api/storage/upload/x",
    "/api/openapi.json",
    "/version",
]
NAMES = [
    "authorization",
    "content-type",
    "content-length",
    "convex-client",
    "cookie",
    "digest",
    "expect",
    "if-none-match",
    "origin",
    "range",
]
INSIDE = re.compile(rb"Traceback|File \"|headwater[/.]|\.py\b")

latin = st.text(st.characters(max_codepoint=255), max_size=20).map(lambda t: t.encode("latin-1"))
headers = st.lists(
    st.tuples(
        st.sampled_from(NAMES).map(str.encode),
        latin
        | st.sampled_from(
            [b"application/json", b"Bearer x", b"Convex x:e30=", b"Convex x", b"99", b"-1"]
        ),
    ),
    max_size=4,
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["AAAAAAAAAAA=", "served:list", "served:echo", "json", "convex_encoded_json"])
)
names = st.sampled_from(["path", "args", "format", "ts", "queries", "value", "text", "$", ""])
specials = st.sampled_from(["$integer", "$bytes", "$float", "$set"]).flatmap(
    lambda name: leaves.map(lambda leaf: {name: leaf})
)
trees = st.recursive(
    leaves | specials,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
paths = st.sampled_from(["served:echo", "served:list", "served:kinds", "served:fail"])
calls = st.fixed_dictionaries(
    {"path": paths | leaves},
    optional={
        "args": st.fixed_dictionaries({"value": trees}) | trees,
        "format": st.sampled_from(["json", "convex_encoded_json"]) | leaves,
        "ts": leaves,
        "queries": st.lists(st.fixed_dictionaries({"path": st.just("served:echo")}) | trees),
    },
)
bodies = (calls | trees).map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=50)


@pytest.fixture(scope="module")
def app():
    with testing.database(served) as db:
        yield db.asgi(api=True, openapi=True, admin_token="x" * 16, identify=lambda _: None)


def run(app: Any, wire: Wire, body: bytes) -> Wire:
    wire.give(body)
    asyncio.run(wire.run(app))
    return wire


def check(app: Any, wire: Wire) -> None:
    assert wire.sent, "there is an answer"
    assert wire.status < 500, wire.body
    assert wire.status == 404 or INSIDE.search(wire.body) is None
    head = [(b"content-type", b"application/json")]
    again = run(app, Wire("POST", "/api/query", head), b'{"path": "served"}')
    assert again.status == 200


@given(path=st.sampled_from(ENDPOINTS), headers=headers, body=bodies)
def test_whatever_body_comes_is_answered(app, path, headers, body) -> None:
    head = [(b"content-type", b"application/json"), *headers]
    check(app, run(app, Wire("POST", path, head), body))


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]),
    path=st.sampled_from(ENDPOINTS),
    rest=st.text(max_size=10),
    query=latin,
    headers=headers,
)
def test_whatever_path_and_headers_come_are_answered(
    app, method, path, rest, query, headers
) -> None:
    raw = (path + rest).encode("utf-8", "replace")
    wire = Wire(method, path + rest, headers, raw_path=raw, query_string=query)
    check(app, run(app, wire, b"{}"))


@given(arguments=st.binary(max_size=30) | trees.map(lambda tree: json.dumps(tree).encode()))
def test_whatever_arguments_a_query_is_got_with(app, arguments) -> None:
    coded = b"".join(b"%%%02x" % byte for byte in arguments)
    query = b"path=served:echo&format=json&args=" + coded
    check(app, run(app, Wire("GET", "/api/query", query_string=query), b""))
