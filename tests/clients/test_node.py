"""The official clients of npm, as they are, in Node.js."""

import pytest
from tests.clients.scripts import run


@pytest.mark.parametrize("name", ["http", "values", "live", "pages", "identity"])
def test_the_client_of_npm(name, node, served, signing_key) -> None:
    run(node, f"{name}.mjs", served.url, signing_key)
