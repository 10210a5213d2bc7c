"""The page of the chat, served by the command line, in Chromium."""

import re
import signal
from pathlib import Path

import pytest
from tests.browser import chromium
from tests.clients.bundling import bundle
from tests.examples.test_examples import ROOT, start

PAGE = ROOT / "examples" / "chat" / "page"
PATIENCE_MS = 60_000
"""Not a measure of anything: a page that never gets there must fail the test."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("chat") / "chat.hw"
    arguments = ("examples/chat", "--database", path, "--port", "0", "--quiet")
    with start("headwater.cli", "dev", *arguments) as server:
        said = ""
        while not (found := re.search(r"served at (http://\S+)", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        yield found[1]
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=60)
        assert server.returncode == 0, said


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


class Guest:
    """Somebody with a page."""

    def __init__(self, browser, address: str, name: str) -> None:
        self.page = browser.new_context().new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.goto(address)
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_role("button", name="Come in").click()

    def write(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)
        self.page.get_by_label(label, exact=True).press("Enter")

    def reads(self, *bodies: str) -> None:
        """Wait until these are the messages, the newest one first."""
        from playwright.sync_api import expect

        shown = self.page.get_by_label("Messages").locator("p:not(.empty)")
        expect(shown).to_have_text(list(bodies), timeout=PATIENCE_MS)


def test_two_people_talk(browser, address) -> None:
    ada = Guest(browser, address, "Ada")
    grace = Guest(browser, address, "Grace")
    ada.write("Message", "Good morning, Grace.")
    grace.reads("Good morning, Grace.")
    grace.write("Message", "Morning, Ada!")
    for guest in (ada, grace):
        guest.reads("Morning, Ada!", "Good morning, Grace.")
    ada.write("New channel", "engines")
    grace.page.get_by_role("link", name="# engines").click()
    grace.write("Message", "Is it built yet?")
    ada.reads("Is it built yet?")
    assert ada.complaints == grace.complaints == []


def test_earlier_messages_are_loaded_on_demand(browser, address) -> None:
    ada = Guest(browser, address, "Ada")
    ada.write("New channel", "long")
    bodies = [f"{number}" for number in range(45)]
    for body in bodies:
        ada.write("Message", body)
    ada.reads(*reversed(bodies))
    late = Guest(browser, f"{address}/#long", "Grace")
    late.reads(*reversed(bodies[5:]))
    late.page.get_by_role("button", name="Earlier messages").click()
    late.reads(*reversed(bodies))
    assert ada.complaints == late.complaints == []


def test_the_script_of_the_page_is_made_from_its_source(tmp_path: Path) -> None:
    bundle(PAGE / "chat.jsx", tmp_path / "chat.js")
    made = (tmp_path / "chat.js").read_bytes()
    assert made == (PAGE / "chat.js").read_bytes(), "run: make examples/chat/page/chat.js"
