"""The application below a prefix of others, across origins, and at the end of a server."""

import asyncio
import sys
import types

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.server import application
from tests.server.asgi import Wire, ask

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    with testing.database(application) as database:
        yield database


def in_starlette(app):
    return Starlette(routes=[Mount("/deep/hw", app=app)])


def in_fastapi(app):
    from fastapi import FastAPI

    outer, inner = FastAPI(), FastAPI()
    inner.mount("/hw", app)
    outer.mount("/deep", inner)

    @outer.get("/own")
    def own() -> str:
        return "of FastAPI"

    return outer


def in_django(app):
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    if not settings.configured:
        urls = types.ModuleType("tests_server_urls")
        urls.urlpatterns = [path("own", lambda request: HttpResponse("of Django"))]
        sys.modules[urls.__name__] = urls
        settings.configure(ROOT_URLCONF=urls.__name__, ALLOWED_HOSTS=["host"], SECRET_KEY="x")
    return Starlette(routes=[Mount("/deep/hw", app=app), Mount("", app=get_asgi_application())])


@pytest.mark.parametrize("mounted", [in_starlette, in_fastapi, in_django])
def test_it_answers_below_the_prefix_of_another_application(db, mounted):
    app = mounted(db.asgi())
    assert ask(app, "GET", "/deep/hw/hello").text == "Hello, you."
    assert ask(app, "GET", "/deep/hw/echo/a/b").json()["path"] == "/echo/a/b"
    assert ask(app, "POST", "/deep/hw/notes", json={"text": "x"}).status_code == 201
    for path in ("/deep/hw/nothing", "/deep/hw/"):
        assert ask(app, "GET", path).status_code == 404
    assert ask(app, "GET", "/hello").status_code == 404


@pytest.mark.parametrize("mounted", [in_starlette, in_fastapi, in_django])
def test_clients_are_answered_below_the_prefix_of_another_application(db, mounted):
    app = mounted(db.asgi(api=True))
    written = {"path": "application:write", "args": {"text": "x"}}
    assert ask(app, "POST", "/deep/hw/api/mutation", json=written).json()["status"] == "success"
    ran = ask(app, "POST", "/deep/hw/api/run/application/texts", json={})
    assert ran.json()["value"] == ["x"]
    assert ask(app, "GET", "/deep/hw/hello").text == "Hello, you."
    assert ask(app, "POST", "/api/mutation", json=written).status_code == 404


def test_others_keep_their_own_paths(db):
    app = db.asgi()
    assert ask(in_fastapi(app), "GET", "/own").json() == "of FastAPI"
    assert ask(in_django(app), "GET", "/own").text == "of Django"


@pytest.mark.parametrize("path", ["/hw/hello", "/hello"])
def test_whether_a_server_has_the_root_in_the_path_makes_no_difference(db, path):
    wire = Wire("GET", path, root_path="/hw")
    asyncio.run(wire.run(db.asgi()))
    assert wire.body == b"Hello, you."


def test_a_path_that_only_begins_like_the_root_is_not_cut(db):
    wire = Wire("GET", "/hell/o", root_path="/hel")
    asyncio.run(wire.run(db.asgi()))
    assert wire.status == 404


# Across origins ---------------------------------------------------------------------------------

PAGE = "https://page.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-A"}


def test_pages_of_other_origins_may_call_it_if_they_are_named(db):
    app = db.asgi(cors=[PAGE])
    response = ask(app, "OPTIONS", "/notes", headers={"Origin": PAGE, **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in response.headers["access-control-allow-methods"]
    response = ask(app, "GET", "/hello", headers={"Origin": PAGE})
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    ("cors", "origin"),
    [
        ([], PAGE),
        ([PAGE], "https://other.example"),
        ([PAGE], "http://page.example"),
        ([PAGE], "https://page.example.evil"),
        ([PAGE], "null"),
    ],
)
def test_pages_of_other_origins_are_refused_by_default(db, cors, origin):
    app = db.asgi(cors=cors)
    for method in ("OPTIONS", "GET"):
        headers = {"Origin": origin, **(PREFLIGHT if method == "OPTIONS" else {})}
        response = ask(app, method, "/hello", headers=headers)
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "cors", ["*", ["page.example"], [f"{PAGE}/"], [f"{PAGE}/a"], [""], ["https://"]]
)
def test_what_is_no_origin_is_refused(db, cors):
    with pytest.raises(hw.ArgumentError):
        db.asgi(cors=cors)


# Around -----------------------------------------------------------------------------------------


def lifespan(app):
    """Let a server begin and end; what the application says."""

    async def run():
        said = []
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive():
            return next(messages)

        async def send(message):
            said.append(message["type"])

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return said

    return asyncio.run(run())


@pytest.mark.parametrize("closes", [True, False])
def test_the_end_of_the_server_closes_the_database_if_asked_to(closes):
    with testing.database(application) as db:
        said = lifespan(db.asgi(close_at_end=closes))
        assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        if closes:
            with pytest.raises(hw.ClosedError):
                db.query(application.texts)
        else:
            assert db.query(application.texts) == []


def test_a_websocket_is_refused(db):
    async def run():
        said = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            said.append(message["type"])

        scope = {"type": "websocket", "path": "/hello", "headers": [], "query_string": b""}
        await db.asgi()(scope, receive, send)
        return said

    assert asyncio.run(run()) == ["websocket.close"]


def test_without_starlette_the_extra_is_named(db, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("headwater.server.asgi")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(ModuleNotFoundError, match=r"headwater\[server\]"):
        db.asgi()
