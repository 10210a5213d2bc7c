"""``headwater dev``: changes of modules are taken over while clients are there."""

import json
import signal
import threading

import pytest
from tests.cli.served import serving
from tests.cli.test_serving import SERVED

import headwater as hw
from headwater.cli.sources import find_source


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An application in app/shop.py; the current directory is its."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir(exist_ok=True)
    (tmp_path / "app" / "notes.py").unlink(missing_ok=True)
    write(tmp_path, SERVED)
    return tmp_path


def write(folder, text, name="shop"):
    (folder / "app" / f"{name}.py").write_text(text)


def test_a_change_is_taken_over_and_connections_stay(shop):
    with serving("dev", "app/") as served:
        connection = served.connect()
        assert served.call("shop:number", over=connection) == 1
        place = connection.sock.getsockname()
        for number in (2, 3):
            write(shop, SERVED.replace("return 1", f"return {number}"))
            served.hear("reloaded")
            assert served.call("shop:number", over=connection) == number
        assert connection.sock.getsockname() == place
        connection.close()
        code, said = served.end(signal.SIGINT)
        assert code == 130
        assert "Traceback" not in said


def test_calls_are_shown_with_what_they_log(shop):
    logging = SERVED.replace("return 1", 'ctx.log.info("a line")\n    return 1')
    write(shop, logging.replace('{"n": 1}', '{"n": "one"}'))
    with serving("dev", "app") as served:
        token = served.hear(r"the dashboard is at http://[\d.:]+/_dashboard/ for (\S+)$")[1]
        served.call("shop:number")
        served.hear(r"query shop:number \d+\.\d ms")
        served.hear("info: a line")
        answer = served.ask("/api/mutation", {"path": "shop:add", "args": {}, "format": "json"})[1]
        assert "expected int" in json.dumps(answer)  # clients of dev are told
        served.hear("mutation shop:add .*expected int")
        # The dashboard is there, for the token that was printed.
        code, page = served.get("/_dashboard/")
        assert (code, "html" in page) == (200, True)
        assert served.get("/_dashboard/api/tables")[0] == 401
        assert served.get("/_dashboard/api/tables", authorization=f"Convex {token}")[0] == 200
        # A page elsewhere, whose name points here, is refused.
        body = {"path": "shop:number", "args": {}, "format": "json"}
        assert served.ask("/api/query", body, host="localhost:1")[1]["value"] == 1
        assert served.ask("/api/query", body, host="rebound.example.com")[0] >= 400


BROKEN = {
    "syntax": ("def f(:\n", r"app/shop\.py:1: SyntaxError"),
    "raises": ("1 / 0\n", r"app/shop\.py:1: ZeroDivisionError"),
    "declares what cannot work": (
        SERVED.replace("def number(ctx: QueryCtx)", "def number(ctx: QueryCtx, x: set[int])"),
        "shop:number",
    ),
    "does not fit the documents": (SERVED.replace("n: int", "n: str"), "counts"),
    "needs a secret that is not set": (
        SERVED
        + """
@hw.webhook("/hook", verifier=hw.webhooks.github(hw.webhooks.env("NO_SUCH_SECRET")))
def hook(ctx: MutationCtx, event: hw.WebhookEvent) -> None: ...
""",
        "NO_SUCH_SECRET",
    ),
}


def test_what_is_wrong_is_told_and_the_old_code_goes_on(shop):
    with serving("dev", "app", "--quiet") as served:
        served.call("shop:add", kind="mutation")
        for number, (code, says) in enumerate(BROKEN.values(), 2):
            write(shop, code)
            served.hear(says)
            served.hear("what was there before goes on")
            assert served.call("shop:number") == number - 1
            write(shop, SERVED.replace("return 1", f"return {number}"))
            served.hear("reloaded")
            assert served.call("shop:number") == number
            assert served.call("shop:total") == 1
        code, said = served.end()
        assert (code, "Traceback" in said) == (0, False)


def test_what_cannot_be_loaded_at_first_is_awaited(shop):
    write(shop, "1 / 0")
    with serving("dev", "app") as served:
        assert "".join(served.lines).count("ZeroDivisionError") >= 1
        code, text = served.ask("/api/query", {"path": "shop:number", "args": {}})
        assert (code, text) == (503, "the application cannot be loaded yet\n")
        assert not (shop / "app.hw").exists()
        write(shop, SERVED)
        served.hear("reloaded")
        assert served.call("shop:number") == 1


def test_new_modules_and_tables_come_and_go(shop):
    with serving("dev", "app") as served:
        write(shop, "from app.shop import number\nfrom app import shop\n" + EXTRA, "extra")
        served.hear("reloaded")
        assert served.call("extra:put", kind="mutation") == 1
        (shop / "app" / "extra.py").unlink()
        served.hear("reloaded")
        answer = served.ask("/api/mutation", {"path": "extra:put", "args": {}})[1]
        assert "extra:put" in json.dumps(answer)
    with hw.open("app.hw") as db, db.snapshot() as snapshot:
        assert snapshot.query("things").count() == 1


EXTRA = """
import headwater as hw

class Thing(hw.Document["Thing"]): ...

class Things(hw.Table[Thing]): ...

@hw.mutation
def put(ctx: hw.MutationCtx) -> int:
    ctx.db.insert(Things, {})
    return shop.number(ctx)
"""


def test_nobody_loses_a_call_while_modules_change(shop):
    stopped = threading.Event()
    counts = []

    def keep_adding(served):
        connection, count = served.connect(), 0
        while not stopped.is_set():
            served.call("shop:add", kind="mutation", over=connection)
            count += 1
        connection.close()
        counts.append(count)

    with serving("dev", "app", "--quiet") as served:
        clients = [threading.Thread(target=keep_adding, args=[served]) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for number in range(2, 6):
                write(shop, SERVED.replace("return 1", f"return {number}"))
                served.hear("reloaded")
        finally:
            stopped.set()
            for client in clients:
                client.join()
        assert len(counts) == 3
        assert served.call("shop:total") == sum(counts)


def test_a_single_file_is_watched_and_its_neighbours_are_not(shop):
    (shop / "lone.py").write_text(SERVED)
    with serving("dev", "lone.py", "--quiet", "--host", "0.0.0.0") as served:
        assert "anybody who can reach 0.0.0.0 can read what errors tell" in served.lines[0]
        (shop / "other.py").write_text("1 / 0")
        replaced = shop / "lone.new"
        replaced.write_text(SERVED.replace("return 1", "return 2"))
        replaced.rename(shop / "lone.py")  # as editors save
        served.hear("changed: lone.py$")
        served.hear("reloaded")
        assert served.call("lone:number") == 2
        assert "other.py" not in "".join(served.lines)


def test_live_queries_of_clients_go_on_with_the_new_code(folder, shop):
    (module,) = find_source("app").load()
    with serving("dev", "app", "--quiet") as served:
        url = f"http://127.0.0.1:{served.port}"
        with hw.connect(url, modules=[module]) as db, db.watch(module.shop.number) as live:
            assert live.next() == 1
            write(shop, SERVED.replace("return 1", "return 2"))
            assert live.next() == 2
            db.mutate(module.shop.add)
            assert db.query(module.shop.total) == 1
