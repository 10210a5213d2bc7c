"""Which databases this process has open, and what a fork does to them.

LMDB's locks belong to the process and the file: a second opening would share and then drop them.
After a fork the child has copies of the parent's handles, which it must not use, not even to
close a snapshot (that would free the parent's reader slot).
"""

import os
import threading
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet, WeakValueDictionary

from headwater.errors import AlreadyOpenError

Identity = tuple[int, int]
"""Device and inode of the directory: the same for every path that leads to it."""


class Forkable(Protocol):
    """What is told about forks."""

    def before_fork(self) -> None:
        """Come to rest: the child must not inherit a change half made."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Refuse all further use, without touching what is shared with the parent."""
        ...


_open: Final[WeakValueDictionary[Identity, Forkable]] = WeakValueDictionary()
_forkable: Final[WeakSet[Forkable]] = WeakSet()
_lock = threading.Lock()


def identity_of(directory: Path) -> Identity:
    """Name a directory independently of the path to it.

    Raises:
        OSError: Of the system.
    """
    status = os.stat(directory)  # noqa: PTH116 - takes half
    return status.st_dev, status.st_ino


def register(identity: Identity, environment: Forkable, directory: Path) -> None:
    """Claim a directory for this process. Of forks it is told once it has said `notice_forks`.

    Raises:
        AlreadyOpenError: It is open here.
    """
    with _lock:
        if identity in _open:
            raise AlreadyOpenError(
                f"{directory}: already open in this process; share the open database, or close it "
                "first (LMDB cannot open a file twice in one process)"
            )
        _open[identity] = environment


def unregister(identity: Identity, environment: Forkable) -> None:
    """Give a directory up. Does nothing if it is not held by ``environment``."""
    with _lock:
        if _open.get(identity) is environment:
            del _open[identity]
        _forkable.discard(environment)


def is_registered(identity: Identity) -> bool:
    """Whether this process has the directory open."""
    with _lock:
        return identity in _open


def notice_forks(watcher: Forkable) -> None:
    """Tell ``watcher`` about forks for as long as it lives."""
    _forkable.add(watcher)


_resting: list[Forkable] = []
_forking = threading.Lock()
"""Held by the thread that forks: two that fork at once would share one list."""


def _before_fork() -> None:
    _forking.acquire()
    _resting[:] = list(_forkable)
    for environment in _resting:
        environment.before_fork()


def _after_fork_in_parent() -> None:
    for environment in _resting:
        environment.after_fork_in_parent()
    _resting.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    # The old lock may be held by a thread that the child lacks.
    global _lock, _forking
    _lock, _forking = threading.Lock(), threading.Lock()
    for environment in _resting:
        environment.after_fork_in_child()
    _resting.clear()
    _open.clear()
    _forkable.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
