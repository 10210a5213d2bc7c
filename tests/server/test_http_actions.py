"""HTTP actions: what they see, what they answer, and how they end."""

import asyncio
import logging

import pytest
from tests.server import application
from tests.server.asgi import Wire, ask, serve
from tests.services import issuing

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    application.events.clear()
    with testing.database(application) as database:
        yield database


@pytest.fixture
def app(db):
    return db.asgi()


def test_an_action_answers_at_its_path(app, db):
    response = ask(app, "GET", "/hello", params={"name": "Ada"})
    assert (response.status_code, response.text) == (200, "Hello, Ada.")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-length"] == "11"


def test_what_an_action_commits_names_the_request(app, db):
    response = ask(app, "POST", "/notes", json={"text": "tea"})
    assert response.status_code == 201
    assert response.headers["location"] == "/notes"
    request_id = response.json()["id"]
    assert response.headers["x-request-id"] == request_id
    (entry,) = [entry for entry in db.log.read() if entry.origin.function == "application:write"]
    assert entry.origin.request_id == request_id
    assert ask(app, "GET", "/notes").json() == ["tea"]


@pytest.mark.parametrize("prefix", ["/echo/", "/sync-echo/"])
def test_a_request_is_seen_as_it_was_sent(app, prefix):
    response = ask(
        app,
        "POST",
        f"{prefix}a%20b/%C3%A4?x=1&x=2&y=&z=%26",
        headers=[("Cookie", "a=1"), ("cookie", "b=2")],
        content=b"\x00\xff",
    )
    assert response.json() == {
        "method": "POST",
        "path": f"{prefix}a b/ä",
        "query": [["x", "1"], ["x", "2"], ["y", ""], ["z", "&"]],
        "cookies": ["a=1", "b=2"],
        "body": "\x00\xff",
        "who": None,
        "authorization": None,
    }


def test_head_is_answered_by_get_without_the_body(app):
    for path in ("/hello", "/stream", "/stream-on-thread"):
        application.gates["closed"] = asyncio.Event()
        response = ask(app, "HEAD", path)
        assert (response.status_code, response.content) == (200, b"")
    assert ask(app, "HEAD", "/hello").headers["content-length"] == "11"


def test_another_method_is_told_which_ones_there_are(app):
    response = ask(app, "PATCH", "/notes")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "PUT"}


def test_a_path_without_an_action_is_not_found(app):
    for path in ("/", "/hell", "/hello/", "/echo", "/notes/1"):
        response = ask(app, "GET", path)
        assert response.status_code == 404
        assert path in response.text


def test_a_header_may_be_sent_several_times(app):
    response = ask(app, "GET", "/cookies")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers["x-umlaut"].encode("latin-1") == b"\xe4"


def test_a_response_without_content_has_no_length(app):
    response = ask(app, "DELETE", "/empty")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers


def test_what_went_wrong_stays_inside(app, caplog):
    for path in ("/failing/x", "/sync-failing/x", "/failing/type", "/sync-failing/type"):
        response = ask(app, "GET", path)
        assert response.status_code == 500
        facts = response.json()
        request_id = response.headers["x-request-id"]
        assert facts == {
            "code": "server_error",
            "message": "Server Error",
            "requestId": request_id,
        }
        assert request_id in caplog.text
    assert "the secret of the house" in caplog.text


def test_in_dev_mode_everybody_is_told_what_went_wrong(db):
    facts = ask(db.asgi(dev=True), "GET", "/failing/x").json()
    assert facts["message"] == "KeyError: 'the secret of the house'"
    assert "in failing" in facts["trace"]


def test_what_the_application_says_reaches_the_client(app):
    response = ask(app, "GET", "/failing/application")
    assert response.status_code == 500
    facts = response.json()
    assert facts["code"] == "application"
    assert facts["data"] == {"code": "SOLD_OUT", "left": 0, "token": {"$bytes": "AQ=="}}


