"""A transaction: reads of a snapshot, with its own writes laid over them."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, TypeAlias

from headwater.errors import ClosedError
from headwater.storage.format import Database, open_document
from headwater.tables.catalog import TABLES_NUMBER, IndexInfo, TableInfo
from headwater.tables.records import decode_body, decode_document
from headwater.tables.snapshot import DOCUMENTS_SPACE, Snapshot
from headwater.transactions.overlay import KeyOverlay, Overlay, Write
from headwater.transactions.read_set import RangeRead, ReadSet
from headwater.transactions.usage import Usage
from headwater_indexes.ids import creation_bits, mint
from headwater_indexes.scan import merge

RANDOM_BITS: Final = 68
_RANDOM_BYTES: Final = 9
_BLOCK_BYTES: Final = 63

Row: TypeAlias = tuple[bytes, dict[str, Any]]


class TableMissing(BaseException):  # noqa: N818 - a signal to the runner, not an error
    """A write names a table that does not exist; the runner creates it and runs again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Transaction:
    """One run over one snapshot. Not safe for several threads at once.

    Attributes:
        reads: Everything that the outcome depends on.
        usage: Counters against the limits.
        now_ms: The time of the transaction, ms since the epoch.
        journal: Cursor at which the paginated query of an earlier run ended, and of this one.
        observed_time: Whether the function asked for the time or for randomness.
        write_count: Number of writes so far, rolled back ones included.
    """

    __slots__ = (
        "_block",
        "_block_at",
        "_block_number",
        "_creation",
        "_random",
        "below",
        "create_table",
        "has_paginated",
        "is_read_only",
        "journal",
        "layers",
        "now_ms",
        "observed_time",
        "reads",
        "seed",
        "snapshot",
        "tables",
        "usage",
        "write_count",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        usage: Usage,
        *,
        now_ms: float,
        seed: int,
        is_read_only: bool,
        below: Overlay | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.usage = usage
        self.now_ms = now_ms
        self.seed = seed
        self.is_read_only = is_read_only
        self.below = below
        self.layers: list[Overlay] = [] if below is None else [below]
        if not is_read_only:
            self.layers.insert(0, Overlay())
        self.reads = ReadSet()
        self.tables = snapshot.catalog.by_name
        self.journal: str | None = None
        self.has_paginated = False
        self.create_table: Callable[[str], TableInfo] | None = None
        self.observed_time = False
        self.write_count = 0
        self._creation = 0
        self._random: random.Random | None = None
        self._block = b""
        self._block_at = _BLOCK_BYTES
        self._block_number = 0

    # -- tables ---------------------------------------------------------------------------------

    def table(self, name: str) -> TableInfo | None:
        """The table of that name; asking for an absent one depends on the list of tables."""
        info = self.tables.get(name)
        if info is None:
            self.reads.add_range(
                DOCUMENTS_SPACE, *self.snapshot.catalog.by_number[TABLES_NUMBER].bounds, 0
            )
        return info

    def table_for_writing(self, name: str) -> TableInfo:
        """The table of that name, made now if there is none.

        Raises:
            TableMissing: There is none, and the function has to run again once there is.
        """
        info = self.tables.get(name)
        if info is not None:
            return info
        if self.create_table is None:
            raise TableMissing(name)
        info = self.create_table(name)
        self.tables = {**self.tables, name: info}
        return info

    # -- reading --------------------------------------------------------------------------------

    def read(self, key: bytes) -> dict[str, Any] | None:
        """The document with that key, own writes included. O(log n)."""
        usage = self.usage
        usage.check_time()
        self.reads.points.add(key)
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                if write.body is None:
                    return None
                usage.add_read(1, len(write.body))
                return decode_body(key, write.creation_time, write.body)
        record = self.snapshot.reader.get(Database.DOCUMENTS, key)
        if record is None:
            return None
        usage.add_read(1, len(record))
        return decode_document(key, record)

    def version(self, key: bytes) -> Write | tuple[int, float, bytes] | None:
        """The newest state below the next write: own, of the batch, or stored."""
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                return write
        record = self.snapshot.reader.get(Database.DOCUMENTS, key)
        return None if record is None else open_document(key, record)

    def holder(
        self,
        table: TableInfo,
        index: IndexInfo,
        low: bytes,
        high: bytes,
        id: str,  # noqa: A002
    ) -> str | None:
        """The id of a document within a range of keys, other than the given one."""
        read = self.reads.open_range(index.space, low, high, len(low), reverse=False)
        keys = self.snapshot.entries(index, low, high, reverse=False)
        overlays = [o for layer in self.layers if (o := layer.by_space.get(index.space))]
        holder = None
        for key in self._laid_over(keys, overlays, read):
            holder = key[-table.id_length :].decode("ascii")
            if holder != id:
                break
        read.exhausted = True
        return None if holder == id else holder

    @staticmethod
    def body_of(version: Write | tuple[int, float, bytes]) -> bytes | None:
        """The packed fields of a version."""
        return version[2] if isinstance(version, tuple) else version.body

    def chunks(
        self,
        table: TableInfo,
        index: IndexInfo | None,
        read: RangeRead,
        sizes: Iterator[int],
    ) -> Iterator[list[Row]]:
        """Rows of a range in order, in chunks of the given sizes, until the range ends.

        The keys are those of the moment when the iteration begins; the documents are read chunk by
        chunk. The caller moves ``read.last`` as it consumes.
        """
        if index is None:
            return self._documents(table, read, sizes)
        return self._indexed(table, index, read, sizes)

    def _documents(
        self, table: TableInfo, read: RangeRead, sizes: Iterator[int]
    ) -> Iterator[list[Row]]:
        overlays = [o for layer in self.layers if (o := layer.by_table.get(table.number))]
        records = self.snapshot.records(read.low, read.high, reverse=read.reverse)
        if not overlays:
            return self._stored_chunks(records, sizes)
        keys = self._laid_over((key for key, _ in records), overlays, read)
        return self._keyed_chunks(keys, 0, sizes)

    def _indexed(
        self, table: TableInfo, index: IndexInfo, read: RangeRead, sizes: Iterator[int]
    ) -> Iterator[list[Row]]:
        overlays = [o for layer in self.layers if (o := layer.by_space.get(index.space))]
        keys = self.snapshot.entries(index, read.low, read.high, reverse=read.reverse)
        keys = self._laid_over(keys, overlays, read)
        return self._keyed_chunks(keys, -table.id_length, sizes)

    @staticmethod
    def _laid_over(
        keys: Iterator[bytes], overlays: list[KeyOverlay], read: RangeRead
    ) -> Iterator[bytes]:
        for overlay in reversed(overlays):
            changes = overlay.scan(read.low, read.high, reverse=read.reverse)
            keys = merge(keys, changes, reverse=read.reverse)
        return keys

    def _stored_chunks(
        self, records: Iterator[tuple[bytes, bytes]], sizes: Iterator[int]
    ) -> Iterator[list[Row]]:
        for size in sizes:
            chunk = list(islice(records, size))
            if not chunk:
                return
            self.usage.check_time()
            self.usage.add_read(len(chunk), sum([len(record) for _, record in chunk]))
            yield [(key, decode_document(key, record)) for key, record in chunk]

    def _keyed_chunks(
        self, keys: Iterator[bytes], id_from: int, sizes: Iterator[int]
    ) -> Iterator[list[Row]]:
        for size in sizes:
            chunk = list(islice(keys, size))
            if not chunk:
                return
            self.usage.check_time()
            yield self._load(chunk, [key[id_from:] for key in chunk] if id_from else chunk)

    def _load(self, keys: list[bytes], ids: list[bytes]) -> list[Row]:
        for layer in self.layers:
            if layer.documents:
                return [
                    (key, document)
                    for key, id_key in zip(keys, ids, strict=True)
                    if (document := self._load_one(id_key)) is not None
                ]
        documents, size = self.snapshot.documents(ids)
        self.usage.add_read(len(documents), size)
        return list(zip(keys, documents, strict=True))

    def _load_one(self, key: bytes) -> dict[str, Any] | None:
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                if write.body is None:
                    return None
                self.usage.add_read(1, len(write.body))
                return decode_body(key, write.creation_time, write.body)
        documents, size = self.snapshot.documents([key])
        self.usage.add_read(1, size)
        return documents[0]

    # -- writing --------------------------------------------------------------------------------

    @property
    def own(self) -> Overlay:
        """The overlay that takes the next write."""
        return self.layers[0]

    def new_id(self, table: TableInfo) -> tuple[str, float]:
        """A fresh id of the table, and the creation time in it.

        Both are functions of the transaction's time, its seed and the number of ids before.
        """
        if self._creation == 0:
            self._creation = creation_bits(self.now_ms)
        creation_time = self._creation / 4096.0
        self._creation += 1
        return mint(table.number, creation_time, self._random_bits()), creation_time

    def _random_bits(self) -> int:
        if self._block_at >= _BLOCK_BYTES:
            source = b"%d/%d" % (self.seed, self._block_number)
            self._block = blake2b(source, digest_size=_BLOCK_BYTES).digest()
            self._block_number += 1
            self._block_at = 0
        at = self._block_at
        self._block_at = at + _RANDOM_BYTES
        return int.from_bytes(self._block[at : at + _RANDOM_BYTES], "big") >> 4

    @property
    def creation_end_ms(self) -> float:
        """The least creation time that this transaction has not given out."""
        return self._creation / 4096.0

    def random(self) -> random.Random:
        """Randomness that repeats with the seed."""
        self.observed_time = True
        if self._random is None:
            self._random = random.Random(self.seed)  # noqa: S311 - it has to repeat
        return self._random

    def put(
        self,
        table: TableInfo,
        id: str,  # noqa: A002 - the field's own name
        creation_time: float,
        fields: dict[str, Any],
        body: bytes,
        old: dict[str, Any] | None,
        previous: Write | tuple[int, float, bytes] | None,
    ) -> None:
        """Lay a new state of a document over the old one."""
        write = Write(table, id.encode("ascii"), _ts_of(previous), creation_time, body)
        new_keys = [index.key_of(fields, id) for index in table.indexes]
        old_keys = None if old is None else [index.key_of(old, id) for index in table.indexes]
        self._add(write, old_keys, new_keys)

    def remove(
        self,
        table: TableInfo,
        id: str,  # noqa: A002 - the field's own name
        old: dict[str, Any],
        previous: Write | tuple[int, float, bytes],
    ) -> None:
        """Lay the absence of a document over it."""
        write = Write(table, id.encode("ascii"), _ts_of(previous), old["_creationTime"], None)
        self._add(write, [index.key_of(old, id) for index in table.indexes], None)

    def _add(
        self, write: Write, old_keys: list[bytes] | None, new_keys: list[bytes] | None
    ) -> None:
        own = self.layers[0]
        own.add(write, old_keys, new_keys)
        self.write_count += 1
        self.usage.check_written(own.writes, own.bytes_written)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A sub-transaction: its writes are dropped alone if the block raises.

        What it has read stays in the read set: that it failed depends on it.
        """
        above = Overlay()
        self.layers.insert(0, above)
        try:
            yield
        except BaseException:
            self.layers.remove(above)
            self.write_count += 1
            raise
        self.layers.remove(above)
        own = self.layers[0]
        own.merge(above)
        self.usage.check_written(own.writes, own.bytes_written)

    def close(self) -> None:
        """Release the snapshot; every later read raises."""
        self.snapshot.close()


def _ts_of(version: Write | tuple[int, float, bytes] | None) -> int:
    if version is None:
        return 0
    if isinstance(version, tuple):
        return version[0]
    return version.ts or version.previous_ts


def closed_error(what: str) -> ClosedError:
    """The error for a use after the end."""
    return ClosedError(f"{what} is closed; read and write inside its block")
