"""Children that do not outlive their test, and places for databases."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.processes.children import Child, nursery

from headwater.storage import checkpointing
from headwater.storage.creation import create_temporary_directory


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


@pytest.fixture
def place() -> Generator[Path]:
    """Somewhere fast, in memory if there is room: for what is not about the disk."""
    directory = create_temporary_directory()
    yield directory
    shutil.rmtree(directory)
