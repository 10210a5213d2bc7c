"""What a write transaction does, written down for the journal."""

from collections.abc import Callable
from typing import Final

from headwater.storage.format import Database
from headwater.storage.journal_format import CLEAR, DELETE, PUT, Change

PART_BYTES: Final = 4 * 2**20
"""A transaction of more than that goes into the journal in parts, so that memory does not grow."""

Spill = Callable[[list[Change]], None]


class Recorder:
    """The changes of one transaction, each after it has been made.

    Only what changed something is noted: a transaction without changes is none for LMDB either,
    and its number is given to the next one.

    Attributes:
        changes: Those that are not in the journal yet.
        entries: How many entries were written or removed.
        has_changes: Whether there were any.
        is_spoiled: A call failed half way: LMDB may have done what is not noted here.
    """

    __slots__ = ("_bytes", "_spill", "changes", "entries", "has_changes", "is_spoiled")

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._bytes = 0
        self.changes: list[Change] = []
        self.entries: int = 0
        self.has_changes: bool = False
        self.is_spoiled: bool = False

    def put(self, database: Database, items: list[tuple[bytes, bytes]]) -> None:
        """Note entries that were written."""
        if items:
            self.entries += len(items)
            self._bytes += sum([len(key) + len(value) for key, value in items])
            self._note(Change(PUT, database, items))

    def delete(self, database: Database, keys: list[bytes]) -> None:
        """Note entries that were removed, at least one of which was there."""
        self.entries += len(keys)
        self._bytes += sum(map(len, keys))
        self._note(Change(DELETE, database, keys))

    def clear(self, database: Database) -> None:
        """Note a sub-database that was emptied."""
        self._note(Change(CLEAR, database, None))

    def _note(self, change: Change) -> None:
        self.has_changes = True
        self.changes.append(change)
        if self._bytes > PART_BYTES:
            changes, self.changes, self._bytes = self.changes, [], 0
            self.is_spoiled = True  # unless this goes well
            self._spill(changes)
            self.is_spoiled = False