def test_a_rate_limit_says_when_to_come_again(app):
    response = ask(app, "GET", "/failing/rate")
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a": NaN}',
        b"1" * 5000,
        b'"\\ud800"',
        b"",
        b"\xef\xbb\xbf{}",
    ],
)
def test_a_body_that_is_no_json_is_the_fault_of_the_client(app, body):
    response = ask(app, "POST", "/failing/json", content=body)
    assert response.status_code == 400
    assert response.json()["code"] == "request_invalid"


def test_every_text_of_a_json_body_can_be_stored(app, db):
    ask(app, "POST", "/notes", content=b'{"text": "\\ud83d\\ude00"}')
    assert db.query(application.texts) == ["\U0001f600"]


# Bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/upload", "/notes", "/echo/"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_that_is_too_large_is_refused_as_soon_as_it_is(path, is_declared):
    limits = hw.Limits(http_body_bytes=1000)
    with testing.database(application, limits=limits) as db:
        taken = []

        async def pieces():
            for _ in range(100):
                taken.append(1)
                yield b"x" * 100

        async def talk(client):
            headers = {"content-length": "10000"} if is_declared else {}
            return await client.post(path, content=pieces(), headers=headers)

        response = serve(db.asgi(), talk)
        assert response.status_code == 413
        assert len(taken) == (0 if is_declared else 11)


@pytest.mark.parametrize("size", [999, 1000])
def test_a_body_within_the_limit_is_taken(size):
    limits = hw.Limits(http_body_bytes=1000)
    with testing.database(application, limits=limits) as db:
        response = ask(db.asgi(), "POST", "/upload", content=b"x" * size)
        assert response.json()["bytes"] == size


@pytest.mark.parametrize("path", ["/upload", "/notes"])
def test_a_body_that_does_not_come_is_given_up(db, path):
    async def talk():
        wire = Wire("POST", path)
        wire.give(b"{", more=True)
        answering = asyncio.create_task(wire.run(db.asgi()))
        while not wire.incoming.empty():
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        db.clock.advance(seconds=db.limits.http_body_seconds + 1)
        await answering
        return wire.status

    assert asyncio.run(talk()) == 408


@pytest.mark.parametrize("path", ["/upload", "/notes"])
def test_a_client_that_goes_away_before_its_body_is_there_is_not_answered(db, path, caplog):
    async def talk():
        wire = Wire("POST", path)
        wire.give(b"{", more=True)
        wire.go()
        await wire.run(db.asgi())
        return wire.sent

    with caplog.at_level(logging.INFO, "headwater.http"):
        assert asyncio.run(talk()) == []
    assert "has gone" in caplog.text


def test_a_body_is_streamed_once_and_read_as_often_as_one_likes():
    async def pieces():
        yield b"a"
        yield b"b"

    async def talk():
        request = hw.Request("POST", "/", body=pieces())
        assert await request.body() == b"ab"
        assert await request.text() == "ab"
        assert [chunk async for chunk in request.stream()] == [b"ab"]
        request = hw.Request("POST", "/", body=pieces())
        assert [chunk async for chunk in request.stream()] == [b"a", b"b"]
        with pytest.raises(hw.UsageError, match="streamed before"):
            await request.body()

    asyncio.run(talk())


# Its life ---------------------------------------------------------------------------------------


def test_an_action_goes_on_when_its_request_is_given_up(db):
    async def talk():
        gates = application.gates
        gates |= {"go on": asyncio.Event(), "done": asyncio.Event()}
        wire = Wire("POST", "/waiting")
        wire.give()
        answering = asyncio.create_task(wire.run(db.asgi()))
        while application.events != ["begun"]:
            await asyncio.sleep(0)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert db.query(application.texts) == []
        gates["go on"].set()
        await gates["done"].wait()

    asyncio.run(talk())
    assert db.query(application.texts) == ["after all"]


def test_an_action_ends_at_its_time_limit(db):
    async def talk():
        application.gates["begun"] = asyncio.Event()
        wire = Wire("GET", "/slow")
        wire.give()
        answering = asyncio.create_task(wire.run(db.asgi()))
        await application.gates["begun"].wait()
        db.clock.advance(seconds=6)
        await answering
        return wire.status

    assert asyncio.run(talk()) == 500


