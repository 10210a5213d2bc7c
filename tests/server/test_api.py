"""The HTTP API for clients of Convex: functions, errors in their words, and who may call what."""

import asyncio
import json
import logging
from base64 import b64encode
from typing import Any

import httpx
import pytest
from tests.server import application, served
from tests.server.asgi import Wire, ask, serve

import headwater as hw
from headwater import testing

ADMIN = "a-token-of-administrators"


def identify(token: str) -> hw.Identity | None:
    if token == "expired":
        raise hw.TokenInvalidError("its time is up", reason="expired")
    if token == "no keys":
        raise hw.TokenKeysUnavailableError("nobody answers", issuer="https://issuer")
    return hw.Identity(token) if token == "ada" else None


class Api:
    """An application and what is asked of it."""

    def __init__(self, db: hw.Database, **options: Any) -> None:
        self.db = db
        self.app = db.asgi(api=True, identify=identify, admin_token=ADMIN, **options)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return ask(self.app, "POST", path, json=body, headers=headers)

    def call(self, kind: str, path: str, args: Any = None, **headers: str) -> dict[str, Any]:
        body = {"path": path, "args": args or {}, "format": "convex_encoded_json"}
        response = self.post(f"/api/{kind}", body, **headers)
        assert response.status_code == 200, response.text
        facts: dict[str, Any] = response.json()
        return facts

    def value(self, kind: str, path: str, args: Any = None, **headers: str) -> Any:
        facts = self.call(kind, path, args, **headers)
        assert facts["status"] == "success", facts
        return facts["value"]

    def refused(self, path: str, body: Any, **headers: str) -> tuple[int, str]:
        response = self.post(path, body, **headers)
        facts = response.json()
        assert facts.keys() == {"code", "message"}
        return response.status_code, facts["code"]


@pytest.fixture
def db():
    with testing.database(served) as db:
        yield db


@pytest.fixture
def api(db):
    return Api(db)


@pytest.fixture
def dev(db):
    return Api(db, dev=True)


# Functions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "served:writeNote",
        "served.js:writeNote",
        "served.py:writeNote",
        "served:write_note",
        "/served:writeNote",
    ],
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_function_is_found_in_every_spelling(api, path, wrapped) -> None:
    args = {"text": "tea", "count": 3}
    id = api.value("mutation", path, [args] if wrapped else args)
    found = api.db.get(hw.Id(id))
    assert found is not None
    assert (found["text"], repr(found["count"])) == ("tea", "3")


@pytest.mark.parametrize("path", ["served", "served.js", "served:default", "served.js:default"])
def test_a_module_alone_is_its_default_function(api, path) -> None:
    assert api.value("query", path) == "the default one"


def test_actions_of_both_kinds_run(api) -> None:
    assert api.value("action", "served:act", {"text": "a"}) == ["a"]
    assert api.value("action", "served:actOnThread", {"text": "b"}) == ["a", "b"]


def test_a_number_is_what_the_parameter_says(api) -> None:
    args = {
        "whole": 3.0,
        "number": 4,
        "big": {"$integer": "AQAAAAAAAAA="},
        "maybe": [1, 2.0],
        "either": 2.0,
        "level": 2,
        "newName": 1,
    }
    shown = ["3", "4.0", "Int64(1)", "[1, 2]", "2", "2", "None", "1"]
    assert api.value("query", "served:kinds", args) == shown


def test_numbers_are_written_with_a_point(api) -> None:
    response = api.post("/api/query", {"path": "served:echo", "args": {"value": 3}})
    assert '"value":3.0' in response.text


def test_the_clean_format_is_for_whoever_names_none(api) -> None:
    args = {"value": {"$integer": "AQAAAAAAAAA="}}
    body = {"path": "served:echo", "args": args}
    assert api.post("/api/query", body).json()["value"] == "1"
    encoded = api.post("/api/query", body | {"format": "convex_encoded_json"})
    assert encoded.json()["value"] == args["value"]
    assert api.refused("/api/query", body | {"format": "xml"}) == (400, "BadRequest")
    assert api.refused("/api/query", body | {"format": 1}) == (400, "BadRequest")


def test_a_query_can_be_got(api) -> None:
    params = {"path": "served:echo", "args": json.dumps({"value": 1}), "format": "json"}
    response = ask(api.app, "GET", "/api/query", params=params)
    assert response.json() == {"status": "success", "value": 1.0, "logLines": []}
    assert response.headers["cache-control"] == "no-store"
    head = ask(api.app, "HEAD", "/api/query", params=params)
    assert (head.status_code, head.content) == (200, b"")
    only = ask(api.app, "GET", "/api/query", params={"path": "served:writeNote"})
    assert only.json()["status"] == "error", "a mutation cannot be got"


