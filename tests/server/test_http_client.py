"""The official client for HTTP of the PyPI package ``convex``, as it is, against a real server."""

import math
from typing import Any

import httpx
import pytest
from convex import ConvexError, ConvexInt64
from convex.http_client import ConvexExecutionError, ConvexHttpClient
from tests.processes.children import nursery

SERVER = """
    import socket, uvicorn
    from tests.server import served
    from tests.services import filing

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    db = hw.open(path, modules=[served, filing], public_origin=f"http://127.0.0.1:{port}")

    def identify(token):
        return hw.Identity(token) if token == "ada" else None

    app = db.asgi(api=True, dev=True, identify=identify, admin_token="x" * 32)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            say(port)

    server = Server(uvicorn.Config(app, ws="none", log_config=None))
    threading.Thread(target=lambda: (hear(), setattr(server, "should_exit", True))).start()
    server.run([listener])
    db.close()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with nursery() as start:
        child = start(SERVER, tmp_path_factory.mktemp("served") / "db")
        port = child.hear()
        assert port, child.errors
        yield f"http://127.0.0.1:{port}"
        child.finish()


@pytest.fixture
def client(address):
    return ConvexHttpClient(address)


def test_it_queries_and_mutates(client) -> None:
    before = client.query("served:list")
    id = client.mutation("served:writeNote", {"text": "from the client", "count": 3})
    assert isinstance(id, str)
    assert client.query("served:list") == [*before, "from the client"]
    assert client.action("served:act", {"text": "by an action"})[-1] == "by an action"
    assert client.query("served") == "the default one"


VALUES: list[Any] = [
    None,
    True,
    0.0,
    1.5,
    1e300,
    math.inf,
    -math.inf,
    "text",
    "\U0001f600\x00",
    b"",
    b"\x00\xff",
    ConvexInt64(5),
    ConvexInt64(-(2**63)),
    [],
    {},
    [1.0, [{"a": [b"x"]}]],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_comes_back(client, value) -> None:
    assert client.query("served:echo", {"value": value}) == value


def test_special_numbers_come_back(client) -> None:
    assert math.isnan(client.query("served:echo", {"value": math.nan}))
    assert math.copysign(1, client.query("served:echo", {"value": -0.0})) == -1
    assert client.query("served:echo", {"value": 3}) == 3.0
    shown = client.query("served:kinds", {"whole": 3, "number": 3, "big": ConvexInt64(3)})
    assert shown[:3] == ["3", "3.0", "Int64(3)"]


def test_errors_with_data_are_its_own_errors(client) -> None:
    with pytest.raises(ConvexError) as raised:
        client.mutation("served:fail", {"how": "data"})
    # This client leaves the data as it was sent.
    assert raised.value.data == {"code": "SOLD_OUT", "left": 0.0, "token": {"$bytes": "AQ=="}}
    with pytest.raises(ConvexError, match="sold out") as raised:
        client.mutation("served:fail", {"how": "text"})
    assert raised.value.data == "sold out"
    with pytest.raises(ConvexError) as raised:
        client.mutation("served:fail", {"how": "null"})
    assert raised.value.data is None


@pytest.mark.parametrize(
    ("path", "args", "said"),
    [
        ("served:fail", {"how": "other"}, "Uncaught KeyError"),
        ("served:writeNote", {"text": 5}, "argument 'text'"),
        ("served:secret", {}, "Could not find public function"),
        ("served:list", {}, "Trying to execute"),
    ],
)
def test_other_errors_are_errors_of_execution(client, path, args, said) -> None:
    with pytest.raises(ConvexExecutionError, match=said):
        client.mutation(path, args)


def test_tokens_and_admin_keys_say_who_calls(client) -> None:
    assert client.query("served:who") is None
    client.set_auth("ada")
    assert client.query("served:who") == ["ada", "local", {}]
    client.set_auth("eve")
    with pytest.raises(Exception, match="401 InvalidAuthHeader: "):
        client.query("served:who")
    client.set_admin_auth("x" * 32)
    assert client.query("served:secret") == "of the house"
    client.set_admin_auth("y" * 32)
    with pytest.raises(Exception, match="401 BadDeployKey: "):
        client.query("served:secret")


def test_log_lines_are_shown_to_developers(client, capsys) -> None:
    client.set_debug(True)
    client.mutation("served:writeNote", {"text": "a line"})
    assert capsys.readouterr().out == "[INFO] 'writes a line'\n"


def test_files_go_up_and_down(client) -> None:
    url = client.mutation("filing:uploadUrl")
    sent = httpx.post(url, content=b"x" * 3_000_000, headers={"content-type": "image/png"})
    file = sent.json()["storageId"]
    got = httpx.get(client.query("filing:url", {"file": file}))
    assert (got.content, got.headers["content-type"]) == (b"x" * 3_000_000, "image/png")
