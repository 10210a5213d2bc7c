"""A snapshot: every table and index as of one commit."""

from collections.abc import Iterator
from typing import Any, Final, cast

from headwater.errors import CorruptionError
from headwater.storage.commit_log import head
from headwater.storage.format import DOCUMENTS, INDEXES
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import Catalog, IndexInfo
from headwater.tables.records import decode_document, decode_documents
from headwater_indexes.scan import scan_entries, take_entries

DOCUMENTS_SPACE = 0
EXPECTED: Final = 16
"""Rows that a scan reads at once if nobody knows how many will be wanted. Each read after that is
twice as large; what it reads beyond the end of the range is for nothing."""


class IndexBytes:
    """The ``indexes`` sub-database as the sorted bytes that `headwater_indexes.scan` reads."""

    __slots__ = ("_expected", "_reader")

    def __init__(self, reader: ReadTransaction, expected: int) -> None:
        self._reader = reader
        self._expected = expected

    def scan(self, low: bytes, high: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """Pairs in order within ``[low, high)``."""
        return self._reader.scan(INDEXES, low, high, reverse=reverse, expected=self._expected)

    def take(
        self, low: bytes, high: bytes, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """The first pairs within ``[low, high)``, at most ``count``."""
        return self._reader.take(INDEXES, low, high, count, reverse=reverse)


class Snapshot:
    """Reads as of one commit, over one storage transaction.

    Attributes:
        ts: Timestamp of the last commit visible in it, 0 in an empty database.
        catalog: The tables and indexes as of then.
    """

    __slots__ = ("catalog", "reader", "ts")

    def __init__(self, reader: ReadTransaction, catalog: Catalog, ts: int | None = None) -> None:
        self.reader: ReadTransaction = reader
        self.catalog: Catalog = catalog
        self.ts: int = head(reader) if ts is None else ts

    def record(self, key: bytes) -> bytes | None:
        """The stored record of a document."""
        return self.reader.get(DOCUMENTS, key)

    def documents(self, keys: list[bytes]) -> tuple[Iterator[dict[str, Any]], int]:
        """Documents that an index points at, in the order of the keys, and their stored size.

        All are read now, and each is decoded when it is asked for.

        Raises:
            CorruptionError: An index entry without a document; at a damaged document, when that is
                asked for.
        """
        records = self.reader.get_many(DOCUMENTS, keys)
        if None in records:
            raise _dangling(keys[records.index(None)])
        found = cast("list[bytes]", records)
        return decode_documents(keys, found), sum(map(len, found))

    def records(
        self, low: bytes, high: bytes, *, reverse: bool, expected: int = EXPECTED
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and records of the documents with ids within ``[low, high)``, in id order."""
        return self.reader.scan(DOCUMENTS, low, high, reverse=reverse, expected=expected)

    @staticmethod
    def decode(records: Iterator[tuple[bytes, bytes]]) -> Iterator[dict[str, Any]]:
        """The documents of stored records."""
        return (decode_document(key, record) for key, record in records)

    def entries(
        self, index: IndexInfo, low: bytes, high: bytes, *, reverse: bool, expected: int = EXPECTED
    ) -> Iterator[bytes]:
        """Logical keys of an index within ``[low, high)``, in order."""
        source = IndexBytes(self.reader, expected)
        return scan_entries(source, index.space, low, high, reverse=reverse)

    def first_entries(
        self, index: IndexInfo, low: bytes, high: bytes, count: int, *, reverse: bool
    ) -> list[bytes]:
        """The first logical keys of an index within ``[low, high)``, in order."""
        source = IndexBytes(self.reader, count)
        return take_entries(source, index.space, low, high, count, reverse=reverse)

    def close(self) -> None:
        """Release the storage transaction."""
        self.reader.close()


def _dangling(key: bytes) -> CorruptionError:
    return CorruptionError(
        f"an index points at document {key.decode('ascii', 'replace')}, which is not there; "
        "run db.verify() to see how far this goes and db.rebuild() to make tables and indexes "
        "anew from the log"
    )
