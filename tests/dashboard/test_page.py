"""The page in a browser: what somebody who looks after a database does with it."""

from collections.abc import Generator
from typing import Any

import pytest
from tests.browser import chromium
from tests.dashboard import application
from tests.dashboard.asking import TOKEN
from tests.server.loopback import serving

import headwater as hw

PATIENCE_MS = 20_000
"""Not a measure of anything: what never comes must fail the test and not stop the suite."""


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    with chromium() as browser:
        yield browser


class Served:
    """A database and its dashboard on a port."""

    def __init__(self, db: hw.Database, port: int) -> None:
        self.db = db
        self.address = f"http://127.0.0.1:{port}/_dashboard/"
        self.channel = db.mutate(application.create_channel, name="general")

    def send(self, author: str, body: str = "hello", **more: Any) -> str:
        return self.db.mutate(
            application.send, channel=self.channel, author=author, body=body, **more
        )


@pytest.fixture
def served() -> Generator[Served]:
    with hw.open(None, modules=[application], jobs="hold") as db:
        app = db.asgi(dashboard=True, admin_token=TOKEN)
        with serving(app) as port:
            yield Served(db, port)


class Opened:
    """A page that has to run without an error."""

    def __init__(self, page: Any, served: Served) -> None:
        self.page = page
        self.served = served
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)
        page.on("dialog", self._refuse_dialog)

    def _hear(self, message: Any) -> None:
        # That the server has refused something is no error of the page.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(message.text)

    def _refuse_dialog(self, dialog: Any) -> None:
        self.problems.append(f"a script has said {dialog.message!r}")
        dialog.dismiss()

    def sign_in(self, place: str = "") -> Any:
        self.page.goto(self.served.address + place)
        self.page.get_by_label("Admin token").fill(TOKEN)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_text("live", exact=True).first.wait_for()
        self.page.locator(".view h1").wait_for()
        return self.page

    def rows(self) -> Any:
        return self.page.locator("tbody tr")


@pytest.fixture
def opened(browser: Any, served: Served) -> Generator[Opened]:
    context = browser.new_context(reduced_motion="reduce")
    opened = Opened(context.new_page(), served)
    yield opened
    context.close()
    assert opened.problems == []


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    return expect(locator)


def test_only_the_right_token_signs_in(opened):
    page = opened.page
    page.goto(opened.served.address)
    page.get_by_label("Admin token").fill("a-wrong-token-of-many-letters")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the admin token of this server.")
    page.get_by_label("Admin token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tables", exact=True)).to_be_visible()
    stored = page.evaluate("[Object.values(sessionStorage), Object.values(localStorage)]")
    assert stored == [[TOKEN], []]
    assert TOKEN not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Tables", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_rows_come_change_and_go_by_themselves(opened):
    opened.served.send("Ada")
    page = opened.sign_in("#/tables/messages")
    expect(opened.rows()).to_have_count(1)
    page.evaluate("document.querySelector('tbody tr').isThatOne = true")
    grace = opened.served.send("Grace")
    expect(opened.rows()).to_have_count(2)
    expect(opened.rows().first).to_contain_text("Grace")
    # What did not change was not drawn anew.
    assert page.evaluate("document.querySelectorAll('tbody tr')[1].isThatOne")
    opened.served.db.mutate(application.star, message=hw.Id(grace))
    expect(opened.rows().first.locator("td.id-cell ~ td").nth(3)).to_have_text("1")
    opened.served.db.transact(lambda tx: tx.delete(hw.Id(grace)))
    expect(opened.rows()).to_have_count(1)


def test_rows_are_filtered_sorted_and_linked(opened):
    for stars, author in enumerate(["Ada", "Grace", "Linus"]):
        opened.served.send(author, stars=stars)
    page = opened.sign_in("#/tables/messages")
    page.keyboard.press("/")
    page.keyboard.type("stars>=1")
    page.keyboard.press("Enter")
    expect(opened.rows()).to_have_count(2)
    page.get_by_role("button", name="author").click()
    expect(page.get_by_role("columnheader", name="author")).to_have_attribute(
        "aria-sort", "ascending"
    )
    expect(opened.rows().first).to_contain_text("Grace")
    page.reload()
    expect(opened.rows()).to_have_count(2)
    expect(opened.rows().first).to_contain_text("Grace")
    page.get_by_role("button", name="Take away stars>=1").click()
    expect(opened.rows()).to_have_count(3)
    page.get_by_role("searchbox").fill("linus")
    expect(opened.rows()).to_have_count(1)


