"""The client of npm goes on when connections break and servers die."""

import pytest
from tests.clients.scripts import script
from tests.clients.serving import Served
from tests.processes.children import nursery


@pytest.fixture
def server(tmp_path, jwks):
    with nursery() as start:
        server = Served(start, tmp_path / "db", jwks)
        yield server
        server.finish()


def test_a_broken_connection_is_made_again(node, server, signing_key) -> None:
    with script(node, "dropped.mjs", server.url, signing_key) as client:
        for _ in range(3):
            assert client.hear() == "connected"
            server.drop()
            client.tell()


def test_a_mutation_whose_answer_is_lost_has_its_effect_once(node, server, signing_key) -> None:
    with script(node, "lost.mjs", server.url, signing_key) as client:
        assert client.hear() == "connected"
        server.withhold()
        client.tell()
        server.has_withheld()
        server.kill()
        server.restart()


def test_mutations_have_their_effect_once_and_in_order_through_kills(
    node, server, signing_key
) -> None:
    kills = 0
    with script(node, "killed.mjs", server.url, signing_key) as client:
        while (said := client.hear()) not in ("done", ""):
            server.kill()
            server.restart()
            kills += 1
    assert kills == 2, said
