"""What is over, gone, or of another process is left alone.

Method: the ends of things are made by hand: dead references, forks, and cursors that fail.
"""

import errno
import os
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from tests.storage.conftest import failure

from headwater.errors import ClosedError, DiskError
from headwater.storage import registry
from headwater.storage.environment import Environment, _remove
from headwater.storage.format import Database


class Something:
    """Anything that a weak reference can point at."""


def test_a_directory_is_given_up_by_its_holder_alone(tmp_path: Path) -> None:
    with Environment.open(tmp_path / "db") as environment:
        identity = registry.identity_of(tmp_path / "db")
        other: Any = Something()
        registry.unregister(identity, other)
        assert registry._open[identity] is environment
    assert identity not in registry._open


def test_a_closed_snapshot_has_no_age() -> None:
    with Environment.open(None) as environment:
        snapshot = environment.read()
        snapshot.close()
        snapshot.started_at(0.0)
        assert environment.readers == {}


def test_a_greatest_key_that_cannot_be_read_is_a_storage_error() -> None:
    class Failing:
        def cursor(self, handle: Any) -> Any:
            raise failure(errno.EIO)

    with Environment.open(None) as environment, environment.read() as snapshot:
        whole: Any = snapshot._transaction
        failing: Any = Failing()
        snapshot._transaction = failing
        with pytest.raises(DiskError, match="read"):
            snapshot.last_key(Database.LOG)
        snapshot._transaction = whole
        assert snapshot.last_key(Database.LOG) is None


def test_a_snapshot_that_has_just_died_does_not_keep_others_open() -> None:
    environment = Environment.open(None)
    snapshot: Any = Something()
    environment.readers[ref(snapshot)] = 0.0  # type: ignore[index]
    del snapshot
    alive = environment.read()
    environment.close()
    with pytest.raises(ClosedError):
        alive.get(Database.LOG, b"x")


def test_a_snapshot_that_has_just_died_does_not_keep_others_usable_in_a_child(run) -> None:
    output = run(
        """
        from weakref import ref
        class Something: pass
        environment = Environment.open(None)
        snapshot = Something()
        environment.readers[ref(snapshot)] = 0.0
        del snapshot
        alive = environment.read()
        if not os.fork():
            try:
                alive.get(Database.LOG, b"x")
            except ForkedError:
                os._exit(7)
            os._exit(1)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        """,
        "",
    )
    assert output == "7\n"


def test_a_child_that_ends_leaves_the_throw_away_database_of_its_parent(run) -> None:
    output = run(
        """
        environment = Environment.open(None)
        if not os.fork():
            sys.exit(0)
        os.wait()
        print(environment.path.exists())
        environment.close()
        print(environment.path.exists())
        """,
        "",
    )
    assert output == "True\nFalse\n"


@pytest.mark.parametrize(("away", "is_left"), [(0, False), (1, True)])
def test_a_throw_away_database_is_removed_by_the_process_that_made_it(
    tmp_path: Path, away: int, is_left: bool
) -> None:
    (tmp_path / "db").mkdir()
    _remove(tmp_path / "db", os.getpid() + away)
    assert (tmp_path / "db").exists() == is_left