def test_any_function_runs_by_an_address(api) -> None:
    assert api.post("/api/run/served/list", {"args": {}}).json()["value"] == []
    assert api.post("/api/run/served/writeNote", {"args": {"text": "x"}}).status_code == 200
    assert api.post("/api/run/served:list", {}).json()["value"] == ["x"]
    assert api.post("/api/run/served", {}).json()["value"] == "the default one"
    assert api.post("/api/run/served/secret", {}).json()["status"] == "error"


def test_commits_and_calls_have_the_id_of_the_request(api) -> None:
    response = api.post("/api/mutation", {"path": "served:writeNote", "args": {"text": "x"}})
    request_id = response.headers["convex-request-id"]
    assert response.headers["x-request-id"] == request_id
    (entry,) = api.db.log.read(api.db.ts - 1)
    assert entry.origin.request_id == request_id
    assert len(api.db.calls.recent(request_id=request_id)) == 1


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "data"),
    [
        ("data", {"code": "SOLD_OUT", "left": 0.0, "token": {"$bytes": "AQ=="}}),
        ("text", "sold out"),
        ("null", None),
        ("rate", {"code": "rate_limited", "name": "requests", "retry_after_seconds": 1.5}),
    ],
)
def test_the_application_says_no_with_data(api, how, data) -> None:
    facts = api.call("mutation", "served:fail", {"how": how})
    assert facts["status"] == "error"
    assert facts["errorData"] == data
    assert api.value("query", "served:list") == []


@pytest.mark.parametrize("how", ["other", "no value"])
def test_other_errors_say_nothing(api, how, caplog) -> None:
    with caplog.at_level(logging.ERROR, "headwater.server"):
        facts = api.call("mutation", "served:fail", {"how": how})
    assert facts.keys() == {"status", "errorMessage", "logLines"}
    request_id = facts["errorMessage"].removeprefix("[Request ID: ").partition("]")[0]
    assert facts["errorMessage"] == f"[Request ID: {request_id}] Server Error"
    assert facts["logLines"] == []
    (record,) = [one for one in caplog.records if one.name == "headwater.server"]
    assert request_id in record.getMessage()
    assert record.exc_info is not None


def test_developers_are_told_what_and_where(dev) -> None:
    facts = dev.call("mutation", "served:fail", {"how": "other"})
    assert "Uncaught KeyError: 'the secret of the house'\n    at fail (" in facts["errorMessage"]
    assert facts["logLines"] == ["[ERROR] 'fails'"]
    assert dev.call("query", "served:list")["logLines"] == ["[WARN] 'lists'"]


def test_wrong_arguments_are_told_to_everybody(api) -> None:
    facts = api.call("mutation", "served:writeNote", {"text": 5})
    assert "argument 'text': expected str, got 5.0 (float)" in facts["errorMessage"]
    assert "errorData" not in facts


def test_an_internal_function_is_as_unknown_as_none(api) -> None:
    for kind in ("query", "mutation", "action"):
        found = []
        for name in ("served:secret", "served:absent"):
            facts = api.call(kind, name)
            _, _, said = facts.pop("errorMessage").partition("\n")
            found.append((facts, said.replace(name, "it")))
        assert found[0] == found[1]


def test_developers_are_told_the_nearest_public_function(dev) -> None:
    said = dev.call("query", "served:lst")["errorMessage"]
    assert said.endswith(
        "Could not find public function for 'served:lst'. Did you mean 'served:list'?"
    )
    assert "secret" not in dev.call("query", "served:secre")["errorMessage"]


def test_what_a_function_keeps_too_long_is_its_own_error(api) -> None:
    facts = api.call("mutation", "served:fail", {"how": "closed"})
    assert facts["status"] == "error", "the server is not stopping"


def test_the_error_is_about_what_is_wrong(api) -> None:
    said = api.call("query", "served:kinds", {"maybe": [1, "x"]})["errorMessage"]
    assert "argument 'maybe[1]': expected int, got 'x'" in said


def test_a_function_of_another_kind_is_named(api) -> None:
    facts = api.call("query", "served:writeNote", {"text": "x"})
    said = "Trying to execute served:writeNote as Query, but it is defined as Mutation."
    assert said in facts["errorMessage"]


