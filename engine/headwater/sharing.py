"""Databases that are open in this process, so that a directory is opened once."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from headwater.errors import AlreadyOpenError

D = TypeVar("D")


class _Shared:
    """One open database and how many have opened it."""

    def __init__(self, path: Path, modules: Sequence[str], database: object) -> None:
        self.path = path
        self.modules = tuple(modules)
        self.database: Any = database
        self.count = 1


_lock = threading.RLock()
_open: Final[dict[Path, _Shared]] = {}


def share(path: Path, modules: Sequence[str], make: Callable[[], D]) -> D:
    """The database at a path: the one that is open, or a new one.

    Raises:
        AlreadyOpenError: It is open with other modules.
    """
    with _lock:
        key = path.resolve()
        shared = _open.get(key)
        if shared is None:
            database = make()
            _open[key] = _Shared(path, modules, database)
            return database
        if modules and tuple(modules) != shared.modules:
            raise AlreadyOpenError(
                f"{path} is open in this process with the modules "
                f"{', '.join(shared.modules) or '(none)'}; opening it with {', '.join(modules)} "
                "would leave two sets of functions on one database. Open it once with all of "
                "them, or close it first"
            )
        shared.count += 1
        found: D = shared.database
        return found


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