def test_when_the_database_is_closed_requests_end(db):
    async def talk():
        application.gates["begun"] = asyncio.Event()
        wire = Wire("GET", "/slow")
        wire.give()
        answering = asyncio.create_task(wire.run(db.asgi()))
        await application.gates["begun"].wait()
        await asyncio.to_thread(db.close)
        await answering
        return wire.status

    assert asyncio.run(talk()) == 503


# Streams ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/stream", "/stream-on-thread"])
def test_a_response_is_sent_piece_by_piece_and_its_action_lasts_until_then(db, path):
    application.gates["closed"] = asyncio.Event()
    response = ask(db.asgi(), "GET", f"{path}?count=50")
    assert response.text == "".join(f"{number};" for number in range(50))
    assert len(db.query(application.texts)) == 50
    assert application.events[-1] == "closed"


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_a_stream_ends_when_nobody_takes_it_any_more(db, spec_version):
    async def talk():
        application.gates["closed"] = asyncio.Event()
        wire = Wire("GET", "/stream", query_string=b"count=1000000")
        wire.scope["asgi"] = {"version": "3.0", "spec_version": spec_version}
        wire.give()
        is_gone = False
        send = wire.send

        async def send_until_gone(message):
            if is_gone:
                raise OSError("gone")
            await send(message)

        wire.send = send_until_gone
        answering = asyncio.create_task(wire.run(db.asgi()))
        while len(wire.sent) < 5:
            await asyncio.sleep(0)
        is_gone = True
        wire.go()
        await asyncio.gather(answering, return_exceptions=True)
        await application.gates["closed"].wait()

    asyncio.run(talk())
    assert application.events[-1] == "closed"


def test_a_slow_receiver_is_waited_for(db):
    async def talk():
        application.gates["closed"] = asyncio.Event()
        wire = Wire("GET", "/stream", query_string=b"count=1000")
        wire.give()
        taken = asyncio.Semaphore(0)
        send = wire.send

        async def send_slowly(message):
            await taken.acquire()
            await send(message)

        wire.send = send_slowly
        answering = asyncio.create_task(wire.run(db.asgi()))
        for _ in range(20):
            taken.release()
            for _ in range(50):
                await asyncio.sleep(0)
        made = sum(event.startswith("made") for event in application.events)
        assert made < 50
        for _ in range(2000):
            taken.release()
        await answering
        return wire.body

    assert asyncio.run(talk()).count(b";") == 1000


def test_a_stream_that_fails_in_the_middle_breaks_off(db, caplog):
    async def talk():
        wire = Wire("GET", "/broken-stream")
        wire.give()
        with pytest.raises(ConnectionError):
            await wire.run(db.asgi())
        return wire

    wire = asyncio.run(talk())
    assert wire.body == b"begun"
    assert all(message.get("more_body", True) for message in wire.sent)
    assert "in the middle" in caplog.text


# Who calls --------------------------------------------------------------------------------------


def identify(token):
    return hw.Identity(token) if token in {"ada", "grace"} else None


