"""Writes that are not committed, laid over what they will change."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeAlias, cast

from headwater.tables.catalog import TableInfo


def _sorted_list(keys: Iterable[bytes]) -> Any:
    # Few transactions read a range of what they wrote, and the module takes long to import.
    from sortedcontainers import SortedList

    # It has no type information; what of it is used here is typed once.
    return cast("Callable[[Iterable[bytes]], Any]", SortedList)(keys)


class Write:
    """The newest state of one document inside an overlay.

    Attributes:
        previous_ts: The committed version that it replaces, 0 for none.
        ts: The commit that this version belongs to; 0 until the committer has stamped it.
        body: The packed fields; None for a deleted document.
        is_revival: Whether ``previous_ts`` is that of a deletion.
    """

    __slots__ = ("body", "creation_time", "key", "previous_ts", "table", "ts")

    is_revival: ClassVar[bool] = False

    def __init__(
        self,
        table: TableInfo,
        key: bytes,
        previous_ts: int,
        creation_time: float,
        body: bytes | None,
    ) -> None:
        self.table: TableInfo = table
        self.key: bytes = key
        self.previous_ts: int = previous_ts
        self.creation_time: float = creation_time
        self.body: bytes | None = body
        self.ts: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether the document was absent before and is absent after it."""
        return self.body is None and (self.is_revival or not self.previous_ts)


class Revival(Write):
    """A write to a document that is deleted below it."""

    __slots__ = ()

    is_revival: ClassVar[bool] = True


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

    def add_all(self, keys: list[bytes]) -> None:
        """Note that keys are there now."""
        if self._ordered is not None:
            self._ordered.update(key for key in keys if key not in self.entries)
        self.entries.update(dict.fromkeys(keys, True))

    def update(self, other: "KeyOverlay") -> None:
        """Lay another overlay over this one."""
        if self._ordered is not None:
            self._ordered.update(key for key in other.entries if key not in self.entries)
        self.entries.update(other.entries)

    def scan(self, low: bytes, high: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bool]]:
        """Entries within ``[low, high)``, in order, as they are now.

        The keys are copied, so that a caller may write while it iterates.
        """
        keys = list(self._in_order().irange(low, high, (True, False), reverse))
        entries = self.entries
        return iter([(key, entries[key]) for key in keys])

    def first(
        self, low: bytes, high: bytes, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bool]]:
        """What `scan` gives up to the key that is the last of ``count`` which are there now."""
        found: list[tuple[bytes, bool]] = []
        for key in self._in_order().irange(low, high, (True, False), reverse):
            is_present = self.entries[key]
            found.append((key, is_present))
            count -= is_present
            if not count:
                break
        return found

    def _in_order(self) -> Any:
        if self._ordered is None:
            self._ordered = _sorted_list(self.entries)
        return self._ordered


class IndexWrites(KeyOverlay):
    """What was written to one index: entries added and removed, and every key touched."""

    __slots__ = ("id_length", "touched")

    def __init__(self, id_length: int) -> None:
        super().__init__()
        self.id_length: int = id_length
        self.touched: list[bytes] = []

    def change(self, old: bytes, new: bytes | None) -> None:
        """Note the key of a document before and after a write; None if there is none any more."""
        self.touched.append(old)
        if old == new:
            return
        self.set(old, present=False)
        if new is not None:
            self.touched.append(new)
            self.set(new, present=True)


_TableWrites: TypeAlias = tuple[KeyOverlay, list[IndexWrites]]
"""What is written to for a document of a table: the keys of its documents, and its indexes."""


class Overlay:
    """The writes of one transaction, of one sub-transaction, or of a whole batch.

    Attributes:
        documents: The newest write of each document, by key.
        by_table: Keys of those documents in id order, by table number.
        by_space: What was written to each index, by index space.
        bytes_written: Sum of the bodies written, overwritten ones included.
        writes: Number of writes, overwritten ones included.
    """

    __slots__ = ("_tables", "by_space", "by_table", "bytes_written", "documents", "writes")

    def __init__(self) -> None:
        self.documents: dict[bytes, Write] = {}
        self.by_table: dict[int, KeyOverlay] = {}
        self.by_space: dict[int, IndexWrites] = {}
        self.bytes_written: int = 0
        self.writes: int = 0
        # By table number, so that a write does not look for each of the indexes.
        self._tables: dict[int, _TableWrites] = {}

    def __bool__(self) -> bool:
        return bool(self.documents)

    def insert(self, write: Write, keys: list[bytes]) -> None:
        """Record a document that is not there below.

        Args:
            write: The document.
            keys: Its logical keys, one per index of the table.
        """
        own, indexes = self._tables.get(write.table.number) or self._open(write.table)
        self.documents[write.key] = write
        own.set(write.key, present=True)
        self.writes += 1
        self.bytes_written += len(write.body or b"")
        for index, key in zip(indexes, keys, strict=True):
            index.touched.append(key)
            index.set(key, present=True)

    def insert_many(self, writes: list[Write], keys: list[list[bytes]]) -> None:
        """Record documents of one table that are not there below.

        Args:
            writes: The documents, at least one.
            keys: Their logical keys in the order of the writes, for each index of the table.
        """
        info = writes[0].table
        own, indexes = self._tables.get(info.number) or self._open(info)
        document_keys = [write.key for write in writes]
        self.documents.update(zip(document_keys, writes, strict=True))
        own.add_all(document_keys)
        self.writes += len(writes)
        self.bytes_written += sum([len(write.body or b"") for write in writes])
        for index, added in zip(indexes, keys, strict=True):
            index.touched += added
            index.add_all(added)

    def change(self, write: Write, old_keys: list[bytes], new_keys: list[bytes] | None) -> None:
        """Record a write with the logical keys of the document before and after it.

        Args:
            write: The new state.
            old_keys: Keys before, one per index of the table.
            new_keys: Keys after; None if it is deleted.
        """
        own, indexes = self._tables.get(write.table.number) or self._open(write.table)
        self.documents[write.key] = write
        own.set(write.key, present=write.body is not None)
        self.writes += 1
        if write.body is not None:
            self.bytes_written += len(write.body)
        for at, index in enumerate(indexes):
            index.change(old_keys[at], new_keys[at] if new_keys is not None else None)

    def _open(self, table: TableInfo) -> _TableWrites:
        number = table.number
        keys = self.by_table.get(number)
        if keys is None:
            keys = self.by_table[number] = KeyOverlay()
        indexes = [
            self.by_space.get(index.space) or self._open_space(index.space, table.id_length)
            for index in table.indexes
        ]
        opened = self._tables[number] = (keys, indexes)
        return opened

    def _open_space(self, space: int, id_length: int) -> IndexWrites:
        opened = self.by_space[space] = IndexWrites(id_length)
        return opened

    def touched(self) -> dict[int, list[bytes]]:
        """Old and new logical keys of every written document, by index space."""
        return {space: writes.touched for space, writes in self.by_space.items()}

    def merge(self, above: "Overlay") -> None:
        """Lay a newer overlay over this one."""
        self.documents.update(above.documents)
        self.writes += above.writes
        self.bytes_written += above.bytes_written
        for number, keys in above.by_table.items():
            below = self.by_table.get(number)
            if below is None:
                below = self.by_table[number] = KeyOverlay()
            below.update(keys)
        for space, writes in above.by_space.items():
            index = self.by_space.get(space) or self._open_space(space, writes.id_length)
            index.update(writes)
            index.touched += writes.touched
