"""Writes that are not committed, laid over what they will change."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from sortedcontainers import SortedList

from headwater.tables.catalog import TableInfo


# sortedcontainers has no type information; what of it is used here is typed once.
_sorted_list = cast("Callable[[Iterable[bytes]], Any]", SortedList)


class Write:
    """The newest state of one document inside an overlay.

    Attributes:
        previous_ts: The committed version that it replaces, 0 for none.
        ts: The commit that this version belongs to; 0 until the committer has stamped it.
        body: The packed fields; None for a deleted document.
    """

    __slots__ = ("body", "creation_time", "key", "previous_ts", "revives", "table", "ts")

    def __init__(
        self,
        table: TableInfo,
        key: bytes,
        previous_ts: int,
        creation_time: float,
        body: bytes | None,
    ) -> None:
        self.table = table
        self.key = key
        self.previous_ts = previous_ts
        self.creation_time = creation_time
        self.body = body
        self.ts = 0
        self.revives = False


class KeyOverlay:
    """Keys that were added (True) or removed (False), ordered once somebody asks for an order."""

    __slots__ = ("_ordered", "entries")

    def __init__(self) -> None:
        self.entries: dict[bytes, bool] = {}
        self._ordered: Any = None

    def set(self, key: bytes, *, present: bool) -> None:
        """Note that the key is there now, or is not."""
        if self._ordered is not None and key not in self.entries:
            self._ordered.add(key)
        self.entries[key] = present

    def update(self, other: "KeyOverlay") -> None:
        """Lay another overlay over this one."""
        if self._ordered is not None:
            self._ordered.update(key for key in other.entries if key not in self.entries)
        self.entries.update(other.entries)

    def scan(self, low: bytes, high: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bool]]:
        """Entries within ``[low, high)``, in order, as they are now.

        The keys are copied, so that a caller may write while it iterates.
        """
        if self._ordered is None:
            self._ordered = _sorted_list(self.entries)
        keys = list(self._ordered.irange(low, high, (True, False), reverse))
        entries = self.entries
        return iter([(key, entries[key]) for key in keys])


class Overlay:
    """The writes of one transaction, of one sub-transaction, or of a whole batch.

    Attributes:
        documents: The newest write of each document, by key.
        by_table: Keys of those documents in id order, by table number.
        by_space: Index entries added and removed, by index space.
        touched: Old and new logical keys of every written document, by index space.
        bytes_written: Sum of the bodies written, overwritten ones included.
        writes: Number of writes, overwritten ones included.
    """

    __slots__ = ("by_space", "by_table", "bytes_written", "documents", "touched", "writes")

    def __init__(self) -> None:
        self.documents: dict[bytes, Write] = {}
        self.by_table: dict[int, KeyOverlay] = {}
        self.by_space: dict[int, KeyOverlay] = {}
        self.touched: dict[int, list[bytes]] = {}
        self.bytes_written = 0
        self.writes = 0

    def __bool__(self) -> bool:
        return bool(self.documents)

    def add(self, write: Write, old_keys: list[bytes] | None, new_keys: list[bytes] | None) -> None:
        """Record a write with the index keys of the document before and after it.

        Args:
            write: The new state.
            old_keys: Logical keys before, one per index of the table; None if it was absent.
            new_keys: Logical keys after; None if it is deleted.
        """
        self.documents[write.key] = write
        self.writes += 1
        self.bytes_written += len(write.body or b"")
        keys = self.by_table.get(write.table.number)
        if keys is None:
            keys = self.by_table[write.table.number] = KeyOverlay()
        keys.set(write.key, present=write.body is not None)
        for at, index in enumerate(write.table.indexes):
            old = old_keys[at] if old_keys is not None else None
            new = new_keys[at] if new_keys is not None else None
            self._add_entry(index.space, old, new)

    def _add_entry(self, space: int, old: bytes | None, new: bytes | None) -> None:
        touched = self.touched.get(space)
        if touched is None:
            touched = self.touched[space] = []
            self.by_space[space] = KeyOverlay()
        if old is not None:
            touched.append(old)
        if old == new:
            return
        entries = self.by_space[space]
        if old is not None:
            entries.set(old, present=False)
        if new is not None:
            touched.append(new)
            entries.set(new, present=True)

    def merge(self, above: "Overlay") -> None:
        """Lay a newer overlay, which is not used afterwards, over this one."""
        self.documents.update(above.documents)
        self.writes += above.writes
        self.bytes_written += above.bytes_written
        _merge_keys(self.by_table, above.by_table)
        _merge_keys(self.by_space, above.by_space)
        for space, keys in above.touched.items():
            self.touched.setdefault(space, []).extend(keys)


def _merge_keys(below: dict[int, KeyOverlay], above: dict[int, KeyOverlay]) -> None:
    for number, keys in above.items():
        if number in below:
            below[number].update(keys)
        else:
            below[number] = keys
