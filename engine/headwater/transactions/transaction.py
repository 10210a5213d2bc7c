"""A transaction: reads of a snapshot, with its own writes laid over them."""

import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeAlias, cast

from headwater.errors import ClosedError
from headwater.storage.codec import unpack
from headwater.storage.commit_log import RecordedCall
from headwater.storage.format import DOCUMENTS, open_document
from headwater.tables.catalog import TABLES_NUMBER, USER_TABLES_FROM, IndexInfo, TableInfo
from headwater.tables.records import decode_body, decode_document, decode_documents
from headwater.tables.snapshot import DOCUMENTS_SPACE, EXPECTED, Snapshot
from headwater.transactions.existing import Existing
from headwater.transactions.minting import Minting
from headwater.transactions.moment import Moment
from headwater.transactions.overlay import KeyOverlay, Overlay, Revival, Write
from headwater.transactions.point_reads import documents_at, rows_at
from headwater.transactions.read_set import RangeRead, ReadSet
from headwater.transactions.usage import Usage
from headwater_indexes.definition import CREATION_TIME
from headwater_indexes.scan import merge
from headwater_indexes.values import MISSING

Rows: TypeAlias = tuple[list[bytes], Iterable[dict[str, Any]]]
"""Keys of a range and the documents behind them, side by side; to be gone through once."""

Fields: TypeAlias = Mapping[str, Any]


def _timed(fields: Fields, creation_time: float) -> Fields:
    """The fields with the creation time, which keys of tables with foreign ids have in them."""
    return {**fields, CREATION_TIME: creation_time}


def _keys_after(
    table: TableInfo, id: str, old: Fields, old_keys: list[bytes], fields: Fields
) -> list[bytes]:
    """The keys of a document after a change: of indexes that it leaves alone, those before."""
    keys: list[bytes] = []
    for index, key in zip(table.indexes, old_keys, strict=True):
        for name in index.definition.roots:
            if fields.get(name, MISSING) is not old.get(name, MISSING):
                keys.append(index.key_of(fields, id))
                break
        else:
            keys.append(key)
    return keys


class _Ended:
    """Stands where the limits were, once the function has returned."""

    def __getattr__(self, name: str) -> Any:
        raise ClosedError(
            "the transaction of this context has ended; read and write before the function returns"
        )


_ENDED: Final = cast("Usage", _Ended())