@pytest.mark.parametrize("path", ["/echo/", "/sync-echo/"])
@pytest.mark.parametrize(
    ("header", "who"),
    [
        ("Bearer ada", "ada"),
        ("bearer  grace ", "grace"),
        ("Bearer nobody", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic ada", None),
        ("ada", None),
        ("", None),
    ],
)
def test_a_bearer_token_says_who_calls(db, path, header, who):
    response = ask(db.asgi(identify=identify), "GET", path, headers={"Authorization": header})
    facts = response.json()
    assert facts["who"] == who
    assert facts["authorization"] == header


def test_two_tokens_are_none(db):
    both = [("Authorization", "Bearer ada"), ("Authorization", "Bearer grace")]
    assert ask(db.asgi(identify=identify), "GET", "/echo/", headers=both).json()["who"] is None


def test_who_mounts_the_application_may_say_who_calls(db):
    app = db.asgi(identify=identify)
    with hw.acting_as(hw.Identity("root")):
        assert ask(app, "GET", "/echo/").json()["who"] == "root"
        bad = {"Authorization": "Bearer nobody"}
        assert ask(app, "GET", "/echo/", headers=bad).json()["who"] is None


def test_the_tokens_of_the_databases_providers_are_believed():
    with testing.database(application, providers=[issuing.provider()]) as db:
        for token, who in [(issuing.signed(), "ada"), (issuing.signed() + "x", None)]:
            given = {"Authorization": f"Bearer {token}"}
            response = ask(db.asgi(), "GET", "/echo/", headers=given)
            assert (response.status_code, response.json()["who"]) == (200, who)


def test_keys_that_cannot_be_had_are_nobodys_fault():
    def fail():
        raise TimeoutError

    far = issuing.provider(jwks="https://issuer.example/jwks.json")
    with testing.database(application, providers=[far]) as db:
        db._services.identification._verifier._trusted[0].keys._read = fail
        given = {"Authorization": f"Bearer {issuing.signed()}"}
        response = ask(db.asgi(), "GET", "/echo/", headers=given)
    assert response.status_code == 503
    assert response.json()["code"] == "token_keys_unavailable"


# Responses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: hw.Response("x", status=99),
        lambda: hw.Response("x", status=600),
        lambda: hw.Response("x", status=True),
        lambda: hw.Response("x", status=204),
        lambda: hw.Response({"a": 1}),
        lambda: hw.Response(None),
        lambda: hw.Response("x", headers={"X-A": "b\r\nSet-Cookie: c=1"}),
        lambda: hw.Response("x", headers={"X-A": "b\n"}),
        lambda: hw.Response("x", headers={"X A": "b"}),
        lambda: hw.Response("x", headers={"": "b"}),
        lambda: hw.Response("x", headers={"X-A": "\u20ac"}),
        lambda: hw.Response("x", headers={"Content-Length": "5"}),
        lambda: hw.Response("x", headers={"Transfer-Encoding": "chunked"}),
        lambda: hw.Response("x", content_type="text/plain\r\nX-A: b"),
        lambda: hw.Response.json({"a": b"bytes"}),
        lambda: hw.Response.json(float("nan")),
        lambda: hw.Response.json("\ud800"),
    ],
)
def test_a_response_that_cannot_be_sent_is_refused_where_it_is_made(make):
    with pytest.raises(hw.ArgumentError):
        make()


def test_the_type_of_a_response_is_what_is_said_or_what_it_is():
    def kind(*args, **options):
        return hw.Response(*args, **options).headers.get("content-type")

    assert kind("text") == "text/plain; charset=utf-8"
    assert kind(b"bytes") == "application/octet-stream"
    assert kind() is None
    assert kind("<p>", content_type="text/html") == "text/html"
    assert kind("<p>", headers={"Content-Type": "text/html"}) == "text/html"
    assert kind("<p>", headers={"Content-Type": "a/b"}, content_type="text/html") == "text/html"
    assert hw.Response.json([1, "ä"]).content == '[1,"ä"]'.encode()


def test_headers_are_found_in_upper_and_lower_case():
    headers = hw.Headers([("X-A", "1"), ("x-a", "2"), ("Authorization", "Bearer secret")])
    assert headers["x-A"] == "1"
    assert headers.get_all("X-a") == ["1", "2"]
    assert dict(headers) == {"x-a": "1", "authorization": "Bearer secret"}
    assert (len(headers), "X-B" in headers, headers.get("x-b")) == (2, False, None)
    assert "secret" not in repr(headers)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], {}),
        (["a=1; b=2"], {"a": "1", "b": "2"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),  # as HTTP/2 may send them
        (["a=1;b=x=y;  c= ;d"], {"a": "1", "b": "x=y", "c": ""}),
        (["a=first; a=second", "a=third"], {"a": "first"}),
        (["=x; ;; __Host-a=1"], {"__Host-a": "1"}),
    ],
)
def test_cookies_are_read_as_browsers_send_them(fields, expected):
    headers = [("Cookie", field) for field in fields]
    for kind in (hw.Request, hw.SyncRequest):
        assert kind("GET", "/", headers=headers).cookies == expected