def test_a_document_is_edited_and_the_edit_undone(opened):
    id = opened.served.send("Ada", "before", stars=1)
    page = opened.sign_in(f"#/document/{id}")
    page.get_by_role("button", name="Edit").click()
    area = page.get_by_label("Fields, as JSON")
    good = area.input_value()
    area.fill("{")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    area.fill(good.replace("before", "after").replace('"stars": 1', '"stars": "many"'))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("stars")
    assert opened.served.db.get(hw.Id(id))["body"] == "before"
    area.fill(good.replace("before", "after"))
    page.keyboard.press("Control+Enter")
    expect(page.locator(".tree")).to_contain_text("after")
    assert opened.served.db.get(hw.Id(id))["body"] == "after"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tree")).to_contain_text("before")
    assert opened.served.db.get(hw.Id(id))["body"] == "before"
    expect(page.locator(".revision")).to_have_count(3)


def test_an_edit_keeps_the_types_of_what_it_leaves(opened):
    db = opened.served.db
    before = {"f": 1.0, "i": 1, "big": 2**60 + 1, "b": b"\x00", "n": [1.0, {"x": -0.0}], "t": "a"}
    id = db.transact(lambda tx: tx.insert("things", before))
    page = opened.sign_in(f"#/document/{id}")
    page.get_by_role("button", name="Edit").click()
    area = page.get_by_label("Fields, as JSON")
    area.fill(area.input_value().replace('"a"', '"other"'))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".tree")).to_contain_text("other")
    after = {name: value for name, value in db.get(hw.Id(id)).items() if name[0] != "_"}
    assert repr(after) == repr(before | {"t": "other"})


def test_a_document_is_inserted_and_deleted(opened):
    page = opened.sign_in("#/tables/channels")
    page.get_by_role("button", name="New document").click()
    page.get_by_label("Fields, as JSON").fill('{"name": "random"}')
    page.get_by_role("button", name="Insert").click()
    expect(opened.rows()).to_have_count(2)
    opened.rows().first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 1").click()
    page.get_by_role("button", name="Delete 1 document").click()
    expect(opened.rows()).to_have_count(1)
    page.get_by_role("button", name="Undo").last.click()
    expect(opened.rows()).to_have_count(2)


def test_history_shows_what_each_version_changed(opened):
    id = opened.served.send("Ada", "first words")
    opened.served.db.transact(lambda tx: tx.patch(hw.Id(id), body="second words"))
    page = opened.sign_in(f"#/document/{id}")
    newest = page.locator(".revision").first
    expect(newest.locator("del")).to_have_text("first words")
    expect(newest.locator("ins")).to_have_text("second words")
    opened.served.db.transact(lambda tx: tx.patch(hw.Id(id), body="third words"))
    expect(page.locator(".revision")).to_have_count(3)
    expect(page.locator(".revision").first.locator("ins")).to_have_text("third words")
    page.locator(".revision").nth(2).get_by_role("button", name="Restore").click()
    expect(page.locator(".tree")).to_contain_text("first words")


def test_the_slider_shows_the_past_of_the_whole_database(opened):
    for author in ("Ada", "Grace", "Linus"):
        opened.served.send(author)
    page = opened.sign_in("#/tables/messages")
    page.keyboard.press("t")
    slider = page.get_by_role("slider")
    expect(slider).to_be_focused()
    expect(slider).not_to_have_attribute("max", "0")
    # From now, the first step leads to the newest commit, and the next ones before it.
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(opened.rows()).to_have_count(2)
    expect(page.get_by_role("button", name="New document")).to_be_hidden()
    opened.served.send("Barbara")
    page.locator("h1").focus()
    page.keyboard.press("[")
    expect(opened.rows()).to_have_count(1)
    ada, moment = opened.rows().first.locator(".id").first, page.url.partition("at=")[2]
    ada.click()
    expect(page.locator("h1")).to_have_text("Document")
    assert page.url.endswith(f"at={moment}")
    page.go_back()
    expect(opened.rows()).to_have_count(1)
    page.get_by_role("link", name="Tables", exact=True).click()
    expect(page.locator(".card", has_text="messages")).to_contain_text("1")
    page.keyboard.press("0")
    expect(page.locator(".card", has_text="messages")).to_contain_text("4")


def test_the_form_of_a_function_checks_and_runs(opened):
    page = opened.sign_in("#/functions/application:send")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Expected the id of a document of channels.")).to_be_visible()
    page.get_by_label("channel").fill(opened.served.channel)
    page.get_by_label("author").fill("Ada")
    page.get_by_label("body").fill("from the form")
    page.locator(".field", has_text="stars").get_by_role("textbox").fill("9")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".function-form > .problem")).to_contain_text("stars")
    page.locator(".field", has_text="stars").get_by_role("textbox").fill("3")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result")).to_contain_text("Ada writes")
    (message,) = opened.served.db.query(application.latest)
    assert (message["body"], message["stars"]) == ("from the form", 3)


