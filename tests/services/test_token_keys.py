"""Where keys come from, and when they are looked for again."""

import base64
import contextlib
import datetime as dt
import http.server
import json
import ssl
import threading
import urllib.error
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given
from hypothesis import strategies as st
from tests.services import issuing
from tests.services.issuing import EC, JWKS, OTHER_RSA, header, jwk, provider, signed

import headwater as hw
from headwater.services import key_fetching
from headwater.services.key_fetching import fetch
from headwater.services.token_keys import FRESH_SECONDS, REFRESH_SECONDS, STALE_SECONDS
from headwater.services.tokens import TokenVerifier

ADDRESS = "https://issuer.example/jwks.json"
NEW = jwk("RS256", OTHER_RSA, kid="new")
WITH_NEW = {"keys": [*JWKS["keys"], NEW]}
NEW_TOKEN = signed(header(kid="new"), key=OTHER_RSA)


class Provider:
    """Answers as a provider does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.answer: Any = json.dumps(JWKS).encode()
        self.asked = 0
        self.clock = issuing.clock()
        self.verifier = TokenVerifier([provider(jwks=ADDRESS)], self.clock, self.fetch)

    def fetch(self, address: str) -> bytes:
        assert address == ADDRESS
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def publish(self, jwks: Any) -> None:
        self.answer = json.dumps(jwks).encode()

    def good(self, kid: str = "rsa", key: Any = issuing.RSA) -> str:
        """A token that is good now, whatever the time is."""
        now = self.clock.now.timestamp()
        body = issuing.claims(exp=now + 60, nbf=None, iat=None)
        return signed(header(kid=kid), body, key=key)

    def outcome(self, kid: str = "rsa", key: Any = issuing.RSA) -> str:
        try:
            return self.verifier.verify(self.good(kid, key)).identity.subject
        except hw.TokenInvalidError as error:
            return error.reason
        except hw.TokenKeysUnavailableError:
            return "unavailable"


@pytest.fixture
def site() -> Provider:
    return Provider()


# Sources ------------------------------------------------------------------------------------------


def data_urls() -> dict[str, str]:
    text = json.dumps(JWKS)
    encoded = base64.b64encode(text.encode()).decode()
    return {
        "base64": f"data:application/json;base64,{encoded}",
        "with a charset": f"data:application/json;charset=utf-8;base64,{encoded}",
        "percent": "data:application/json," + text.replace("%", "%25").replace(" ", "%20"),
        "without a type": f"data:,{text}",
    }


@pytest.mark.parametrize("name", data_urls())
def test_keys_may_be_in_a_data_url(name: str) -> None:
    verifier = TokenVerifier([provider(jwks=data_urls()[name])], issuing.clock())
    assert verifier.verify(signed()).identity.subject == "ada"


@pytest.mark.parametrize(
    "jwks",
    ["data:", "data:application/json;base64,!!!", "data:,[]", "data:,{", "data:,{}",
     'data:,{"keys": {}}', 'data:,{"keys": []}', {}, {"keys": None}, {"keys": []},
     "/nowhere/jwks.json"],
)  # fmt: skip
def test_keys_that_are_not_there_are_told_of_at_the_opening(jwks: Any) -> None:
    with pytest.raises(hw.DeclarationError, match=r"the keys of https://issuer\.example"):
        hw.open(None, providers=[provider(jwks=jwks)])


def test_a_file_is_looked_at_again_when_a_token_names_an_unknown_key(tmp_path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(JWKS))
    clock = issuing.clock()
    for place in (path, str(path)):
        verifier = TokenVerifier([provider(jwks=place)], clock)
        assert verifier.verify(signed()).identity.subject == "ada"
    path.write_text(json.dumps(WITH_NEW))
    assert verifier.verify(NEW_TOKEN).identity.subject == "ada"


def test_a_file_has_a_size(tmp_path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(json.dumps(JWKS).encode() + b" " * 2**20)
    with pytest.raises(hw.DeclarationError, match="more than"):
        TokenVerifier([provider(jwks=path)], issuing.clock())


# Addresses ----------------------------------------------------------------------------------------


def test_keys_are_fetched_at_the_first_token_and_kept(site: Provider) -> None:
    assert site.asked == 0
    for _ in range(5):
        assert site.outcome() == "ada"
        site.clock.advance(seconds=REFRESH_SECONDS)
    assert site.asked == 1


def test_an_unknown_key_has_them_fetched_once(site: Provider) -> None:
    assert site.outcome() == "ada"
    site.clock.advance(seconds=REFRESH_SECONDS)
    site.publish(WITH_NEW)
    assert site.outcome("new", OTHER_RSA) == "ada"
    assert site.outcome() == "ada"
    assert site.asked == 2


def test_unknown_keys_cannot_hammer_a_provider(site: Provider) -> None:
    for minute in range(3):
        for at in range(50):
            assert site.outcome(f"unknown {at}") == "key"
            site.clock.advance(seconds=REFRESH_SECONDS / 51)
        assert site.asked == minute + 1
        site.clock.advance(seconds=REFRESH_SECONDS)


def test_what_says_too_little_to_be_believed_has_nothing_fetched(site: Provider) -> None:
    for token in ("", "x.y.z", signed(header(alg="none")), signed(body=issuing.claims(iss="x")),
                  signed(body=issuing.claims(aud="x")), signed(header(crit=["x"]))):  # fmt: skip
        with pytest.raises(hw.TokenInvalidError):
            site.verifier.verify(token)
    assert site.asked == 0


def test_a_key_that_is_withdrawn_ends(site: Provider) -> None:
    assert site.outcome() == "ada"
    site.publish({"keys": [NEW]})
    site.clock.advance(seconds=FRESH_SECONDS - 1)
    assert site.outcome() == "ada"
    site.clock.advance(seconds=1)
    assert site.outcome() == "key"
    assert site.outcome("new", OTHER_RSA) == "ada"
    site.clock.advance(seconds=FRESH_SECONDS)
    site.publish({"keys": []})
    assert site.outcome("new", OTHER_RSA) == "key"


FAILURES = [
    TimeoutError("too late"),
    urllib.error.URLError("no such host"),
    ConnectionRefusedError(),
    ValueError("too large"),
    b"",
    b"<html>",
    b"[]",
    b'{"keys": 1}',
    b"[" * 100_000,
    b"\xff",
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_provider_that_cannot_be_reached_is_not_the_fault_of_the_token(
    site: Provider, failure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    site.answer = failure
    assert [site.outcome() for _ in range(3)] == ["unavailable"] * 3
    assert site.asked == 1
    with pytest.raises(hw.TokenKeysUnavailableError) as unavailable:
        site.verifier.verify(site.good())
    assert isinstance(unavailable.value, ConnectionError)
    assert unavailable.value.issuer == issuing.ISSUER
    assert "the keys of https://issuer.example could not be had" in caplog.text
    site.publish(JWKS)
    assert site.outcome() == "unavailable"
    site.clock.advance(seconds=REFRESH_SECONDS)
    assert site.outcome() == "ada"


@pytest.mark.parametrize("failure", FAILURES[:6], ids=repr)
def test_known_keys_outlive_a_provider_for_a_day(site: Provider, failure: Any) -> None:
    assert site.outcome() == "ada"
    site.answer = failure
    site.clock.advance(seconds=STALE_SECONDS - 1)
    assert site.outcome() == "ada"
    assert site.outcome("new", OTHER_RSA) == "key"
    assert site.asked == 2
    site.clock.advance(seconds=1)
    assert site.outcome() == "unavailable"
    site.publish(JWKS)
    site.clock.advance(seconds=REFRESH_SECONDS)
    assert site.outcome() == "ada"


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["rsa", "new", "unknown"])),
        st.tuples(st.just("pass"), st.sampled_from([1, 59, 60, 3599, 3600, 86400])),
        st.tuples(st.just("publish"), st.sampled_from([0, 1, 2])),
        st.tuples(st.just("fail"), st.none()),
    ),
    max_size=30,
)


@given(EVENTS)
def test_a_provider_is_asked_once_a_minute_at_most_and_no_key_is_older_than_a_day(
    events: Any,
) -> None:
    site, sets = Provider(), [JWKS, WITH_NEW, {"keys": [NEW]}]
    now, published, is_up, looks = 0.0, 0, True, []
    seen: dict[float, int] = {}
    for event, what in events:
        if event == "pass":
            site.clock.advance(seconds=what)
            now += what
        elif event == "publish":
            published, is_up = what, True
            site.publish(sets[what])
        elif event == "fail":
            is_up = False
            site.answer = TimeoutError()
        else:
            before = site.asked
            outcome = site.outcome(what, OTHER_RSA if what == "new" else issuing.RSA)
            looks += [now] * (site.asked - before)
            if site.asked > before and is_up:
                seen[now] = published
            age = now - max(seen, default=-1e9)
            if outcome == "unavailable":
                assert age >= STALE_SECONDS or not seen
            else:
                kids = {key["kid"] for key in sets[seen[max(seen)]]["keys"]}
                assert outcome == ("ada" if what in kids else "key")
                assert age < STALE_SECONDS
    assert all(b - a >= REFRESH_SECONDS for a, b in pairwise(looks))


def test_threads_that_meet_at_an_unknown_key_fetch_once(site: Provider) -> None:
    assert site.outcome() == "ada"
    site.clock.advance(seconds=REFRESH_SECONDS)
    site.publish(WITH_NEW)
    ready, outcomes = threading.Barrier(6), []

    def ask() -> None:
        ready.wait(60)
        outcomes.append(site.outcome("new", OTHER_RSA))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["ada"] * 6
    assert site.asked == 2


def test_known_keys_are_used_while_another_thread_fetches(site: Provider) -> None:
    assert site.outcome() == "ada"
    site.clock.advance(seconds=FRESH_SECONDS)
    asked, go_on, was_told = threading.Event(), threading.Event(), []
    answer = site.answer

    def slowly(_: str) -> bytes:
        asked.set()
        was_told.append(go_on.wait(20))
        return answer

    keys = site.verifier._trusted[0].keys
    keys._read = lambda: slowly(ADDRESS)
    thread = threading.Thread(target=site.outcome)
    thread.start()
    assert asked.wait(60)
    assert site.outcome() == "ada"
    go_on.set()
    thread.join()
    assert was_told == [True], "nobody has waited for it"


# Fetching, from a server of this machine that has a certificate -----------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Any:
    """Files of a certificate for localhost, and its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(EC, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key = EC.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(key)
    return folder


Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


class Site:
    """A server on the loopback, of which each path answers as it is told."""

    def __init__(self, folder: Any) -> None:
        self.paths: dict[str, Respond] = {}
        self.asked: list[tuple[str, Any]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                site.paths[self.path](self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
        self.server.daemon_threads = True
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.server.socket = served.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.trusting = ssl.create_default_context(cafile=folder / "cert.pem")
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def address(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def fetch(self, path: str) -> bytes:
        return fetch(self.address(path), context=self.trusting)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server(certificate, monkeypatch) -> Iterator[Site]:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site(certificate)
    yield site
    site.close()


def answering(content: bytes, status: int = 200, **headers: str) -> Respond:
    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        with contextlib.suppress(OSError):  # whoever asked has had enough
            handler.wfile.write(content)

    return respond


def test_a_whole_provider_works(server: Site) -> None:
    server.paths["/jwks.json"] = answering(json.dumps(JWKS).encode())
    verifier = TokenVerifier(
        [provider(jwks=server.address("/jwks.json"))],
        issuing.clock(),
        lambda address: fetch(address, context=server.trusting),
    )
    assert verifier.verify(signed()).identity.subject == "ada"
    server.paths["/jwks.json"] = answering(json.dumps(WITH_NEW).encode())
    with pytest.raises(hw.TokenInvalidError, match="names no key"):
        verifier.verify(NEW_TOKEN)
    ((path, headers),) = server.asked
    assert path == "/jwks.json"
    assert headers["User-Agent"] == f"headwater/{hw.__version__}"
    assert "Authorization" not in headers


def test_an_unknown_certificate_is_not_trusted(server: Site) -> None:
    server.paths["/"] = answering(b"{}")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(server.address("/"))
    other = f"https://127.0.0.1:{server.port}/"
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(other, context=server.trusting)
    assert server.asked == []


def test_a_redirect_to_the_same_host_is_followed(server: Site) -> None:
    server.paths["/old"] = answering(b"", 302, Location="/new")
    server.paths["/new"] = answering(b"keys")
    assert server.fetch("/old") == b"keys"


@pytest.mark.parametrize(
    "target",
    ["http://localhost:{}/secret", "https://127.0.0.1:{}/secret", "https://localhost/secret",
     "https://localhost.attacker.example/", "https://169.254.169.254/latest/meta-data/",
     "https://10.0.0.1/", "https://[::1]:{}/secret", "file:///etc/passwd", "ftp://localhost/x",
     "//attacker.example/", "https://localhost:99999/", "gopher://localhost:{}/"],
)  # fmt: skip
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_anywhere_else_is_not(server: Site, target: str, status: int) -> None:
    location = target.format(server.port)
    server.paths["/old"] = answering(b"", status, Location=location)
    server.paths["/secret"] = answering(b"secret")
    with pytest.raises((OSError, ValueError), match=r"another host|not allowed|out of range"):
        server.fetch("/old")
    assert [path for path, _ in server.asked] == ["/old"]


def test_a_redirect_to_another_port_is_not(server: Site, certificate: Any) -> None:
    other = Site(certificate)
    other.paths["/secret"] = answering(b"secret")
    server.paths["/old"] = answering(b"", 302, Location=other.address("/secret"))
    with pytest.raises(OSError, match="another host"):
        server.fetch("/old")
    assert other.asked == []
    assert other.fetch("/secret") == b"secret"
    other.close()


def test_redirects_end(server: Site) -> None:
    for at in range(9):
        server.paths[f"/{at}"] = answering(b"keys", 302 if at < 8 else 200, Location=f"/{at + 1}")
    assert server.fetch("/5") == b"keys"
    with pytest.raises(OSError, match="redirect"):
        server.fetch("/4")


@pytest.mark.parametrize("status", [404, 400, 401, 500, 503])
def test_an_error_is_no_key_set(server: Site, status: int) -> None:
    server.paths["/"] = answering(json.dumps(JWKS).encode(), status)
    with pytest.raises(OSError, match=str(status)):
        server.fetch("/")


def test_an_answer_has_a_size(server: Site) -> None:
    server.paths["/most"] = answering(b"x" * 2**20)
    server.paths["/more"] = answering(b"x" * (2**20 + 1))
    assert len(server.fetch("/most")) == 2**20
    with pytest.raises(ValueError, match="more than"):
        server.fetch("/more")


def test_an_answer_that_does_not_come_is_not_waited_for(server: Site, monkeypatch) -> None:
    monkeypatch.setattr(key_fetching, "FETCH_SECONDS", 0.05)
    go_on = threading.Event()
    server.paths["/"] = lambda handler: go_on.wait(60) and None
    with pytest.raises(OSError, match="timed out"):
        server.fetch("/")
    go_on.set()


def test_an_answer_that_comes_in_drops_is_not_waited_for(server: Site, monkeypatch) -> None:
    """Each drop comes in time, and the whole does not: by a clock that is set by hand."""
    seconds = iter(range(0, 10**6, 2))
    monkeypatch.setattr(
        key_fetching.SystemClock, "__init__",
        lambda self: setattr(self, "monotonic", lambda: next(seconds)),
    )  # fmt: skip

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 100_000)

    server.paths["/"] = drip
    with pytest.raises(TimeoutError, match="takes more than"):
        server.fetch("/")


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "data", "HTTP"])
def test_nothing_but_https_is_fetched(server: Site, scheme: str) -> None:
    with pytest.raises((OSError, ValueError)):
        fetch(f"{scheme}://localhost:{server.port}/", context=server.trusting)
    assert server.asked == []
