"""The end of a process, without a process: what is on disk at a moment, opened again."""

import os
import shutil
import weakref
from pathlib import Path

from headwater.storage.creation import create_temporary_directory
from headwater.storage.environment import Environment
from headwater.storage.format import LOCK_NAME
from headwater.verbs.opened import Opened


class Crashing(Opened):
    """A throw-away database whose process can die."""

    _remove_copy: "weakref.finalize[[Path], Crashing] | None" = None

    def crash(self) -> None:
        """Kill the process and open the database again, in place: the object stays the same.

        What was acknowledged is there, and nothing else: transactions, snapshots and live queries
        that are under way end with `ClosedError`. What another process would find after a kill is
        taken from the files as they are at this moment. Time goes on where it was.
        """
        copy = create_temporary_directory()
        _copy_files(self.path, copy)
        self._open_again(copy)

    def _open_again(self, directory: Path) -> None:
        application, limits, clock = self.application, self._store.limits, self._store.clock
        observer, remove = self._store.observer, self._remove_copy
        options = self._services.options
        self._end()
        if remove is not None:
            remove()
        environment = Environment.open(
            directory,
            durability="none",
            snapshot_seconds=limits.snapshot_seconds,
            snapshot_warning_seconds=limits.snapshot_warning_seconds,
            clock=clock,
        )
        self._remove_copy = weakref.finalize(self, _remove, directory)
        Opened.__init__(
            self,
            environment,
            application,
            limits=limits,
            clock=clock,
            options=options,
            build="wait",
            progress=None,
        )
        self._store.observer = observer

    def close(self) -> None:
        """Close, and remove the files. Does nothing again."""
        super().close()
        if self._remove_copy is not None:
            self._remove_copy()


def _copy_files(source: Path, target: Path) -> None:
    """Copy the files of an open database, in the state in which a kill would leave them.

    The table of readers is that of the processes that are alive, and is made anew. Pipes and files
    of members are in folders of their own, and mean nothing to another process.
    """
    for entry in os.scandir(source):
        if entry.is_file(follow_symlinks=False) and entry.name != LOCK_NAME:
            shutil.copyfile(entry.path, target / entry.name)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
