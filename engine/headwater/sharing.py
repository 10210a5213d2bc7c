"""Databases that are open in this process, so that a directory is opened once."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from headwater.errors import AlreadyOpenError

D = TypeVar("D")


class _Shared:
    """One open database, what it was opened with, and how many have opened it."""

    def __init__(self, asked: Mapping[str, object], database: object) -> None:
        self.asked = asked
        self.database: Any = database
        self.count = 1


_lock = threading.RLock()
_open: Final[dict[str, _Shared]] = {}


def share(path: Path, asked: Mapping[str, object], make: Callable[[], D]) -> D:
    """The database at a path: the one that is open, or a new one.

    Args:
        path: Its directory.
        asked: What it is to be opened with, by name; None where the caller does not mind.
        make: Opens it.

    Raises:
        AlreadyOpenError: It is open with something else than was asked for.
    """
    with _lock:
        # Not by its inode: that of a directory that was removed may be given to another one.
        key = os.path.realpath(path)
        shared = _open.get(key)
        if shared is None:
            database = make()
            _open[key] = _Shared(asked, database)
            return database
        for name, value in asked.items():
            if value is not None and value != shared.asked.get(name):
                raise AlreadyOpenError(
                    f"{path} is open in this process with {name} {_shown(shared.asked.get(name))}, "
                    f"and is to be opened with {_shown(value)}; a database has one set of "
                    "functions and options. Open it once with all of them, or close it first"
                )
        shared.count += 1
        found: D = shared.database
        return found


def _shown(value: object) -> str:
    if value is None:
        return "left to the default"
    if isinstance(value, tuple):
        return ", ".join(map(str, cast("tuple[object, ...]", value)))
    return repr(value)


def release(database: object) -> bool:
    """Count a closing down; whether it was the last, so that the database is to be closed."""
    with _lock:
        for key, shared in _open.items():
            if shared.database is database:
                shared.count -= 1
                if shared.count == 0:
                    del _open[key]
                    return True
                return False
    return True


def _forget_in_child() -> None:
    # A forked child may open the directories anew; what the parent has open is not its own, and
    # the lock may be held by a thread that the child does not have.
    global _lock  # noqa: PLW0603 - there is one registry in a process
    _lock = threading.RLock()
    _open.clear()


os.register_at_fork(after_in_child=_forget_in_child)