class TableMissing(BaseException):
    """A write names a table that does not exist; the runner creates it and runs again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Transaction:
    """One run over one snapshot. Not safe for several threads at once.

    Attributes:
        reads: Everything that the outcome depends on.
        usage: Counters against the limits.
        moment: Its time and its seed.
        journal: Cursor at which the paginated query of an earlier run ended, and of this one.
        observed_time: Whether the function asked for the time or for randomness.
        lines: What the function logged, for the floors above.
        identity: Who calls, for the floors above.
        observed_identity: Whether the function asked who calls.
        write_count: Number of writes so far, rolled back ones included.
        recorded_call: What goes into the log of the call that this is a run of.
        cascaded: Documents that it has deleted or changed because of references so far.
    """

    __slots__ = (
        "_minting",
        "_random",
        "below",
        "cascaded",
        "create_table",
        "has_paginated",
        "identity",
        "is_read_only",
        "journal",
        "layers",
        "lines",
        "moment",
        "observed_identity",
        "observed_time",
        "reads",
        "recorded_call",
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
        moment: Moment,
        is_read_only: bool,
        below: Overlay | None = None,
    ) -> None:
        self.snapshot: Snapshot = snapshot
        self.usage: Usage = usage
        self.moment: Moment = moment
        self.is_read_only: bool = is_read_only
        self.below: Overlay | None = below
        self.layers: list[Overlay] = [] if is_read_only else [Overlay()]
        if below is not None and below.documents:
            self.layers.append(below)
        self.reads: ReadSet = ReadSet()
        self.tables: dict[str, TableInfo] = snapshot.catalog.by_name
        self.journal: str | None = None
        self.has_paginated: bool = False
        self.create_table: Callable[[str, set[int]], TableInfo] | None = None
        self.observed_time: bool = False
        self.lines: Any = None
        self.identity: Any = None
        self.observed_identity: bool = False
        self.write_count: int = 0
        self.recorded_call: RecordedCall | None = None
        self.cascaded: int = 0
        self._minting: Minting | None = None
        self._random: random.Random | None = None

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
        info = self.create_table(name, self.reads.own_commits)
        tables = self.snapshot.catalog.by_number[TABLES_NUMBER].bounds[0]
        if any(read.low == tables for read in self.reads.ranges):
            # It was read as absent, which is to say empty, and has to stay so for everybody else.
            self.reads.add_range(DOCUMENTS_SPACE, *info.bounds, 0)
        self.tables = {**self.tables, name: info}
        return info

    # -- reading --------------------------------------------------------------------------------

    def read(self, key: bytes) -> dict[str, Any] | None:
        """The document with that key, own writes included. O(log n)."""
        usage = self.usage
        if usage.monotonic() > usage.deadline:
            usage.check_time()
        reads = self.reads
        reads.points.add(key)
        if len(reads.points) + len(reads.ranges) > usage.limits.intervals_read:
            self.check_intervals()
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                if write.body is None:
                    return None
                usage.add_read(1, len(write.body))
                return decode_body(key, write.creation_time, write.body)
        record = self.snapshot.reader.get(DOCUMENTS, key)
        if record is None:
            return None
        usage.add_read(1, len(record))
        return decode_document(key, record)

    def read_many(self, keys: Sequence[bytes]) -> list[dict[str, Any] | None]:
        """The documents with those keys, in their order, own writes included."""
        self.usage.check_time()
        self.reads.points.update(keys)
        self.check_intervals()
        found = documents_at(self.snapshot, self.layers, keys)
        self.usage.add_read(found.present, found.size)
        return found.documents

    def check_intervals(self) -> None:
        """Check the number of points and ranges that were read so far."""
        count = len(self.reads)
        if count > self.usage.limits.intervals_read:
            self.usage.exceeded("intervals_read", count, "read ranges instead of single documents")

    def existing(self, key: bytes) -> Existing | None:
        """The state of a document that a write is about to replace; depends on it."""
        self.usage.check_time()
        reads = self.reads
        reads.points.add(key)
        if len(reads.points) + len(reads.ranges) > self.usage.limits.intervals_read:
            self.check_intervals()
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                if write.body is None:
                    return None
                ts, is_revived = write.ts or write.previous_ts, write.is_revival and not write.ts
                fields = unpack(write.body)
                return Existing(ts, write.creation_time, write.body, fields, is_revived)
        record = self.snapshot.reader.get(DOCUMENTS, key)
        if record is None:
            return None
        self.usage.add_read(1, len(record))
        ts, creation_time, body = open_document(key, record)
        return Existing(ts, creation_time, body, unpack(body))

    def exists(self, key: bytes) -> bool:
        """Whether there is a document with that key, own writes included; depends on it."""
        self.reads.points.add(key)
        self.check_intervals()
        for layer in self.layers:
            write = layer.documents.get(key)
            if write is not None:
                return write.body is not None
        return self.snapshot.record(key) is not None

    def ids(self, table: TableInfo, index: IndexInfo, low: bytes, high: bytes) -> Iterator[str]:
        """The ids of the documents within a range of keys, in order; reads no document.

        They are those of the moment when the iteration begins. What is not consumed is no
        dependency.
        """
        self.usage.check_time()
        read = self.reads.open_range(index.space, low, high, len(low), reverse=False)
        self.check_intervals()
        keys = self.snapshot.entries(index, low, high, reverse=False)
        overlays = [o for layer in self.layers if (o := layer.by_space.get(index.space))]
        for key in self._laid_over(keys, overlays, read):
            read.last = key
            yield key[-table.id_length :].decode("ascii")
        read.exhausted = True

    def holder(
        self, table: TableInfo, index: IndexInfo, low: bytes, high: bytes, id: str
    ) -> str | None:
        """The id of a document within a range of keys, other than the given one."""
        return next((other for other in self.ids(table, index, low, high) if other != id), None)

    def chunks(
        self,
        table: TableInfo,
        index: IndexInfo | None,
        read: RangeRead,
        sizes: Iterator[int],
        expected: int = EXPECTED,
    ) -> Iterator[Rows]:
        """Rows of a range in order, in chunks of the given sizes, until the range ends.

        The keys are those of the moment when the iteration begins; the documents are read chunk by
        chunk. The caller moves ``read.last`` as it consumes.
        """
        if index is None:
            return self._documents(table, read, sizes, expected)
        return self._indexed(table, index, read, sizes, expected)

    def first_rows(
        self, table: TableInfo, index: IndexInfo, read: RangeRead, count: int
    ) -> list[dict[str, Any]] | None:
        """The first documents of an index range; None if there are writes over writes in it.

        What `chunks` would give, in one step. Moves the read's mark.
        """
        keys = self._first_keys(index, read, count)
        if keys is None:
            return None
        self.usage.check_time()
        id_from = -table.id_length
        _, documents = self._load(keys, [key[id_from:] for key in keys])
        read.last = keys[-1] if keys else None
        read.exhausted = len(keys) < count
        return list(documents)

    def _first_keys(self, index: IndexInfo, read: RangeRead, count: int) -> list[bytes] | None:
        low, high, reverse = read.low, read.high, read.reverse
        overlays = [o for layer in self.layers if (o := layer.by_space.get(index.space))]
        if len(overlays) > 1:
            return None
        changes = overlays[0].first(low, high, count, reverse=reverse) if overlays else []
        removed = sum([not is_present for _, is_present in changes])
        keys = self.snapshot.first_entries(index, low, high, count + removed, reverse=reverse)
        if not changes:
            return keys
        return list(islice(merge(iter(keys), iter(changes), reverse=reverse), count))

    def _documents(
        self, table: TableInfo, read: RangeRead, sizes: Iterator[int], expected: int
    ) -> Iterator[Rows]:
        overlays = [o for layer in self.layers if (o := layer.by_table.get(table.number))]
        records = self.snapshot.records(
            read.low, read.high, reverse=read.reverse, expected=expected
        )
        if not overlays:
            return self._stored_chunks(table, records, sizes)
        keys = self._laid_over((key for key, _ in records), overlays, read)
        return self._keyed_chunks(keys, 0, sizes)

    def _indexed(
        self,
        table: TableInfo,
        index: IndexInfo,
        read: RangeRead,
        sizes: Iterator[int],
        expected: int,
    ) -> Iterator[Rows]:
        overlays = [o for layer in self.layers if (o := layer.by_space.get(index.space))]
        keys = self.snapshot.entries(
            index, read.low, read.high, reverse=read.reverse, expected=expected
        )
        if overlays:
            keys = self._laid_over(keys, overlays, read)
        return self._keyed_chunks(keys, -table.id_length, sizes)

    @staticmethod
    def _laid_over(
        keys: Iterator[bytes], overlays: Sequence[KeyOverlay], read: RangeRead
    ) -> Iterator[bytes]:
        for overlay in reversed(overlays):
            changes = overlay.scan(read.low, read.high, reverse=read.reverse)
            keys = merge(keys, changes, reverse=read.reverse)
        return keys

    def _stored_chunks(
        self, table: TableInfo, records: Iterator[tuple[bytes, bytes]], sizes: Iterator[int]
    ) -> Iterator[Rows]:
        for size in sizes:
            chunk = list(islice(records, size))
            if not chunk:
                return
            keys = [key for key, _ in chunk]
            self.usage.check_time()
            if any(table.number in layer.by_table for layer in self.layers):
                # The caller has written to the table since the iteration began.
                yield self._load_each(keys, keys)
                continue
            found = [record for _, record in chunk]
            self.usage.add_read(len(found), sum(map(len, found)))
            yield keys, decode_documents(keys, found)

    def _keyed_chunks(
        self, keys: Iterator[bytes], id_from: int, sizes: Iterator[int]
    ) -> Iterator[Rows]:
        for size in sizes:
            chunk = list(islice(keys, size))
            if not chunk:
                return
            self.usage.check_time()
            yield self._load(chunk, [key[id_from:] for key in chunk] if id_from else chunk)

    def _load(self, keys: list[bytes], ids: list[bytes]) -> Rows:
        for layer in self.layers:
            if layer.documents:
                return self._load_each(keys, ids)
        documents, size = self.snapshot.documents(ids)
        self.usage.add_read(len(ids), size)
        return keys, documents

    def _load_each(self, keys: list[bytes], ids: list[bytes]) -> Rows:
        """The rows with own writes laid over them; without those that this iteration deleted."""
        found = rows_at(self.snapshot, self.layers, keys, ids)
        self.usage.add_read(len(found.keys), found.size)
        return found.keys, iter(found.documents)

    # -- writing --------------------------------------------------------------------------------

    @property
    def own(self) -> Overlay:
        """The overlay that takes the next write."""
        return self.layers[0]

    def new_id(self, table: TableInfo) -> tuple[str, float]:
        """A fresh id of the table, and the creation time in it."""
        return self._minted().next(table.number)

    def _minted(self) -> Minting:
        minting = self._minting
        if minting is None:
            minting = self._minting = Minting(self.moment.now_ms, self.moment.seed)
        return minting

    @property
    def creation_end_ms(self) -> float:
        """The least creation time that this transaction has not given out, 0 if it gave none."""
        return 0.0 if self._minting is None else self._minting.end_ms

    def random(self) -> random.Random:
        """Randomness that repeats with the seed."""
        self.observed_time = True
        if self._random is None:
            self._random = random.Random(self.moment.seed)  # noqa: S311 - it has to repeat
        return self._random

    def insert(
        self,
        table: TableInfo,
        id: str,
        creation_time: float,
        fields: Fields,
        body: bytes,
    ) -> None:
        """Lay a new document over the snapshot."""
        write = Write(table, id.encode("ascii"), 0, creation_time, body)
        if table.foreign_ids:
            fields = _timed(fields, creation_time)
        self.layers[0].insert(write, [index.key_of(fields, id) for index in table.indexes])
        self._wrote(table)

    def insert_many(self, table: TableInfo, rows: Sequence[tuple[Fields, bytes]]) -> list[str]:
        """Lay new documents, at least one, over the snapshot, given by fields and packed.

        Returns their ids.
        """
        self.usage.check_time()
        minted = self._minted().take(table.number, len(rows))
        writes = [
            Write(table, id.encode("ascii"), 0, creation_time, body)
            for (id, creation_time), (_, body) in zip(minted, rows, strict=True)
        ]
        ids = [id for id, _ in minted]
        if table.foreign_ids:
            times = [creation_time for _, creation_time in minted]
            rows = [(_timed(row[0], at), row[1]) for row, at in zip(rows, times, strict=True)]
        keys = [
            [key_of(fields, id) for (fields, _), id in zip(rows, ids, strict=True)]
            for key_of in [index.key_of for index in table.indexes]
        ]
        self.layers[0].insert_many(writes, keys)
        self._wrote(table)
        return ids

    def update(
        self,
        table: TableInfo,
        id: str,
        existing: Existing,
        fields: Fields,
        body: bytes,
    ) -> None:
        """Lay a new state of a document over the one that exists."""
        write = self._over(table, id, existing, body)
        old: Fields = existing.fields
        if table.foreign_ids:
            old = _timed(old, existing.creation_time)
            fields = _timed(fields, existing.creation_time)
        old_keys = [index.key_of(old, id) for index in table.indexes]
        self.layers[0].change(write, old_keys, _keys_after(table, id, old, old_keys, fields))
        self._wrote(table)

    def remove(self, table: TableInfo, id: str, existing: Existing) -> None:
        """Lay the absence of a document over it."""
        write = self._over(table, id, existing, None)
        old: Fields = existing.fields
        if table.foreign_ids:
            old = _timed(old, existing.creation_time)
        self.layers[0].change(write, [index.key_of(old, id) for index in table.indexes], None)
        self._wrote(table)

    @staticmethod
    def _over(table: TableInfo, id: str, existing: Existing, body: bytes | None) -> Write:
        kind = Revival if existing.is_revived else Write
        return kind(table, id.encode("ascii"), existing.ts, existing.creation_time, body)

    def lay(self, write: Write, fields: Fields) -> None:
        """Lay a document over its absence; see `headwater.transactions.revival`."""
        table, id = write.table, write.key.decode("ascii")
        if table.foreign_ids:
            fields = _timed(fields, write.creation_time)
        self.layers[0].insert(write, [index.key_of(fields, id) for index in table.indexes])
        self._wrote(table)

    def _wrote(self, table: TableInfo) -> None:
        own = self.layers[0]
        self.write_count += 1
        # What an application declares is no matter of its limits; what its services write is.
        if table.number >= USER_TABLES_FROM or table.is_service:
            self.usage.check_written(own.writes, own.bytes_written)

    @contextmanager
    def nested(self) -> Generator[None]:
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
        self.write_count += 1
        own = self.layers[0]
        # Before they are merged: if this raises, the block has failed, and its writes are dropped.
        self.usage.check_written(own.writes + above.writes, own.bytes_written + above.bytes_written)
        own.merge(above)

    def end(self) -> None:
        """Refuse every later use: what a kept context wrote now would reach nobody."""
        self.usage = _ENDED

    def close(self) -> None:
        """Release the snapshot; every later read raises."""
        self.snapshot.close()
