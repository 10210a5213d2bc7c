"""A new database made of given entries: whole, or not there at all."""

from collections.abc import Callable
from pathlib import Path

from headwater.clock import Clock
from headwater.errors import AlreadyOpenError
from headwater.storage.contents import copy_contents
from headwater.storage.creation import create_database, create_with
from headwater.storage.engine import Engine, open_engine
from headwater.storage.environment import Environment
from headwater.storage.transactions import WriteTransaction


def create_filled(
    directory: Path,
    fill: Callable[[WriteTransaction], None],
    *,
    clock: Clock,
    engine: Engine = open_engine,
    files_of: Path | None = None,
) -> None:
    """Create a database of what ``fill`` writes, with a uuid of its own. Durable on return.

    Args:
        directory: Missing or empty.
        fill: Writes everything in one transaction; called again if the map had to grow.
        clock: Time and randomness.
        engine: What opens LMDB.
        files_of: A database whose stored files the new one gets as well.

    Raises:
        AlreadyOpenError: There is a database already.
        NotADatabaseError: Something else is there.
        StorageError: The system failed; nothing is left behind.
    """

    def make(staging: Path) -> None:
        inner = staging / "filled"
        create_database(inner, engine, clock)
        with Environment.open(inner, durability="none", engine=engine, clock=clock) as environment:
            environment.run_write(fill)
            environment.sync()
        for path in inner.iterdir():
            path.rename(staging / path.name)
        if files_of is not None:
            copy_contents(files_of, staging)

    if not create_with(directory, make):
        raise AlreadyOpenError(
            f"{directory}: there is a database already; choose a new or an empty directory"
        )
