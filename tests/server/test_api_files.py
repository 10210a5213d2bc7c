"""Stored files over HTTP: what the URLs that functions give out are good for."""

import asyncio
import hashlib
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.server.asgi import Wire, ask
from tests.services import filing

import headwater as hw
from headwater import testing

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def db():
    with testing.database(filing) as db:
        yield db


@pytest.fixture
def app(db):
    return db.asgi(api=True)


def stored(db: hw.Database, content: bytes = CONTENT, kind: str = "image/png") -> str:
    file = db.storage.store(content, content_type=kind)
    url: str | None = db.query(filing.url, file=file)
    assert url is not None
    return url


def code_of(response: httpx.Response) -> tuple[int, str]:
    facts = response.json()
    assert facts.keys() == {"code", "message"}
    return response.status_code, facts["code"]


def accesses(db: hw.Database) -> list[tuple[str, str]]:
    db.storage.flush_accesses()
    with db.snapshot() as snapshot:
        return [(one["verb"], one["by"]) for one in snapshot.query(hw.StorageAccesses)]


# Downloads --------------------------------------------------------------------------------------


def test_a_url_gives_the_file(db, app) -> None:
    url = stored(db)
    response = ask(app, "GET", url)
    assert response.status_code == 200
    assert response.content == CONTENT
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["accept-ranges"] == "bytes"
    assert headers["convex-request-id"]
    assert accesses(db) == [("store", "program"), ("read", "url")]


def test_its_headers_alone_can_be_had(db, app) -> None:
    url = stored(db)
    response = ask(app, "HEAD", url)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(CONTENT))


def test_a_client_that_has_it_is_told_so(db, app) -> None:
    url = stored(db)
    tag = ask(app, "GET", url).headers["etag"]
    response = ask(app, "GET", url, headers={"if-none-match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag


RANGES = [
    ("bytes=0-9", 0, 10),
    ("bytes=100-", 100, len(CONTENT)),
    ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
    ("bytes=5-999999999", 5, len(CONTENT)),
]


@pytest.mark.parametrize(("header", "start", "end"), RANGES)
def test_a_part_can_be_had(db, app, header, start, end) -> None:
    response = ask(app, "GET", stored(db), headers={"range": header})
    assert response.status_code == 206
    assert response.content == CONTENT[start:end]
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=99999999-", "bytes=5-2", "bytes=x"])
def test_a_part_that_is_not_there_is_refused(db, app, header) -> None:
    response = ask(app, "GET", stored(db), headers={"range": header})
    assert code_of(response) == (416, "RangeNotSatisfiable")
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.fixture(scope="module")
def one_file():
    with testing.database(filing) as db:
        yield db.asgi(api=True), stored(db)


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30))
def test_whatever_range_is_asked_for_is_answered(one_file, header: str) -> None:
    app, url = one_file
    response = ask(app, "GET", url, headers={"range": ("bytes=" + header).encode("latin-1")})
    assert response.status_code in {200, 206, 416}


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "x/y"])
def test_what_a_browser_may_run_is_saved_and_not_shown(db, app, kind) -> None:
    headers = ask(app, "GET", stored(db, b"<script>", kind)).headers
    assert headers["content-disposition"].startswith("attachment")
    assert "sandbox" in headers["content-security-policy"]


def test_a_deleted_file_is_not_found(db, app) -> None:
    file = db.storage.store(CONTENT)
    url = db.query(filing.url, file=file)
    db.storage.delete(file)
    assert code_of(ask(app, "GET", url)) == (404, "FileNotFound")


def test_a_url_is_good_until_its_second(db, app) -> None:
    url = stored(db)
    db.clock.advance(seconds=3599)
    assert ask(app, "GET", url).status_code == 200
    db.clock.advance(seconds=2)
    assert code_of(ask(app, "GET", url)) == (401, "StorageTokenExpired")


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url + "&x=1",
        lambda url: url[:-1],
        lambda url: url.partition("?")[0],
        lambda url: url.replace("/api/storage/", "/api/storage/%2e%2e/storage/"),
        lambda url: url.replace("/api/storage/", "/api/storage//"),
        lambda url: url.replace("/api/storage/", "/api/storage/..%2f"),
        lambda url: "/api/storage/..%2f..%2fetc%2fpasswd",
        lambda url: "/api/storage/%00?" + url.partition("?")[2],
        lambda url: url.replace("signature=", "signature=%30"),
    ],
)
def test_a_url_that_was_changed_is_refused(db, app, change) -> None:
    changed = change(stored(db)).encode()
    path, _, query = changed.partition(b"?")

    async def run() -> Wire:
        wire = Wire("GET", path.decode(), raw_path=path, query_string=query)
        wire.give()
        await wire.run(app)
        return wire

    assert asyncio.run(run()).status in {401, 404}


def test_a_read_url_takes_no_upload_and_the_other_way_round(db, app) -> None:
    url = stored(db)
    assert ask(app, "POST", url, content=b"x").status_code == 405
    upload = db.mutate(filing.upload_url)
    assert ask(app, "GET", upload).status_code in {401, 405}


