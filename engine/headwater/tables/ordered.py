"""A reader that notices when it is led in circles."""

from collections.abc import Iterator
from typing import Any, cast

from headwater.errors import CorruptionError
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction


class _Ordered:
    """Reads from ``reader``; a scan whose keys do not ascend ends with an error.

    In a damaged tree a page may be its own successor: a scan would never end.
    """

    def __init__(self, reader: ReadTransaction) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def scan(
        self, database: Database, low: bytes, high: bytes | None, **options: Any
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries in ascending order."""
        before: bytes | None = None
        for key, value in self._reader.scan(database, low, high, **options):
            if before is not None and key <= before:
                raise CorruptionError(
                    f"{database.name.lower()}: key {key!r} comes after {before!r}: a page of the "
                    "file is damaged; hw.repair() saves what can be saved"
                )
            before = key
            yield key, value


def in_order(reader: ReadTransaction) -> ReadTransaction:
    """The same reader for ascending scans, each of which ends."""
    return cast("ReadTransaction", _Ordered(reader))
