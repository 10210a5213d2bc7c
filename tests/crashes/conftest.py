"""Children that do not outlive their test."""

from collections.abc import Generator

import pytest
from tests.processes.children import Child, nursery

from headwater.storage import checkpointing


@pytest.fixture(autouse=True)
def no_checkpoints_by_time(monkeypatch) -> None:
    """So that calls and flushes can be counted, however slow the machine is. Not in children."""
    monkeypatch.setattr(checkpointing, "CHECKPOINT_SECONDS", 3600)


@pytest.fixture
def start() -> Generator[type[Child]]:
    """Start a child on a piece of code; its first argument is bound to ``path``."""
    with nursery() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    """Where the database of the test is."""
    return tmp_path / "db.hw"
