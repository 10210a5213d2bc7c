"""The documents of one moment, read in steps so that the file can reuse space meanwhile."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any, Final

from headwater.tables.catalog import Catalog, TableInfo
from headwater.tables.past import past_snapshot
from headwater.tables.records import count_documents, decode_document
from headwater.tables.snapshot import Snapshot
from headwater.transactions.store import Store

_STEP_SECONDS: Final = 2.0
"""How long one storage snapshot is held. A new one costs reading what was committed meanwhile."""

_CHUNK: Final = 512


class StateAt:
    """All documents as of one moment.

    Attributes:
        ts: Timestamp of the last commit in it.
        catalog: The tables of then.
        is_past: Whether there were commits since.
    """

    def __init__(self, store: Store, at: int | None) -> None:
        self._store = store
        with closing(store.snapshot()) as snapshot:
            self.ts: int = snapshot.ts if at is None else min(at, snapshot.ts)
            past = past_snapshot(snapshot.reader, snapshot.catalog, self.ts)
            self.catalog: Catalog = past.catalog
            self.is_past: bool = self.ts < snapshot.ts

    def has_documents(self, name: str) -> bool:
        """Whether there is a table of that name with a document in it."""
        table = self.catalog.by_name.get(name)
        return table is not None and any(True for _ in self.documents(table))

    def count(self, table: TableInfo) -> int:
        """How many documents a table has. O(their number)."""
        with closing(self._snapshot()) as snapshot:
            return count_documents(snapshot.reader, table.bounds)

    def documents(self, table: TableInfo) -> Iterator[dict[str, Any]]:
        """The documents of a table, by id.

        Raises:
            LogTrimmedError: The moment was trimmed away meanwhile.
        """
        low, high = table.bounds
        is_done = False
        while not is_done:
            deadline = self._store.clock.monotonic() + _STEP_SECONDS
            with closing(self._snapshot()) as snapshot:
                records = snapshot.records(low, high, reverse=False)
                while not is_done and self._store.clock.monotonic() < deadline:
                    chunk = list(islice(records, _CHUNK))
                    yield from [decode_document(key, record) for key, record in chunk]
                    is_done = len(chunk) < _CHUNK
                    low = chunk[-1][0] + b"\x00" if chunk else low

    def _snapshot(self) -> Snapshot:
        snapshot = self._store.snapshot()
        try:
            return past_snapshot(snapshot.reader, snapshot.catalog, self.ts)
        except BaseException:
            snapshot.close()
            raise