def test_a_query_stays_live(opened):
    page = opened.sign_in("#/functions/application:count")
    expect(page.locator(".result")).to_have_text("0")
    opened.served.send("Ada")
    expect(page.locator(".result")).to_have_text("1")
    page.get_by_role("link", name="Log").click()
    expect(page.locator(".view-log")).to_be_visible()
    # Nobody watches any more once the page is elsewhere.
    opened.served.send("Grace")
    expect(page.locator(".entry").first).to_contain_text("application:send")
    expect(page.locator(".entry").first).not_to_contain_text("live")


def test_the_log_follows(opened):
    page = opened.sign_in("#/log")
    entries = page.locator(".entry")
    before = entries.count()
    with opened.served.db.watch(application.count) as live:
        live.next()
        opened.served.send("Ada")
        expect(entries).to_have_count(before + 1)
        expect(entries.first).to_contain_text("application:send")
        expect(entries.first).to_contain_text("live: application:count")
    page.get_by_role("button", name="Pause").click()
    opened.served.send("Grace")
    expect(page.get_by_role("button", name="Go on (1 new)")).to_be_visible()
    expect(entries).to_have_count(before + 1)
    page.get_by_role("button", name="Go on").click()
    expect(entries).to_have_count(before + 2)
    page.get_by_role("searchbox").fill("create_channel")
    expect(entries).to_have_count(0)
    page.get_by_role("searchbox").fill("createChannel")
    expect(entries).to_have_count(1)
    entries.first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Commit")).to_be_visible()
    expect(page.locator("ins")).to_contain_text("general")


def test_dead_letters_run_again(opened):
    db = opened.served.db
    db.jobs.enqueue(application.deliver, to="nobody")
    db.run_due_jobs()
    page = opened.sign_in("#/jobs")
    page.get_by_role("button", name="dead letters 1").click()
    job = page.locator(".job").first
    expect(job).to_contain_text("ValueError: 'nobody' is no address")
    job.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("No dead letters")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("tbody tr").first).to_contain_text("paused")
    assert db.run_due_jobs() == 0
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("tbody tr").first).not_to_contain_text("paused")
    db.run_due_jobs()
    expect(page.locator(".job").first).to_contain_text("1 attempt")


def test_crons_say_when_they_run_next(opened):
    page = opened.sign_in("#/crons")
    expect(page.locator("tbody tr").first).to_contain_text("0 7 * * * UTC")
    opened.served.db.crons.register("own", hw.IntervalSchedule(minutes=5), application.digest)
    row = page.locator("tbody tr", has_text="own")
    expect(row).to_contain_text("every 5 minutes")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_files_are_looked_at_taken_along_and_deleted(opened):
    text = "<b>not bold</b>"
    opened.served.db.storage.store(text.encode(), content_type="text/html", filename="a.html")
    page = opened.sign_in("#/files")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text(text)
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "a.html"
    assert download.value.path().read_text() == text
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No files")).to_be_visible()


def test_insights_are_drawn(opened):
    for author in ("Ada", "Grace"):
        opened.served.send(author)
    with pytest.raises(KeyError):
        opened.served.db.mutate(application.fail)
    page = opened.sign_in("#/insights")
    commits = page.get_by_role("img", name="Commits: ")
    expect(commits).to_be_visible()
    assert commits.locator("rect").count() >= 1
    assert page.get_by_role("img", name="Latency: half within").locator("circle").count() >= 3
    failed = page.get_by_role("region", name="Calls that failed, the newest first")
    expect(failed).to_contain_text("the secret of the house")
    slow = page.get_by_role("region", name="Functions, the slowest first")
    expect(slow.locator("tr", has_text="application:send")).to_contain_text("2")


HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def test_what_documents_hold_is_never_read_as_markup(opened):
    id = opened.served.send(HOSTILE, f"{HOSTILE} javascript:alert(3)", stars=1)
    opened.served.db.transact(lambda tx: tx.patch(hw.Id(id), tags=[HOSTILE]))
    opened.served.db.transact(lambda tx: tx.insert("notes", {HOSTILE: {HOSTILE: [HOSTILE]}}))
    with hw.origin(identity=HOSTILE, request_id=HOSTILE):
        opened.served.db.transact(lambda tx: tx.patch(hw.Id(id), stars=2))
    ts = opened.served.db.ts
    page = opened.sign_in("#/tables/messages")
    for place in (
        "#/tables/messages",
        "#/tables/notes",
        f"#/document/{id}",
        "#/log",
        f"#/commit/{ts}",
        f"#/tables/{HOSTILE}",
        f"#/{HOSTILE}",
        "#/functions/application:latest",
    ):
        page.evaluate("place => { location.hash = place }", place)
        expect(page.locator("main")).to_contain_text("<img")
        assert page.locator("main img, main script, [onerror]").count() == 0
    assert page.locator("main a[href^='javascript']").count() == 0


