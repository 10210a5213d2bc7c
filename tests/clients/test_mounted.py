"""The official clients of an application that is mounted below a prefix of FastAPI."""

import pytest
from convex.http_client import ConvexHttpClient
from tests.clients.scripts import run
from tests.clients.serving import Served
from tests.processes.children import nursery


@pytest.fixture(scope="module")
def served(tmp_path_factory, jwks):
    with nursery() as start:
        path = tmp_path_factory.mktemp("mounted") / "db"
        server = Served(start, path, jwks, prefix="/of/ours")
        yield server
        server.finish()


@pytest.mark.parametrize("name", ["http", "live"])
def test_the_client_of_npm_finds_it_below_the_prefix(name, node, served, signing_key) -> None:
    run(node, f"{name}.mjs", served.url, signing_key)


def test_the_http_client_of_pypi_finds_it_below_the_prefix(served) -> None:
    client = ConvexHttpClient(served.url)
    client.mutation("application:say", {"room": "mounted", "text": "Hi"})
    assert client.query("application:texts", {"room": "mounted"}) == ["Hi"]
