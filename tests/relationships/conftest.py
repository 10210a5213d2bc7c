"""Children that do not outlive their test."""

from collections.abc import Generator

import pytest
from tests.processes.children import Child, nursery


@pytest.fixture
def start() -> Generator[type[Child]]:
    """Start a child on a piece of code; its first argument is bound to ``path``."""
    with nursery() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    """Where the database of the test is."""
    return tmp_path / "db.hw"