def test_urls_work_below_a_mount() -> None:
    with testing.database(filing, public_origin="https://host/hw") as db:
        outer = Starlette(routes=[Mount("/hw", app=db.asgi(api=True))])
        url = stored(db)
        assert url.startswith("https://host/hw/api/storage/")
        parts = urlsplit(url)
        assert ask(outer, "GET", f"{parts.path}?{parts.query}").content == CONTENT


def test_whoever_goes_away_leaves_no_open_file(db, app) -> None:
    path, _, query = stored(db, b"x" * 5_000_000).partition("?")

    async def run() -> Wire:
        wire = Wire("GET", path, query_string=query.encode())
        wire.give()
        taken = wire.send

        async def leave(message: dict[str, Any]) -> None:
            await taken(message)
            if len(wire.sent) == 2:
                wire.go()

        wire.send = leave  # type: ignore[method-assign]
        await wire.run(app)
        return wire

    wire = asyncio.run(run())
    assert 0 < len(wire.body) < 5_000_000
    # A content that is open cannot go; this one does.
    db.storage.delete(hw.Id(path.rpartition("/")[2]))
    assert ask(app, "GET", f"{path}?{query}").status_code == 404


# Uploads ----------------------------------------------------------------------------------------


def test_an_upload_is_stored_once(db, app) -> None:
    url = db.mutate(filing.upload_url)
    response = ask(app, "POST", url, content=CONTENT, headers={"content-type": "image/png"})
    assert response.status_code == 200
    assert response.json().keys() == {"storageId"}
    with db.storage.get(hw.Id(response.json()["storageId"])) as found:
        assert found.read() == CONTENT
        assert found.file["contentType"] == "image/png"
    again = ask(app, "POST", url, content=CONTENT)
    assert code_of(again) == (401, "StorageTokenInvalid")
    assert accesses(db)[0] == ("store", "url")


def test_an_upload_that_is_too_large_is_refused_and_may_be_tried_again(db, app) -> None:
    url = db.mutate(filing.upload_url, max_bytes=10)
    assert code_of(ask(app, "POST", url, content=b"x" * 11)) == (413, "FileTooLarge")
    assert ask(app, "POST", url, content=b"x" * 10).status_code == 200


def test_the_limit_of_files_holds() -> None:
    with testing.database(filing, limits=hw.Limits(file_bytes=10)) as db:
        app, url = db.asgi(api=True), db.mutate(filing.upload_url)
        for content in (b"x" * 11, b"x" * 1_000_000):
            assert code_of(ask(app, "POST", url, content=content)) == (413, "FileTooLarge")
        assert ask(app, "POST", url, content=b"x" * 10).status_code == 200


def test_an_upload_of_another_type_is_refused(db, app) -> None:
    url = db.mutate(filing.upload_url, types=["image/*"])
    response = ask(app, "POST", url, content=b"x", headers={"content-type": "text/html"})
    assert code_of(response) == (415, "ContentTypeNotAllowed")
    broken = ask(app, "POST", url, content=b"x", headers={"content-type": b"image/\xff"})
    assert broken.status_code in {400, 415}


def test_the_digest_of_an_upload_is_checked(db, app) -> None:
    url = db.mutate(filing.upload_url)

    def digest(content: bytes) -> dict[str, str]:
        coded = b64encode(hashlib.sha256(content).digest()).decode()
        return {"digest": f"sha-256={coded}"}

    def upload(headers: dict[str, str]) -> httpx.Response:
        return ask(app, "POST", url, content=CONTENT, headers=headers)

    assert code_of(upload(digest(b"another"))) == (400, "DigestMismatch")
    assert code_of(upload({"digest": "sha-256=AA=="})) == (400, "BadRequest")
    assert code_of(upload({"digest": "sha-256=!"})) == (400, "BadRequest")
    assert upload(digest(CONTENT)).status_code == 200


def test_an_expired_upload_is_refused(db, app) -> None:
    url = db.mutate(filing.upload_url)
    db.clock.advance(seconds=3601)
    assert code_of(ask(app, "POST", url, content=b"x")) == (401, "StorageTokenExpired")


def test_an_upload_that_ends_in_the_middle_leaves_nothing(db, app) -> None:
    path, _, query = db.mutate(filing.upload_url).partition("?")

    async def run() -> None:
        wire = Wire("POST", path, query_string=query.encode())
        wire.give(b"half", more=True)
        wire.go()
        await wire.run(app)
        assert wire.sent == []

    asyncio.run(run())
    assert db.query(filing.names) == []
    assert ask(app, "POST", f"{path}?{query}", content=b"whole").status_code == 200


def test_an_upload_that_does_not_come_is_given_up() -> None:
    with testing.database(filing, limits=hw.Limits(upload_seconds=5)) as db:
        app = db.asgi(api=True)
        path, _, query = db.mutate(filing.upload_url).partition("?")

        async def run() -> Wire:
            wire = Wire("POST", path, query_string=query.encode())
            wire.give(b"half", more=True)
            running = asyncio.create_task(wire.run(app))
            while not running.done():
                db.clock.advance(seconds=1)
                await asyncio.sleep(0)
            return wire

        wire = asyncio.run(run())
        assert wire.status == 408


def test_files_are_not_served_unless_asked_for(db) -> None:
    app = db.asgi()
    assert ask(app, "GET", stored(db)).status_code == 404
    assert ask(app, "POST", db.mutate(filing.upload_url), content=b"x").status_code == 404
