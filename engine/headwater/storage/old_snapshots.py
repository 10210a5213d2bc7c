"""Tells of snapshots that have been open for long, before they bloat the file.

LMDB reuses the space of what was changed only when no snapshot can see it any more. Looked at after
commits, since only these cost space, and told once for each snapshot.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from headwater.storage.checkpointing import CHECKPOINT_THREAD
from headwater.storage.members import members
from headwater.storage.transactions import Place, ReadTransaction

if TYPE_CHECKING:
    import lmdb

_MARK_SECONDS: Final = 1.0
_MARKS: Final = 1024
"""So the size of the file is known for the last quarter of an hour."""

_CODE_UNIT_BYTES: Final = 2
_OURS: Final = "headwater"


class _Mark(NamedTuple):
    """How large the file was after some transaction."""

    transaction: int
    pages: int


class _Foreign(NamedTuple):
    """A snapshot of another process, as LMDB's table of readers has it."""

    pid: int
    thread: str
    transaction: int


class OldSnapshots:
    """Watches the snapshots of one environment. Looks with the environment's lock of writers.

    Args:
        path: The directory, for messages.
        seconds: Age at which a snapshot is told of.
        taken_away_seconds: Age at which one is taken away, for messages.
    """

    def __init__(self, path: Path, *, seconds: float, taken_away_seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._taken_away_seconds = taken_away_seconds
        self._long: WeakKeyDictionary[ReadTransaction, tuple[str, float]] = WeakKeyDictionary()
        self._told: WeakSet[ReadTransaction] = WeakSet()
        self._marks: deque[_Mark] = deque(maxlen=_MARKS)
        self._marked_at = -inf
        self._others: dict[_Foreign, float] = {}
        self._others_told: set[_Foreign] = set()

    def is_long(self, snapshot: ReadTransaction, purpose: str, now: float) -> None:
        """Note a snapshot that may stay open for as long as it takes."""
        self._long[snapshot] = (purpose, now)

    def look(
        self,
        readers: "Mapping[Callable[[], ReadTransaction | None], float]",
        environment: "lmdb.Environment",
        now: float,
    ) -> list[str]:
        """Warnings of the snapshots of this process that have become old.

        Args:
            readers: Open snapshots, and when each began.
            environment: Where they are open.
            now: On the same clock.
        """
        if now - self._marked_at >= _MARK_SECONDS:
            self._marked_at = now
            info = environment.info()
            self._marks.append(_Mark(info["last_txnid"], info["last_pgno"]))
        if not readers:
            return []
        latest = now - self._seconds
        if not any(began < latest or began == inf for began in list(readers.values())):
            return []
        warnings: list[str] = []
        for reference, began in list(readers.items()):
            snapshot = reference()
            if snapshot is None or snapshot in self._told:
                continue
            purpose, since = self._long.get(snapshot, ("", began))
            if since < latest:
                self._told.add(snapshot)
                warnings += self._warnings_of(snapshot, purpose, now - since, environment)
        return warnings

    def look_at_others(self, environment: "lmdb.Environment", now: float, own: int) -> list[str]:
        """Warnings of snapshots of other processes that were there at earlier looks already.

        Args:
            environment: Where they are open.
            now: On the clock of all looks.
            own: Number of this process.
        """
        newest = environment.info()["last_txnid"]
        found = [one for one in _readers_in(environment.readers()) if one.pid != own]
        self._others = {
            one: self._others.get(one, now) for one in found if one.transaction < newest
        }
        self._others_told &= self._others.keys()
        warnings: list[str] = []
        for one, since in self._others.items():
            if now - since > self._seconds and one not in self._others_told:
                self._others_told.add(one)
                warnings.append(self._warning_of_other(one, now - since, environment))
        return warnings

    def _warnings_of(
        self,
        snapshot: ReadTransaction,
        purpose: str,
        age: float,
        environment: "lmdb.Environment",
    ) -> list[str]:
        transaction = snapshot.transaction_id()
        if transaction is None:
            return []  # it was closed in this moment
        cost = self._cost(transaction, environment)
        if purpose:
            what = f"{purpose} has kept a snapshot open for {age:.0f} s"
            return [f"{self._path}: {what}, and {cost}; it is given back when that ends"]
        what = f"a snapshot{_in_words(snapshot.place)} has been open for {age:.0f} s"
        limit = f"{self._taken_away_seconds:g} s (limit snapshot_seconds)"
        end = f"close it, or read in shorter steps; it is taken away after {limit}"
        return [f"{self._path}: {what}, and {cost}; {end}"]

    def _warning_of_other(self, one: _Foreign, age: float, environment: "lmdb.Environment") -> str:
        names = {member.pid: member.program for member in members(self._path)}
        program = f" ({names[one.pid]})" if one.pid in names else ""
        cost = self._cost(one.transaction, environment)
        return (
            f"{self._path}: process {one.pid}{program} has had a snapshot open for {age:.0f} s or "
            f"more, and {cost}; look whether it is stopped or hangs; if it ends, its snapshot ends "
            "too"
        )

    def _cost(self, transaction: int, environment: "lmdb.Environment") -> str:
        """What a snapshot of a transaction keeps from being reused."""
        info = environment.info()
        pages = next(
            (mark.pages for mark in reversed(self._marks) if mark.transaction <= transaction), None
        )
        growth = ""
        if pages is not None:
            size = (info["last_pgno"] - pages) * environment.stat()["psize"]
            growth = f"; the file has grown by {max(size, 0)} bytes since"
        commits = info["last_txnid"] - transaction
        return f"the space of what {commits} commits have replaced cannot be reused{growth}"


def warn(warnings: list[str]) -> None:
    """Put warnings into the log of the program."""
    if warnings:
        import logging

        for warning in warnings:
            logging.getLogger("headwater").warning("%s", warning)


def _in_words(place: Place | None) -> str:
    """Where a snapshot was opened, as far as that is known."""
    if place is None:
        return ""
    code, offset, ident = place
    # The thread of checkpoints opens none: it has the number of one that has ended.
    names = [
        thread.name
        for thread in threading.enumerate()
        if thread.ident == ident and thread.name != CHECKPOINT_THREAD
    ]
    thread = f"thread {names[0]}" if names else "a thread that has ended"
    if code is not None:
        line = next(islice(code.co_positions(), offset // _CODE_UNIT_BYTES, None))[0]
        return f", opened by {thread} at {code.co_filename}:{line},"
    frame = sys._current_frames().get(ident) if names else None  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame = frame.f_back
    if frame is None:
        return f", opened by {thread},"
    return f", opened by {thread} (now at {frame.f_code.co_filename}:{frame.f_lineno}),"


def _readers_in(table: str) -> list[_Foreign]:
    """The open snapshots in LMDB's table of readers, of all processes."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [
        _Foreign(int(pid), thread, int(transaction))
        for pid, thread, transaction in (row for row in rows if len(row) == 3)
        if transaction.isdecimal()
    ]
