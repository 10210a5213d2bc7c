"""``--open-with``: the application says how its database is opened."""

import pytest
from tests.cli.calling import refused, shown
from tests.cli.served import serving
from tests.cli.test_serving import SERVED

SETTINGS = """
from pathlib import Path
import headwater as hw


def open_it(path, **options):
    return hw.open(path, env={"GREETING": "hello"}, default_access="deny", **options)


def raises(path, **options):
    return 1 // 0


def wrong(path, **options):
    return path


def refuses(path, **options):
    return hw.open(path, limits=hw.Limits(document_bytes=-1), **options)


value = 1
"""

GREETING = """

@hw.query
def greeting(ctx: QueryCtx) -> str:
    return ctx.env["GREETING"]
"""


@pytest.fixture
def shop(folder, monkeypatch):
    monkeypatch.delenv("HEADWATER_OPEN_WITH", raising=False)
    (folder / "app" / "notes.py").write_text(SERVED + GREETING)
    (folder / "app" / "settings.py").write_text(SETTINGS)
    return folder


def test_functions_run_with_the_options_of_the_application(shop):
    arguments = ["run", "app", "notes:greeting", "--create"]
    assert shown(*arguments, "--open-with", "app.settings:open_it") == '"hello"\n'
    assert "GREETING" in refused(*arguments)


@pytest.mark.parametrize(
    "command", [["serve", "--create"], ["serve", "--workers=2", "--create"], ["dev"]]
)
def test_it_is_served_with_them(shop, command):
    environment = {"HEADWATER_OPEN_WITH": "app.settings:open_it"}
    with serving(command[0], "app", *command[1:], env=environment) as served:
        assert served.call("notes:greeting") == "hello"


def test_a_change_of_them_is_taken_over(shop):
    with serving("dev", "app", "--open-with", "app.settings:open_it") as served:
        (shop / "app" / "settings.py").write_text(SETTINGS.replace("hello", "good day"))
        served.hear("reloaded")
        assert served.call("notes:greeting") == "good day"
        (shop / "app" / "settings.py").write_text(SETTINGS.replace("hw.open", "hw.opn"))
        served.hear(r"app/settings\.py:\d+: AttributeError")
        served.hear("what was there before goes on")
        assert served.call("notes:greeting") == "good day"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("app.settings", "expected a module and a function"),
        (":open_it", "expected a module and a function"),
        ("app.settings:", "expected a module and a function"),
        ("app.settings:nothing", "app.settings has no function 'nothing'"),
        ("app.settings:value", "app.settings has no function 'value'"),
        ("app.nothing:open_it", "No module named 'app.nothing'"),
        ("app.settings:raises", "app/settings.py:11: ZeroDivisionError"),
        ("app.settings:wrong", "expected what hw.open() gives"),
        ("app.settings:refuses", "document_bytes"),
    ],
)
def test_what_opens_nothing_is_refused(shop, text, says):
    arguments = ["run", "app", "notes:greeting", "--create", "--open-with", text]
    assert says in refused(*arguments)