BAD: list[tuple[Any, str, int]] = [
    (b"{", "application/json", 400),
    (b"", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b"[]", "application/json", 400),
    (b"null", "application/json", 400),
    (b"{}", "application/json", 400),
    (b'{"path": 1}', "application/json", 400),
    (b'{"path": "served:list", "args": 1}', "application/json", 400),
    (b'{"path": "served:list", "args": [{}, {}]}', "application/json", 400),
    (b'{"path": "served:list", "args": {"$a": 1}}', "application/json", 400),
    (b'{"path": "served:echo", "args": {"value": NaN}}', "application/json", 400),
    (b'{"path": "served:echo", "args": {"value": 1e999}}', "application/json", 400),
    (b'{"path": "served:echo", "args": {"value": "\\ud800"}}', "application/json", 400),
    (b'{"a":' * 100_000, "application/json", 400),
    (b"[" * 100_000 + b"]" * 100_000, "application/json", 400),
    (b'{"path": "served:echo", "args": {"value": ' + b"9" * 5000 + b"}}", "application/json", 400),
    (b'{"path": "served:list", "args": {}}', "text/plain", 415),
    (b'{"path": "served:list", "args": {}}', "", 415),
]


@pytest.mark.parametrize(("body", "kind", "status"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_read_is_refused(api, body, kind, status) -> None:
    headers = {"content-type": kind} if kind else {}
    response = ask(api.app, "POST", "/api/query", content=body, headers=headers)
    assert response.status_code == status
    assert response.json().keys() == {"code", "message"}


WRONG_PATHS = [
    "../../os:system",
    "os:system",
    "headwater.functions.modules:collect",
    "served:__init__",
    "served:Notes",
    ":",
    "",
    "\x00",
    "\ud800",
    "a" * 100_000,
]


@pytest.mark.parametrize("path", WRONG_PATHS, ids=[path[:9] for path in WRONG_PATHS])
def test_a_path_leads_to_functions_only(api, path) -> None:
    body = json.dumps({"path": path, "args": {}})
    headers = {"content-type": "application/json"}
    response = ask(api.app, "POST", "/api/query", content=body, headers=headers)
    if "\\u" in body and path != "\x00":
        assert response.status_code == 400
        return
    message = response.json()["errorMessage"]
    assert "Could not find public function" in message
    assert len(message) < 1000


def test_another_method_is_not_answered(api) -> None:
    response = ask(api.app, "GET", "/api/mutation")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["code"] == "MethodNotAllowed"


def test_a_body_has_a_limit() -> None:
    with testing.database(served, limits=hw.Limits(api_body_bytes=1000)) as db:
        api = Api(db)

        def body(size: int) -> bytes:
            empty = json.dumps({"path": "served:echo", "args": {"value": ""}})
            filled = {"path": "served:echo", "args": {"value": "x" * (size - len(empty))}}
            return json.dumps(filled).encode()

        def status(size: int) -> int:
            headers = {"content-type": "application/json"}
            found = ask(api.app, "POST", "/api/query", content=body(size), headers=headers)
            return found.status_code

        assert [status(1000), status(1001), status(100_000)] == [200, 413, 413]


def test_large_arguments_and_results_go_through(api) -> None:
    value = [{"n": float(n), "s": "x" * 50} for n in range(5000)]
    assert api.value("query", "served:echo", {"value": value}) == value


def test_whoever_goes_away_is_not_answered(api) -> None:
    async def run() -> None:
        wire = Wire("POST", "/api/query", [(b"content-type", b"application/json")])
        wire.give(b"{", more=True)
        wire.go()
        await wire.run(api.app)
        assert wire.sent == []

    asyncio.run(run())


def test_a_closed_database_is_unavailable(db) -> None:
    api = Api(db)
    db.close()
    body = {"path": "served:list", "args": {}}
    assert api.refused("/api/query", body) == (503, "ServerStopping")


def test_what_answers_requests_is_no_function_for_clients() -> None:
    with testing.database(application) as db:
        api = Api(db)
        for name in ("hello", "echo", "addNote", "upload", "waiting"):
            for kind in ("query", "mutation", "action"):
                facts = api.call(kind, f"application:{name}", {})
                assert "Could not find public function" in facts["errorMessage"]


# One moment -------------------------------------------------------------------------------------


def test_queries_of_one_timestamp_see_the_same(api) -> None:
    api.value("mutation", "served:writeNote", {"text": "before"})
    ts = ask(api.app, "POST", "/api/query_ts").json()["ts"]
    api.value("mutation", "served:writeNote", {"text": "after"})
    body = {"path": "served:list", "args": {}, "ts": ts}
    assert api.post("/api/query_at_ts", body).json()["value"] == ["before"]
    assert api.value("query", "served:list") == ["before", "after"]


def test_the_past_is_not_for_clients(api) -> None:
    api.value("mutation", "served:writeNote", {"text": "before"})
    body = {"path": "served:list", "ts": ask(api.app, "POST", "/api/query_ts").json()["ts"]}
    api.db.clock.advance(hours=1)
    assert api.post("/api/query_at_ts", body).status_code == 200, "it is still the newest"
    api.value("mutation", "served:writeNote", {"text": "after"})
    api.db.clock.advance(seconds=30)
    assert api.post("/api/query_at_ts", body).json()["value"] == ["before"]
    api.db.clock.advance(seconds=1)
    assert api.refused("/api/query_at_ts", body) == (400, "OutOfRetention")
    assert api.refused("/api/query_at_ts", body | {"ts": "//////////8="}) == (400, "BadRequest")
    assert api.refused("/api/query_at_ts", body | {"ts": 1}) == (400, "BadRequest")


def test_a_batch_is_of_one_moment(api) -> None:
    api.value("mutation", "served:writeNote", {"text": "x"})
    one = {"path": "served:list", "args": {}}
    wrong = {"path": "served:absent", "args": {}}
    results = api.post("/api/query_batch", {"queries": [one, wrong, one]}).json()["results"]
    assert [result["status"] for result in results] == ["success", "error", "success"]
    assert results[0]["value"] == results[2]["value"] == ["x"]
    assert api.refused("/api/query_batch", {"queries": [one] * 101}) == (413, "RequestTooLarge")
    assert api.post("/api/query_batch", {"queries": [one] * 100}).status_code == 200
    assert api.refused("/api/query_batch", {"queries": [1]}) == (400, "BadRequest")
    assert api.refused("/api/query_batch", {}) == (400, "BadRequest")


# Who --------------------------------------------------------------------------------------------


def test_a_token_says_who_calls(api) -> None:
    assert api.value("query", "served:who") is None
    assert api.value("query", "served:who", authorization="Bearer ada") == ["ada", "local", {}]


@pytest.mark.parametrize(
    "authorization",
    ["Bearer bob", "Bearer expired", "Bearer", "Basic YTpi", "ada", "", "Convex", "Convex :",
     "Convex nobody", f"Convex {ADMIN}x", f"Convex {ADMIN}:!", f"Convex {ADMIN}:e30="],
)  # fmt: skip
def test_a_token_that_is_not_valid_is_refused(api, authorization) -> None:
    body = {"path": "served:who", "args": {}}
    status, code = api.refused("/api/query", body, authorization=authorization)
    assert status == 401
    assert code in {"InvalidAuthHeader", "BadDeployKey"}
    assert api.refused("/api/query", body, authorization="Bearer no keys")[0] == 503


def test_two_tokens_are_refused(api) -> None:
    async def twice(client: httpx.AsyncClient) -> httpx.Response:
        headers = [("authorization", "Bearer ada"), ("authorization", "Bearer ada")]
        return await client.post("/api/query", json={"path": "served:who"}, headers=headers)

    assert serve(api.app, twice).status_code == 401


def test_administrators_call_everything_as_anybody(api) -> None:
    body = {"path": "served:secret", "args": {}}
    key = f"Convex {ADMIN}"
    assert api.post("/api/function", body, authorization=key).json()["value"] == "of the house"
    assert api.post("/api/query", body, authorization=key).json()["value"] == "of the house"
    assert api.refused("/api/function", body) == (403, "Forbidden")
    assert api.refused("/api/function", body, authorization="Bearer ada") == (403, "Forbidden")
    who = b64encode(json.dumps({"subject": "eve", "issuer": "x", "level": 1}).encode()).decode()
    seen = api.value("query", "served:who", authorization=f"{key}:{who}")
    assert seen == ["eve", "x", {"level": 1.0}]


def test_who_guesses_the_admin_token_has_to_wait() -> None:
    with testing.database(served, limits=hw.Limits(sign_in_attempts=2)) as db:
        app = db.asgi(api=True, admin_token="t" * 32)

        def attempt(token: str) -> httpx.Response:
            headers = {"authorization": f"Convex {token}"}
            return ask(app, "GET", "/api/query?path=served:list", headers=headers)

        for number in range(2):
            assert attempt(f"a guess {number}").status_code == 401
        refused = attempt("t" * 32)
        assert (refused.status_code, refused.json()["code"]) == (429, "TooManyAttempts")
        db.clock.advance(seconds=int(refused.headers["retry-after"]))
        assert attempt("t" * 32).status_code == 200


def test_without_a_token_there_are_no_administrators(db) -> None:
    app = db.asgi(api=True)
    for key in ("", "None", "x" * 16):
        response = ask(
            app,
            "POST",
            "/api/query",
            json={"path": "served:list"},
            headers={"authorization": f"Convex {key}"},
        )
        assert response.status_code == 401


@pytest.mark.parametrize("token", ["", "short", "a" * 15, "a" * 16 + ":", "a b" * 16, "é" * 16])
def test_an_admin_token_has_to_be_a_secret_that_can_be_sent(db, token) -> None:
    with pytest.raises(hw.ArgumentError, match="admin_token"):
        db.asgi(api=True, admin_token=token)


def test_nothing_is_described_that_is_not_served(db) -> None:
    with pytest.raises(hw.ArgumentError, match="openapi"):
        db.asgi(openapi=True)


def test_the_middleware_around_may_say_who_calls(api) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with hw.acting_as(hw.Identity("of the session")):
            await api.app(scope, receive, send)

    response = ask(app, "POST", "/api/query", json={"path": "served:who", "args": {}})
    assert response.json()["value"][0] == "of the session"


# What is there ----------------------------------------------------------------------------------


def test_nothing_is_answered_unless_asked_for(db) -> None:
    app = db.asgi()
    for path in ("/api/query", "/api/query_ts", "/api/run/served/list", "/api/function"):
        assert ask(app, "POST", path, json={"path": "served:list"}).status_code == 404
    assert ask(app, "GET", "/version").status_code == 404


def test_tools_are_told_what_this_is(api) -> None:
    for path in ("/version", "/instance_version", "/instance_name"):
        response = ask(api.app, "GET", path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain")
        assert response.text


LOCAL = ["localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:8000", 421),
        ("[::1].evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_a_server_for_this_machine_is_for_no_other_name(db, host, status) -> None:
    app = db.asgi(api=True, hosts=LOCAL)
    body = {"path": "served:list", "args": {}}
    response = ask(app, "POST", "/api/query", json=body, headers={"host": host})
    assert response.status_code == status


def test_two_hosts_are_none(db) -> None:
    async def run() -> Wire:
        head = [(b"host", b"localhost"), (b"host", b"evil.example")]
        wire = Wire("GET", "/version", head)
        wire.give()
        await wire.run(db.asgi(api=True, hosts=LOCAL))
        return wire

    assert asyncio.run(run()).status == 421


@pytest.mark.parametrize("host", [b"localhost:1", b"evil.example"])
def test_sockets_are_for_these_hosts_too(db, host) -> None:
    async def run() -> list[str]:
        wire = Wire("GET", "/api/sync", [(b"host", host)], type="websocket", subprotocols=[])
        wire.incoming.put_nowait({"type": "websocket.connect"})
        wire.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await wire.run(db.asgi(api=True, hosts=LOCAL))
        return [message["type"] for message in wire.sent]

    sent = asyncio.run(run())
    assert sent[0] == ("websocket.close" if host == b"evil.example" else "websocket.accept")


@pytest.mark.parametrize("host", ["", "http://localhost", "localhost:80", "a.", "a/b:c"])
def test_a_host_is_a_name_or_an_address(db, host) -> None:
    with pytest.raises(hw.ArgumentError, match="hosts"):
        db.asgi(hosts=[host])
    with pytest.raises(hw.ArgumentError, match="hosts"):
        db.asgi(hosts="localhost")


def preflight(app: Any, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,convex-client",
    }
    return ask(app, "OPTIONS", "/api/query", headers=headers)


def test_pages_of_named_origins_may_call(db) -> None:
    api = Api(db, cors=["https://shop.example"])
    allowed = preflight(api.app, "https://shop.example")
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "convex-client" in allowed.headers["access-control-allow-headers"]
    for origin in ("https://evil.example", "http://shop.example", "http://localhost:3000", "null"):
        assert "access-control-allow-origin" not in preflight(api.app, origin).headers


def test_in_dev_mode_pages_of_this_machine_may_call(api, dev) -> None:
    for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "https://[::1]:8000"):
        assert preflight(dev.app, origin).headers["access-control-allow-origin"] == origin
        assert "access-control-allow-origin" not in preflight(api.app, origin).headers
    for origin in ("http://localhost.evil.example", "http://evil.example", "http://127.0.0.1.x"):
        assert "access-control-allow-origin" not in preflight(dev.app, origin).headers