def test_everything_is_reached_by_the_keyboard(opened):
    for author in ("Ada", "Grace"):
        opened.served.send(author)
    page = opened.sign_in()
    expect(page.locator("h1")).to_have_text("Tables")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("h1")).to_have_text("Log")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("Tables")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("messages")
    page.keyboard.press("j")
    expect(opened.rows().nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(opened.rows().nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(opened.rows().nth(0).get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Document")
    page.keyboard.press("e")
    expect(page.get_by_role("dialog", name="Edit document")).to_be_visible()


VIEWS = (
    *("tables", "tables/messages", "functions", "functions/application:send", "log"),
    *("jobs", "crons", "files", "insights"),
)

NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, textarea, dialog')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
  .map((one) => one.outerHTML)"""

CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgb = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const light = ([r, g, b]) => {
    const one = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    return 0.2126 * one(r) + 0.7152 * one(g) + 0.0722 * one(b)
  }
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const found = rgb(getComputedStyle(one).backgroundColor)
      if (found[3] === 255) return found
    }
    return rgb('white')
  }
  const bad = []
  for (const one of document.querySelectorAll('body *')) {
    const isText = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    if (!isText || !one.checkVisibility() || one.closest('.visually-hidden, :disabled')) continue
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${one.className} ${one.textContent}`)
  }
  return bad
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_views_are_readable_and_named(opened, scheme):
    id = opened.served.send("Ada", "a word " * 30)
    opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = opened.sign_in()
    for view in (*VIEWS, f"document/{id}", f"commit/{opened.served.db.ts}"):
        page.evaluate("place => { location.hash = place }", f"#/{view}")
        expect(page.locator(f".view-{view.partition('/')[0]}")).to_be_visible()
        assert page.evaluate(NAMELESS) == [], view
        assert page.evaluate(CONTRASTS) == [], view
        assert page.locator("h1").count() == 1
        assert page.get_by_role("main").count() == page.get_by_role("navigation").count() == 1
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert len(ids) == len(set(ids)), view


def test_a_phone_shows_every_view_without_scrolling_sideways(opened):
    id = opened.served.send("Ada", "averylongwordwithoutanyspace" * 20, stars=1)
    opened.page.set_viewport_size({"width": 360, "height": 740})
    page = opened.sign_in()
    for view in (*VIEWS, f"document/{id}", f"commit/{opened.served.db.ts}"):
        page.evaluate("place => { location.hash = place }", f"#/{view}")
        expect(page.locator(f".view-{view.partition('/')[0]}")).to_be_visible()
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], view


KEEPING_SOCKETS = """window.sockets = []
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.sockets.push(this) }
}"""


def test_a_lost_connection_comes_back(opened):
    opened.page.add_init_script(KEEPING_SOCKETS)
    page = opened.sign_in("#/tables/messages")
    expect(page.get_by_text("messages is empty")).to_be_visible()
    page.evaluate("sockets[0].close()")
    expect(page.get_by_text("offline", exact=True)).to_be_visible()
    opened.served.send("Ada")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    expect(opened.rows()).to_have_count(1)


def test_a_live_query_comes_back_too(opened):
    opened.page.add_init_script(KEEPING_SOCKETS)
    page = opened.sign_in("#/functions/application:count")
    expect(page.locator(".result")).to_have_text("0")
    page.evaluate("sockets.forEach((one) => one.close())")
    expect(page.get_by_text("not live any more")).to_be_visible()
    opened.served.send("Ada")
    expect(page.locator(".result")).to_have_text("1")


def test_who_is_not_let_in_any_more_does_not_ask_again_and_again(opened):
    opened.page.add_init_script(KEEPING_SOCKETS)
    page = opened.sign_in()
    key = page.evaluate("Object.keys(sessionStorage)[0]")
    page.evaluate("key => sessionStorage.setItem(key, 'the-token-of-yesterday')", key)
    page.evaluate("sockets[0].close()")
    expect(page.get_by_label("Admin token")).to_be_visible()
    assert page.evaluate("[sockets.length, sessionStorage.length]") == [2, 0]
