"""Who is let in, and what the page is allowed to do."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.dashboard import application
from tests.dashboard.asking import CHANGES, READS, TOKEN, Dashboard, Socket
from tests.server.asgi import ask

import headwater as hw
from headwater import testing


def test_nothing_answers_when_it_is_off(db):
    app = db.asgi(api=True, admin_token=TOKEN)
    for path in ("", "/", "/main.js", "/api/overview", "/api/rows"):
        for headers in ({}, {"authorization": f"Convex {TOKEN}"}):
            assert ask(app, "GET", f"/_dashboard{path}", headers=headers).status_code == 404
            assert ask(app, "POST", f"/_dashboard{path}", headers=headers).status_code == 404


def test_it_needs_an_admin_token(db):
    with pytest.raises(hw.ArgumentError, match="admin token"):
        db.asgi(dashboard=True)


def test_all_of_the_api_is_for_administrators(dashboard, general):
    before = dashboard.db.ts
    assert len(READS | CHANGES) == len(_api_paths(dashboard))
    for headers in (
        {"authorization": ""},
        {"authorization": "Convex a-wrong-token-of-many-letters"},
        {"authorization": f"Bearer {TOKEN}"},
        {"cookie": f"token={TOKEN}", "authorization": "Basic x"},
    ):
        with testing.database() as other:
            guarded = Dashboard(other)  # whose attempts nobody has used up
            for path in _api_paths(guarded)[:8]:
                method = "POST" if path in CHANGES else "GET"
                assert guarded.request(method, f"api/{path}", headers=headers).status_code == 401
    for path in _api_paths(dashboard):
        response = dashboard.request("GET", f"api/{path}", headers={"authorization": ""})
        assert response.status_code in (401, 405)
        assert response.headers.get("access-control-allow-origin") is None
    assert dashboard.db.ts == before


def _api_paths(dashboard: Dashboard) -> list[str]:
    found = [getattr(route, "path", "") for route in dashboard.app.routes]
    paths = {path.removeprefix("/_dashboard/api/") for path in found if "/_dashboard/api/" in path}
    return sorted(paths - {"live"})


def test_who_guesses_has_to_wait(db):
    with testing.database(limits=hw.Limits(sign_in_attempts=3)) as db:
        dashboard = Dashboard(db)

        def attempt(token):
            headers = {"authorization": f"Convex {token}"}
            return dashboard.request("GET", "api/overview", headers=headers)

        assert attempt("").status_code == 401  # no guess at all, and not counted
        for number in range(3):
            assert attempt(f"a-guess-{number}").status_code == 401
        refused = attempt(TOKEN)
        assert refused.status_code == 429
        assert refused.json()["code"] == "TooManyAttempts"
        db.runner.store.clock.advance(seconds=int(refused.headers["retry-after"]))
        assert attempt(TOKEN).status_code == 200
        assert attempt("a-guess-again").status_code == 401


def test_pages_of_other_origins_reach_nothing(db):
    app = db.asgi(dashboard=True, api=True, dev=True, cors=["*"], admin_token=TOKEN)
    foreign = {"origin": "https://elsewhere.example"}
    preflight = foreign | {
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    for path in ("/_dashboard/", "/_dashboard/api/overview"):
        response = ask(app, "OPTIONS", path, headers=preflight)
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers
        response = ask(app, "GET", path, headers=foreign | {"authorization": f"Convex {TOKEN}"})
        assert "access-control-allow-origin" not in response.headers
    # The rest of the application still lets them in.
    assert (
        ask(app, "GET", "/version", headers=foreign).headers["access-control-allow-origin"] == "*"
    )


def test_no_other_page_connects(dashboard):
    async def connect(origin):
        socket = Socket(dashboard.app, origin)
        socket.say({"token": TOKEN, "follow": "log"})
        heard = await socket.hear()
        if heard != 1008:
            await socket.leave()
        return heard

    assert asyncio.run(connect("https://elsewhere.example")) == 1008
    assert asyncio.run(connect("http://here")) != 1008


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"token": "wrong-token-wrong-token", "follow": "log"}, "BadDeployKey"),
        ({"follow": "log"}, "NotSignedIn"),
        ({"token": TOKEN, "follow": "everything"}, "BadRequest"),
        ("no JSON", "BadRequest"),
        ("[]", "BadRequest"),
        ({"token": TOKEN, "follow": "query", "path": "nothing:here", "arguments": "{}"}, None),
    ],
)
def test_a_connection_that_is_refused_says_why(dashboard, said, code):
    async def connect():
        socket = Socket(dashboard.app)
        socket.say(said)
        refusal = await socket.hear()
        assert await socket.hear() == 4400
        return refusal

    refusal = asyncio.run(connect())
    assert refusal["refused"] == (code or hw.FunctionNotFoundError.code)
    assert refusal["message"]


def test_the_page_is_kept_to_itself(dashboard):
    page = dashboard.request("GET", "", headers={"authorization": ""})
    assert page.status_code == 200
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son\w+=|https?://", page.text)
    for name in set(re.findall(r'(?:src|href)="([\w.]+)"', page.text)):
        part = dashboard.request("GET", name)
        assert part.status_code == 200
        assert part.headers["x-content-type-options"] == "nosniff"
        again = dashboard.request("GET", name, headers={"if-none-match": part.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_no_path_leads_out_of_the_page(dashboard):
    for path in ("../routes.py", "%2e%2e/routes.py", "..%2froutes.py", "static/main.js", "x.js"):
        assert dashboard.request("GET", path).status_code == 404
    assert dashboard.request("POST", "").status_code == 405


def test_the_way_to_the_page_holds_below_a_prefix(dashboard):
    response = dashboard.request("GET", "../_dashboard")
    assert (response.status_code, response.headers["location"]) == (307, "./_dashboard/")


def test_it_is_mounted_below_a_prefix(dashboard):
    outer = Starlette(routes=[Mount("/db", app=dashboard.app)])
    signed_in = {"authorization": f"Convex {TOKEN}"}
    assert ask(outer, "GET", "/db/_dashboard").headers["location"] == "./_dashboard/"
    assert ask(outer, "GET", "/db/_dashboard/").status_code == 200
    assert ask(outer, "GET", "/db/_dashboard/main.js").status_code == 200
    answer = ask(outer, "GET", "/db/_dashboard/api/overview", headers=signed_in)
    assert answer.status_code == 200


def test_it_is_for_the_named_hosts_only(db):
    app = db.asgi(dashboard=True, admin_token=TOKEN, hosts=["localhost"])
    for path in ("/_dashboard/", "/_dashboard/api/overview"):
        assert ask(app, "GET", path, headers={"host": "elsewhere.example"}).status_code == 421
        assert ask(app, "GET", path, headers={"host": "localhost"}).status_code in (200, 401)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("id", "ids", "ts", "text", "before", "table", "path", "arguments", "identity", "verb")


@given(
    path=st.sampled_from(sorted(CHANGES)),
    facts=st.dictionaries(st.sampled_from((*NAMES, "queue", "name", "at")), JSON),
)
def test_whatever_is_asked_for_is_answered_and_nothing_breaks(path, facts):
    with testing.database(application) as db:
        response = Dashboard(db).request("POST", f"api/{path}", json=facts)
        assert response.status_code < 500, response.text
        assert response.headers["x-content-type-options"] == "nosniff" or response.json()["code"]


@given(
    path=st.sampled_from(sorted(READS)),
    parameters=st.lists(
        st.tuples(st.sampled_from((*NAMES, "where", "limit", "at", "sort", "order")), st.text())
    ),
)
def test_whatever_an_address_says_is_answered(path, parameters):
    with testing.database(application) as db:
        response = Dashboard(db).request("GET", f"api/{path}", params=parameters)
        assert response.status_code < 500, response.text


@given(said=st.text() | JSON.map(json.dumps))
def test_whatever_is_said_first_is_refused_and_nothing_breaks(said):
    async def connect(app):
        socket = Socket(app)
        socket.say(said)
        heard = await socket.hear()
        assert heard["refused"] in ("BadRequest", "NotSignedIn"), heard
        assert await socket.hear() == 4400

    with testing.database() as db:
        asyncio.run(connect(Dashboard(db).app))


def test_there_are_only_so_many_connections():
    async def connect(app):
        first, second = Socket(app), Socket(app)
        for socket in (first, second):
            socket.say({"token": TOKEN, "follow": "log"})
        heard = await first.hear(), await second.hear()
        await first.leave()
        third = Socket(app)
        third.say({"token": TOKEN, "follow": "log"})
        again = await third.hear()
        await third.leave()
        return [*heard, again]

    with testing.database(limits=hw.Limits(client_connections=1)) as db:
        first, second, third = asyncio.run(connect(Dashboard(db).app))
        assert (first.keys(), second, third.keys()) == ({"begun"}, 1013, {"begun"})


def test_every_part_of_the_page_is_there(dashboard):
    from importlib.resources import files

    folder = files("headwater.dashboard") / "static"
    scripts = {
        one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name[-3:] == ".js"
    }
    for name, text in scripts.items():
        assert "innerHTML" not in text, name
        for wanted in re.findall(r"""(?:from|import\()\s*"\./([^"]+)\"""", text):
            assert wanted in scripts, f"{name} imports {wanted}"
