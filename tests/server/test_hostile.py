"""Hostile bytes on a socket: no 5xx, no traces, no smuggling, and everybody else is served."""

import re

import pytest
from tests.server import application
from tests.server.loopback import serving, talk

import headwater as hw
from headwater import testing

HOST = b"Host: h\r\nConnection: close\r\n"
SECRET = "s3cret"


@hw.webhook("/hooks/stripe", verifier=hw.webhooks.stripe(SECRET))
def on_stripe(ctx: hw.MutationCtx, event: hw.WebhookEvent) -> None:
    application.write(ctx, text=event.id)


@hw.webhook("/hooks/github", verifier=hw.webhooks.github(SECRET))
def on_github(ctx: hw.MutationCtx, event: hw.WebhookEvent) -> None:
    application.write(ctx, text=event.id)


@pytest.fixture(scope="module")
def served():
    limits = hw.Limits(http_body_bytes=10_000, webhook_body_bytes=10_000, api_body_bytes=10_000)
    with (
        testing.database(application, __name__, limits=limits) as db,
        serving(db.asgi(identify=lambda _: None, api=True, admin_token=SECRET * 3)) as port,
    ):
        yield db, port


def get(path: bytes, headers: bytes = b"", method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method, path, HOST, headers)


def post(path: bytes, body: bytes, headers: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\n%s%s%s\r\n%s" % (path, HOST, length, headers, body)


def chunked(path: bytes, coded: bytes, headers: bytes = b"") -> bytes:
    head = HOST + b"Transfer-Encoding: chunked\r\n" + headers
    return b"POST %s HTTP/1.1\r\n%s\r\n%s" % (path, head, coded)


SMUGGLED = post(b"/notes", b'{"text": "smuggled"}')
JSON = b"Content-Type: application/json\r\n"
CALL = b'{"path": "application:write", "args": {"text": "forged"}}'

FINISHED = {
    # Request lines
    "no request": b"\r\n\r\n\r\n\r\n\x00",
    "noise": bytes(range(256)) * 4 + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
    "HTTP/0.9": b"GET /hello\r\n\r\n",
    "HTTP/1.0": b"GET /hello HTTP/1.0\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of letters": b"GET /hello HTTP/a.b\r\n" + HOST + b"\r\n",
    "a version of its own": b"GET /hello HTTP/9.9\r\n" + HOST + b"\r\n",
    "no path": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "spaces in the path": get(b"/hello /x"),
    "tabs": b"GET\t/hello\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "a method of signs": get(b"/hello", method=b"G@T"),
    "a method of its own": get(b"/hello", method=b"BREW"),
    "TRACE": get(b"/hello", method=b"TRACE"),
    "CONNECT": get(b"h:80", method=b"CONNECT"),
    "a star": get(b"*", method=b"OPTIONS"),
    "an address": get(b"http://other/hello"),
    "another scheme": get(b"file:///etc/passwd"),
    "bytes in the path": get(b"/\xff\xfe"),
    "NUL in the path": get(b"/echo/\x00"),
    "NUL, coded": get(b"/echo/%00"),
    "no UTF-8, coded": get(b"/echo/%ff%fe"),
    "half a code": get(b"/echo/%"),
    "no code": get(b"/echo/%zz"),
    "a line break, coded": get(b"/echo/%0d%0aX-A:%20b"),
    "upwards": get(b"/echo/../../etc/passwd"),
    "upwards, coded": get(b"/echo/%2e%2e/%2e%2e/etc/passwd"),
    "two slashes": get(b"//hello"),
    "backslashes": get(b"/echo\\..\\x"),
    "a fragment": get(b"/hello#x"),
    "a path that goes on": get(b"/" + b"a" * 60_000),
    "a path without end": get(b"/" + b"a" * 200_000),
    "many slashes": get(b"/" * 60_000),
    "many parameters": get(b"/hello?" + b"a&" * 25_000),
    "parameters that are none": get(b"/hello?&&==&%&%zz&=&a=%ff"),
    "the database's own": get(b"/_storage/../x"),
    # Headers
    "no host": b"GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": get(b"/hello", b"Host: other\r\n"),
    "a host of signs": b"GET /hello HTTP/1.1\r\nHost: <>\r\nConnection: close\r\n\r\n",
    "no colon": get(b"/hello", b"Nonsense\r\n"),
    "a space before the colon": get(b"/hello", b"X-A : b\r\n"),
    "no name": get(b"/hello", b": b\r\n"),
    "a name of bytes": get(b"/hello", b"X-\xff: b\r\n"),
    "a value of bytes": get(b"/hello", b"X-A: \xff\xfe\r\n"),
    "NUL in a value": get(b"/hello", b"X-A: a\x00b\r\n"),
    "a folded value": get(b"/hello", b"X-A: a\r\n b\r\n"),
    "a lone carriage return": get(b"/hello", b"X-A: a\rX-B: b\r\n"),
    "lone line feeds": b"GET /hello HTTP/1.1\nHost: h\nConnection: close\n\n",
    "many headers": get(b"/hello", b"X-A: b\r\n" * 3000),
    "a large header": get(b"/hello", b"X-A: " + b"b" * 200_000 + b"\r\n"),
    "cookies": get(b"/echo/", b"Cookie: " + b"a=b;" * 5000 + b"\r\n"),
    "a token of bytes": get(b"/echo/", b"Authorization: Bearer \xff\xff\r\n"),
    "a large token": get(b"/echo/", b"Authorization: Bearer " + b"a" * 30_000 + b"\r\n"),
    "two tokens": get(b"/echo/", b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
    "a range": get(b"/hello", b"Range: bytes=99999999999999999999-\r\n"),
    "an expectation": get(b"/hello", b"Expect: miracles\r\n"),
    "an upgrade": get(b"/hello", b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n"),
    "an origin": get(b"/hello", b"Origin: null\r\nAccess-Control-Request-Method: X\r\n"),
    # Bodies
    "a length below 0": get(b"/hello", b"Content-Length: -1\r\n"),
    "a length of letters": get(b"/hello", b"Content-Length: ten\r\n"),
    "a length with a sign": get(b"/hello", b"Content-Length: +5\r\n") + b"aaaaa",
    "a length in hexadecimal": get(b"/hello", b"Content-Length: 0x5\r\n") + b"aaaaa",
    "a length of other digits": get(b"/hello", "Content-Length: \u0665\r\n".encode()),
    "two lengths": post(b"/echo/", b"aaaaa", b"Content-Length: 6\r\n") + SMUGGLED,
    "the same length twice": post(b"/echo/", b"aaaaa", b"Content-Length: 5\r\n"),
    "lengths in a list": get(b"/echo/", b"Content-Length: 5, 6\r\n") + b"aaaaa" + SMUGGLED,
    "a length that is too large": get(
        b"/upload", b"Content-Length: 99999999999\r\n", method=b"POST"
    ),
    "a length without end": get(b"/upload", b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "a body that is too large": post(b"/upload", b"a" * 20_000),
    "a body that is too large, on a thread": post(b"/notes", b"a" * 20_000),
    "a body that is too large, of a webhook": post(b"/hooks/stripe", b"a" * 20_000),
    "a body that nobody reads": post(b"/failing/application", b"a" * 1000),
    "a body of GET": get(b"/hello", b"Content-Length: 5\r\n") + b"aaaaa",
    "a body that is no JSON": post(b"/notes", b"{" * 5000),
    "a body that is nested": post(b"/notes", b"[" * 9000),
    "a body that is no object": post(b"/failing/json", b"\xff"),
    "half a surrogate": post(b"/notes", b'{"text": "\\udfff"}'),
    # Smuggling
    "length and chunks": chunked(
        b"/echo/", b"0\r\n\r\n" + SMUGGLED, b"Content-Length: %d\r\n" % (5 + len(SMUGGLED))
    ),
    "chunks and length": b"POST /echo/ HTTP/1.1\r\n%sContent-Length: 4\r\n" % HOST
    + b"Transfer-Encoding: chunked\r\n\r\n5c\r\n"
    + SMUGGLED
    + b"\r\n0\r\n\r\n",
    "chunks twice": chunked(b"/echo/", b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked\r\n"),
    "chunks and something else": chunked(
        b"/echo/", b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: identity\r\n"
    ),
    "chunks, misspelt": get(
        b"/echo/", b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", method=b"POST"
    )
    + SMUGGLED,
    "chunks, with a tab": get(
        b"/echo/", b"Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n", method=b"POST"
    )
    + b"0\r\n\r\n"
    + SMUGGLED,
    "chunks, hidden": get(
        b"/echo/", b"X: x\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", method=b"POST"
    )
    + b"0\r\n\r\n"
    + SMUGGLED,
    "a size that is no number": chunked(b"/echo/", b"xyz\r\naaa\r\n0\r\n\r\n"),
    "a size below 0": chunked(b"/echo/", b"-1\r\naaa\r\n0\r\n\r\n"),
    "a size without end": chunked(b"/echo/", b"f" * 40 + b"\r\naaa\r\n0\r\n\r\n"),
    "a chunk that is too long": chunked(b"/echo/", b"3\r\naaaaaa\r\n0\r\n\r\n"),
    "a chunk with an extension": chunked(
        b"/echo/", b"3;" + b"a" * 50_000 + b"\r\naaa\r\n0\r\n\r\n"
    ),
    "trailers": chunked(b"/echo/", b"0\r\nContent-Length: 5\r\nHost: x\r\n\r\n"),
    "chunks of HTTP/1.0": b"POST /echo/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n" + SMUGGLED,
    "a request behind one that closes": get(b"/hello") + SMUGGLED,
    # Webhooks
    "no signature": post(b"/hooks/stripe", b'{"id": "forged"}'),
    "an empty signature": post(b"/hooks/stripe", b"{}", b"Stripe-Signature:\r\n"),
    "a signature of bytes": post(b"/hooks/stripe", b"{}", b"Stripe-Signature: \xff=\xff\r\n"),
    "a time without end": post(
        b"/hooks/stripe", b"{}", b"Stripe-Signature: t=" + b"9" * 5000 + b",v1=00\r\n"
    ),
    "many signatures": post(
        b"/hooks/stripe", b"{}", b"Stripe-Signature: t=1704067200" + b",v1=00" * 4000 + b"\r\n"
    ),
    "a signature without an id": post(
        b"/hooks/github", b"{}", b"X-Hub-Signature-256: sha256=00\r\n"
    ),
    "an id without end": post(
        b"/hooks/github",
        b"{}",
        b"X-Hub-Signature-256: sha256=00\r\nX-GitHub-Delivery: " + b"a" * 5000 + b"\r\n",
    ),
    "GET of a webhook": get(b"/hooks/stripe"),
    # The API of clients
    "a call that is no JSON": post(b"/api/mutation", b"{" * 5000, JSON),
    "a call that is nested": post(b"/api/mutation", b'{"args":' + b"[" * 9000, JSON),
    "a call that is too large": post(b"/api/mutation", b"a" * 20_000, JSON),
    "a call without a type": post(b"/api/mutation", CALL),
    "a call as a form": post(
        b"/api/mutation", CALL, b"Content-Type: application/x-www-form-urlencoded\r\n"
    ),
    "a call of bytes": post(b"/api/mutation", b"\xff\xfe" * 100, JSON),
    "a call with two types": post(b"/api/mutation", b"{}", JSON + JSON),
    "a call with a token of bytes": post(
        b"/api/mutation", CALL, JSON + b"Authorization: Convex \xff\xff:\xff\r\n"
    ),
    "a call with a large token": post(
        b"/api/mutation", CALL, JSON + b"Authorization: Convex " + b"a" * 30_000 + b"\r\n"
    ),
    "a call with length and chunks": chunked(
        b"/api/mutation", b"0\r\n\r\n" + SMUGGLED, JSON + b"Content-Length: 90\r\n"
    ),
    "a path upwards": get(b"/api/run/../../etc/passwd"),
    "a path upwards, coded": post(b"/api/run/%2e%2e/%2e%2e/os/system", b"{}", JSON),
    "a file upwards": get(b"/api/storage/../../../../etc/passwd"),
    "a file upwards, coded": get(b"/api/storage/%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
    "a file with NUL": get(b"/api/storage/x%00?expires=1&signature=" + b"0" * 64),
    "a file with a query of bytes": get(b"/api/storage/x?expires=\xff"),
    "an upload without a token": post(b"/api/storage/upload/x", b"aaaaa"),
    "an upload without end": get(
        b"/api/storage/upload/x", b"Content-Length: 99999999999\r\n", method=b"POST"
    ),
    "arguments of a query that is got": get(b"/api/query?path=a&args=" + b"%5B" * 5000),
}

UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /hel",
    "half a head": b"GET /hello HTTP/1.1\r\nHost: h\r\n",
    "half a body": post(b"/upload", b"aaaaa")[:-2],
    "half a body, on a thread": post(b"/notes", b'{"text": "half"}')[:-2],
    "half a body of a webhook": post(b"/hooks/stripe", b"aaaaa")[:-2],
    "half a chunk": chunked(b"/upload", b"5\r\naa"),
    "no last chunk": chunked(b"/upload", b"2\r\naa\r\n"),
    "half a line break": b"GET /hello HTTP/1.1\r\nHost: h\r\n\r",
    "no wait for leave to send": post(b"/upload", b"aaaaa", b"Expect: 100-continue\r\n")[:-5],
}

ATTACKS = [(name, sent, False) for name, sent in FINISHED.items()]
ATTACKS += [(name, sent, True) for name, sent in UNFINISHED.items()]
_LEFT_INSIDE = re.compile(rb"Traceback|File \"|headwater[/.]|\.py|" + SECRET.encode())


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.[01] (\d{3})", received, re.MULTILINE)]


@pytest.mark.parametrize(
    ("sent", "ends"), [attack[1:] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS]
)
def test_hostile_bytes_harm_nobody(served, sent, ends, caplog):
    db, port = served
    received = talk(port, sent, ends=ends)
    own = 500 if b"/failing/application" in sent else None  # what that action means to say
    assert all(status < 500 or status == own for status in statuses(received)), received[:500]
    assert _LEFT_INSIDE.search(received) is None
    if not ends:
        assert len(statuses(received)) == 1, received[:500]
    assert not [entry for entry in caplog.records if entry.exc_info]
    assert db.query(application.texts) == []
    again = talk(port, get(b"/hello"), ends=False)
    assert statuses(again) == [200]
    assert again.endswith(b"Hello, you.")


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 100


ANSWERS = {
    "TLS": 400,
    "a method of its own": 405,
    "no host": 400,
    "a body that is too large": 413,
    "a body that is too large, of a webhook": 413,
    "a body that is no JSON": 400,
    "length and chunks": 200,
    "chunks, misspelt": 400,
    "no signature": 401,
    "many signatures": 401,
    "an id without end": 400,
    "GET of a webhook": 405,
    "a call that is no JSON": 400,
    "a call that is too large": 413,
    "a call without a type": 415,
    "a call as a form": 415,
    "a call with a large token": 401,
    "a file upwards, coded": 401,
}


def test_what_is_smuggled_would_be_noticed():
    with testing.database(application) as db, serving(db.asgi()) as port:
        assert statuses(talk(port, SMUGGLED, ends=False)) == [201]
        assert db.query(application.texts) == ["smuggled"]


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_wrong_is_said_by_the_status(served, name):
    assert statuses(talk(served[1], FINISHED[name], ends=False)) == [ANSWERS[name]]
