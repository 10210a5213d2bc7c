"""The entries of indexes that have none yet: gathered in memory, sorted, written in runs."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final

from headwater.storage.format import Database
from headwater.storage.transactions import WriteTransaction
from headwater.tables.catalog import Catalog, IndexInfo, TableInfo
from headwater.tables.progress import Report, reported
from headwater.tables.projection import physical_entries
from headwater.tables.records import count_documents, decode_document
from headwater_indexes.scan import MAX_FIELDS_BYTES

_CHUNK_DOCUMENTS: Final = 2000

_RUN_ENTRIES: Final = 500_000
"""Index entries sorted in memory at a time."""


class IndexKeys:
    """The logical keys of some indexes of one table, by the space of the index.

    Attributes:
        count: How many there are.
    """

    __slots__ = ("_by_space", "_longest", "_targets", "count")

    def __init__(self, table: TableInfo, indexes: Sequence[IndexInfo]) -> None:
        self._longest = MAX_FIELDS_BYTES + table.id_length
        self._by_space: dict[int, list[bytes]] = {index.space: [] for index in indexes}
        self._targets = [(index.key_of, self._by_space[index.space].append) for index in indexes]
        self.count: int = 0

    def gather(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Take the keys of documents, with which nothing else is done."""
        targets = self._targets
        for document in documents:
            id_text = document["_id"]
            for key_of, add in targets:
                add(key_of(document, id_text))
        self.count = sum(map(len, self._by_space.values()))

    def write(self, writer: WriteTransaction, indexes: Iterable[IndexInfo], *, append: bool) -> int:
        """Write the entries of some of the indexes, by space; returns how many.

        Args:
            writer: Where to.
            indexes: Which, in the order of their spaces.
            append: All entries that are there come before.
        """
        return sum(self._write_space(writer, index.space, append=append) for index in indexes)

    def _write_space(self, writer: WriteTransaction, space: int, *, append: bool) -> int:
        keys = self._by_space.pop(space)
        keys.sort()
        if max(map(len, keys), default=0) <= self._longest:
            writer.put_keys(Database.INDEXES, space.to_bytes(4, "big"), keys, append=append)
        else:  # some have to be cut, which may put them into another order
            id_length = self._longest - MAX_FIELDS_BYTES
            entries = physical_entries(space, keys, id_length)
            writer.put_many(Database.INDEXES, entries, append=append)
        return len(keys)


def write_indexes(
    writer: WriteTransaction,
    catalog: Catalog,
    progress: Report | None,
    gathered: Mapping[int, IndexKeys] | None = None,
) -> int:
    """Write the entries of every index, of which there are none yet; returns how many.

    Args:
        writer: Where the documents are.
        catalog: Whose indexes.
        progress: Is told of each step.
        gathered: All keys of some tables, by number. Those of others are made from the documents.
    """
    known = gathered or {}
    by_space = sorted(catalog.indexes_by_space.values(), key=lambda index: index.space)
    # So many together have one run of entries, even if all documents were of their table.
    together = max(1, _RUN_ENTRIES // max(1, writer.count(Database.DOCUMENTS)))
    written = 0
    for number, neighbours in groupby(by_space, key=lambda index: index.table_number):
        table = catalog.by_number[number]
        while indexes := list(islice(neighbours, together)):
            step = f"writing index {table.name}.{', '.join(index.name for index in indexes)}"
            if number in known:
                shown = reported(indexes, step, len(indexes), progress)
                written += known[number].write(writer, shown, append=True)
            else:
                written += _write_some(writer, table, indexes, step, progress)
    return written


def _write_some(
    writer: WriteTransaction,
    table: TableInfo,
    indexes: Sequence[IndexInfo],
    step: str,
    progress: Report | None,
) -> int:
    """Write the entries of some indexes, made from the documents; returns how many."""
    total = count_documents(writer, table.bounds) if progress else 0
    scanned = writer.scan(Database.DOCUMENTS, *table.bounds, expected=_CHUNK_DOCUMENTS)
    documents = reported(scanned, step, total, progress)
    at_once = max(1, _RUN_ENTRIES // len(indexes))
    written = 0
    while True:
        keys = IndexKeys(table, indexes)
        keys.gather(decode_document(key, value) for key, value in islice(documents, at_once))
        if not keys.count:
            return written
        # Spaces are written in order, so the first run of each lies behind all that is there.
        written += keys.write(writer, indexes, append=not written)
