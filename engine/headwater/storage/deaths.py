"""Noticing that a process on the same directory has died, without asking again and again.

A process that is killed between its flush and its call to wake the others has committed something
that nobody was told of. So whoever listens holds a descriptor of each other process, which the
kernel makes readable when that process ends. Where there are none (before Linux 5.3, on macOS, or
where a sandbox forbids them) such a commit is heard of with the next one.
"""

import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headwater.storage.members import Member, members, start_of

Process = tuple[int, int]
"""Number and start: the same for no two processes."""

_open_descriptor: Final[Callable[[int], int] | None] = getattr(os, "pidfd_open", None)


class DeathWatch:
    """The other processes that have a directory open. Used by one thread at a time."""

    def __init__(self, directory: Path, poll: "select.poll") -> None:
        self._directory = directory
        self._poll = poll
        self._watched: dict[Process, int] = {}

    def look(self) -> bool:
        """Find out who has the directory open, and watch them from now on.

        Returns whether one has gone that was there before or that was just listed: it may have
        been killed.
        """
        listed = {
            (member.pid, member.started): member
            for member in members(self._directory)
            if member.pid != os.getpid() and member.is_near
        }
        gone = [process for process in self._watched if process not in listed]
        for process in gone:
            self._forget(process)
        new = [member for process, member in listed.items() if process not in self._watched]
        are_alive = [self._watch(member) for member in new]
        return bool(gone) or not all(are_alive)

    def heard(self, ready: list[tuple[int, int]]) -> bool:
        """Whether one of the descriptors that a poll found readable says that a process ended."""
        readable = {descriptor for descriptor, _ in ready}
        dead = [process for process, held in self._watched.items() if held in readable]
        for process in dead:
            self._forget(process)
        return bool(dead)

    def close(self) -> None:
        """Watch nobody any more. Does nothing the second time."""
        for process in list(self._watched):
            self._forget(process)

    def _watch(self, member: Member) -> bool:
        """Watch one more. Returns whether it still lives, as far as that can be seen."""
        if _open_descriptor is None:
            return True
        try:
            descriptor = _open_descriptor(member.pid)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        if start_of(member.pid) != member.started:
            os.close(descriptor)
            return False
        self._watched[member.pid, member.started] = descriptor
        self._poll.register(descriptor, select.POLLIN)
        return True

    def _forget(self, process: Process) -> None:
        descriptor = self._watched.pop(process)
        self._poll.unregister(descriptor)
        os.close(descriptor)
