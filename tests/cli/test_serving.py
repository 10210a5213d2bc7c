"""``headwater serve``: processes that serve, and how they end."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest
from tests.cli.calling import refused
from tests.cli.served import serving, started, wait_for_end_of

import headwater as hw
from headwater.cli.serving_options import admin_token_of

SERVED = """
import os
from pathlib import Path
import headwater as hw
from headwater import Document, Table, QueryCtx, MutationCtx, SyncActionCtx


class Count(Document["Count"]):
    n: int


class Counts(Table[Count]): ...


@hw.query
def number(ctx: QueryCtx) -> int:
    return 1


@hw.query
def total(ctx: QueryCtx) -> int:
    return ctx.db.query(Counts).count()


@hw.mutation
def add(ctx: MutationCtx) -> None:
    ctx.db.insert(Counts, {"n": 1})


@hw.action
def pid(ctx: SyncActionCtx) -> int:
    return os.getpid()


@hw.action
def slow(ctx: SyncActionCtx, begun: str, go: str) -> str:
    Path(begun).write_text("begun")
    return Path(go).read_text()
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An application in shop.py; the current directory is its."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWATER_ADMIN_TOKEN", raising=False)
    (tmp_path / "shop.py").write_text(SERVED)
    return tmp_path


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        pass  # nobody had accepted it when the last one who listens went; the next is refused
    return True


def workers_of(served):
    """The processes that a process has begun and that have not ended."""
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return set(map(int, children.split()))


def test_ctrl_c_ends_it_with_130_and_no_trace(shop):
    with serving("serve", "shop.py", "--create", "--no-api") as served:
        # Without the API only routes are served.
        assert served.ask("/api/query", {"path": "shop:number", "args": {}})[0] == 404
        assert served.end(signal.SIGINT) == (130, "")


@pytest.mark.parametrize(
    ("workers", "number", "code"),
    [(1, signal.SIGTERM, 0), (2, signal.SIGINT, 130)],
)
def test_what_was_asked_is_answered_before_the_end(shop, workers, number, code):
    os.mkfifo("begun")
    os.mkfifo("go")
    answers = []
    with serving("serve", "shop.py", "--create", "--workers", workers) as served:
        served.call("shop:add", kind="mutation")
        arguments = {"begun": "begun", "go": "go"}
        asking = threading.Thread(
            target=lambda: answers.append(served.call("shop:slow", arguments, kind="action"))
        )
        asking.start()
        assert (shop / "begun").read_text() == "begun"
        served.process.send_signal(number)
        while is_listening(served.port):
            pass
        (shop / "go").write_text("well")
        asking.join()
        assert served.rest() == (code, "")
    assert answers == ["well"]
    with hw.open("shop.hw") as db, db.snapshot() as snapshot:
        assert snapshot.query("counts").count() == 1


def test_workers_that_die_are_replaced_and_none_outlives_who_looks_after_them(shop):
    with serving("serve", "shop.py", "--create", "--workers", "2") as served:
        killed = max(workers_of(served))
        assert int(served.call("shop:pid", kind="action")) in workers_of(served)
        served.call("shop:add", kind="mutation")
        os.kill(killed, signal.SIGKILL)
        served.hear(f"worker {killed} has ended with -9; another takes its place")
        while len(after := workers_of(served)) < 2:
            pass
        assert killed not in after
        assert served.call("shop:total") == 1
        served.process.kill()
        for pid in after:
            wait_for_end_of(pid)


def test_who_has_the_admin_token_may_call_internal_functions(shop):
    (shop / "token").write_text("a-token-of-some-length\n")
    internal = SERVED.replace("@hw.query\ndef number", "@hw.query(internal=True)\ndef number")
    (shop / "shop.py").write_text(internal)
    body = {"path": "shop:number", "args": {}, "format": "json"}
    with serving("serve", "shop.py", "--create", "--admin-token-file", "token") as served:
        headers = {"authorization": "Convex a-token-of-some-length"}
        assert served.ask("/api/query", body, **headers)[1]["value"] == 1
        assert served.ask("/api/query", body)[1].get("status") != "success"
        assert served.ask("/_dashboard/", {})[0] == 404


def test_an_admin_token_may_come_from_the_environment(shop, monkeypatch):
    (shop / "token").write_text("of-a-file\n")
    assert admin_token_of(None) is None
    monkeypatch.setenv("HEADWATER_ADMIN_TOKEN", "of-the-environment")
    assert admin_token_of(None) == "of-the-environment"
    assert admin_token_of(shop / "token") == "of-a-file"


def test_an_application_that_cannot_be_loaded_is_refused_once(shop):
    (shop / "shop.py").write_text("1 / 0")
    with started("serve", "shop.py", "--create", "--workers", "2") as served:
        code, said = served.rest()
    assert code == 1
    assert said.count("ZeroDivisionError") == 1
    assert "Traceback" not in said
    assert not (shop / "shop.hw").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (
            ["shop.py"],
            1,
            "there is no database; expected a directory with headwater.json; --create",
        ),
        (["none.py", "--create"], 1, "there are no modules"),
        (["shop.py", "--create", "--port", "70000"], 2, "65535"),
        (["shop.py", "--create", "--host", "203.0.113.1"], 1, "cannot listen on 203.0.113.1"),
        (["shop.py", "--create", "--host", "no.such.host.invalid"], 1, "cannot listen on no.such"),
        (["shop.py", "--create", "--workers", "0"], 2, "greater than or equal"),
        (["shop.py", "--create", "--cors", "nonsense"], 1, "expected an origin"),
        (["shop.py", "--create", "--admin-token-file", "none"], 1, "none: No such file"),
        (["shop.py", "--create", "--admin-token-file", "empty"], 1, "empty is empty"),
        (["shop.py", "--create", "--admin-token-file", "binary"], 1, "binary: it is no text"),
        (["shop.py", "--create", "--admin-token-file", "short"], 1, "16"),
        (["shop.py", "--create", "--dashboard"], 1, "nobody could sign in"),
    ],
)
def test_wrong_input_is_refused(folder, shop, arguments, code, says):
    (shop / "empty").touch()
    (shop / "binary").write_bytes(b"\xff\xfe")
    (shop / "short").write_text("short")
    ending = [] if "--port" in arguments else ["--port", "0"]
    assert says in refused("serve", *arguments, *ending, code=code)


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_port_that_is_taken_is_named(shop, folder, command):
    hw.open("shop.hw").close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(command, "shop.py", "--port", port)
    assert f"port {port}: Address already in use; --port takes another" in said


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_missing_extra_is_named(shop, folder, monkeypatch, command):
    hw.open("shop.hw").close()
    for name in ("workers", "listening", "developing"):
        monkeypatch.delitem(sys.modules, f"headwater.cli.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = refused(command, "shop.py", "--port", "0")
    assert f"headwater {command} needs the package 'uvicorn'" in said
    assert "pip install 'headwater[cli,server]'" in said
