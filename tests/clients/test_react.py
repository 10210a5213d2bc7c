"""The official React client, in pages in Chromium."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from convex.http_client import ConvexHttpClient
from tests.browser import chromium
from tests.clients.bundling import bundle
from tests.clients.serving import Served
from tests.clients.tokens import token
from tests.processes.children import nursery

FOLDER = Path(__file__).absolute().parent / "page"
PATIENCE_MS = 60_000
"""Not a measure of anything: a page that never gets there must fail the test."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory, jwks):
    page = tmp_path_factory.mktemp("page")
    bundle(FOLDER / "page.jsx", page / "page.js")
    shutil.copy(FOLDER / "index.html", page)
    with nursery() as start:
        server = Served(start, tmp_path_factory.mktemp("served") / "db", jwks, page=page)
        yield server
        server.finish()


class Tab:
    """A page in a tab of its own, and what the test sees of it."""

    def __init__(self, context: Any, address: str) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    def of(self, label: str) -> Any:
        return self.page.get_by_label(label, exact=True)

    def shows(self, label: str, expected: Any) -> None:
        """Wait until an element shows a text, or a list its items."""
        from playwright.sync_api import expect

        found = self.of(label)
        if isinstance(expected, list):
            found = found.locator("li")
        expect(found).to_have_text(expected, timeout=PATIENCE_MS)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def say(self, text: str) -> None:
        self.of("Draft").fill(text)
        self.press("Say")


@pytest.fixture
def room() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def tabs(browser, served, signing_key, room):
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    context.expose_function("tokenFor", lambda name: token(signing_key, name))
    opened: list[Tab] = []

    def open_tab(origin: str = served.url, query: str = "") -> Tab:
        opened.append(Tab(context, f"{origin}/page/index.html?room={room}{query}"))
        return opened[-1]

    yield open_tab
    complaints = [complaint for tab in opened for complaint in tab.complaints]
    faults = [tab.page.evaluate("window.faults") for tab in opened]
    context.close()
    assert complaints == []
    assert faults == [[] for _ in opened], "pages that were no beginning of the whole"


def write(served: Served, room: str, *texts: str, rank: float = 0.0) -> None:
    """Another client writes."""
    client = ConvexHttpClient(served.url)
    for text in texts:
        client.mutation("application:say", {"room": room, "text": text, "rank": rank})


def test_queries_are_live_in_two_tabs(tabs, served, room) -> None:
    one, other = tabs(), tabs()
    one.shows("Texts", [])
    one.say("Hi")
    for tab in (one, other):
        tab.shows("Texts", ["Hi"])
    other.say("Ho")
    write(served, room, "earlier")
    for tab in (one, other):
        tab.shows("Texts", ["earlier", "Hi", "Ho"])


def test_an_optimistic_update_gives_way_to_the_truth_without_a_gap(tabs) -> None:
    tab = tabs()
    tab.page.wait_for_function("window.shown.length === 2")
    tab.say("Hi")
    tab.shows("Texts", ["Hi"])
    assert tab.page.evaluate("window.shown") == [None, [], ["Hi (sending)"], ["Hi"]]


def test_pages_have_no_gaps_while_rows_come_and_go(tabs, served, room) -> None:
    writer = ConvexHttpClient(served.url)
    texts = [f"{number}" for number in range(20)]
    writer.mutation("application:sayTogether", {"room": room, "texts": texts})
    tab = tabs()
    tab.shows("Pages", texts[:5])
    tab.press("More")
    tab.shows("Pages", texts[:10])
    lines = writer.query("application:lines", {"room": room})
    for number in (0, 4, 5, 9):
        writer.mutation("application:unsay", {"line": lines[number]["_id"]})
    write(served, room, "new", rank=4.5)
    kept = ["1", "2", "3", "new", "6", "7", "8"]
    tab.shows("Pages", kept)
    tab.press("More")
    tab.shows("Pages", [*kept, *texts[10:15]])
    write(served, room, "last", rank=100.0)
    tab.press("More")
    tab.shows("Pages", [*kept, *texts[10:]])
    tab.press("More")
    tab.shows("Pages", [*kept, *texts[10:], "last"])
    tab.shows("Status", "Exhausted")


def test_errors_have_their_data_and_actions_their_results(tabs) -> None:
    tab = tabs()
    tab.press("Refuse")
    tab.shows("Told", "SOLD_OUT 4")
    tab.press("Act")
    tab.shows("Told", "1 there")
    tab.shows("Texts", ["by action"])


def test_who_is_signed_in_is_somebody(tabs) -> None:
    tab = tabs()
    tab.shows("Who", "nobody")
    tab.press("Sign in")
    tab.shows("Who", "ada")
    tab.press("Sign out")
    tab.shows("Who", "nobody")


def test_a_page_connects_again(tabs, served, room) -> None:
    tab = tabs()
    tab.press("Sign in")
    tab.shows("Who", "ada")
    tab.say("before")
    tab.shows("Texts", ["before"])
    served.drop()
    tab.shows("Connection", "connected 2")
    tab.say("after a cut")
    tab.shows("Texts", ["before", "after a cut"])
    served.kill()
    tab.shows("Connection", "not connected")
    tab.say("while there was no server")
    tab.shows("Texts", ["before", "after a cut", "while there was no server (sending)"])
    served.restart()
    tab.shows("Texts", ["before", "after a cut", "while there was no server"])
    tab.shows("Who", "ada")


def test_a_page_of_another_origin_of_this_machine_may_connect(tabs, served) -> None:
    elsewhere = served.url.replace("127.0.0.1", "localhost")
    tab = tabs(elsewhere, query=f"&server={served.url}")
    tab.say("from localhost")
    tab.shows("Texts", ["from localhost"])
