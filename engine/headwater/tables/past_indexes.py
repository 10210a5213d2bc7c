"""Index entries as of an earlier commit.

An index whose entries are in the file is what it is now, with the entries of the documents that
were touched since taken out and those of their earlier versions put in. Any other one, because it
has been dropped since or is still being filled, is worked out from all documents as of then.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.tables.past_versions import PastVersions
from headwater.tables.records import decode_document
from headwater_indexes.scan import physical_entry

_CHUNK: Final = 512

Entry = tuple[bytes, bytes]


class PastIndex(NamedTuple):
    """One index of one table as of then.

    Attributes:
        info: What it is.
        table: Its table.
        is_stored: Whether the entries of today's documents are in the file.
    """

    info: IndexInfo
    table: TableInfo
    is_stored: bool


class Changes:
    """Entries that differ from those in the file, in order."""

    __slots__ = ("_ordered", "entries")

    def __init__(self, entries: dict[bytes, bytes | None]) -> None:
        self.entries: dict[bytes, bytes | None] = entries
        self._ordered: list[bytes] = sorted(entries)

    def scan(
        self, low: bytes, high: bytes, *, reverse: bool
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Physical keys within ``[low, high)`` with their values; None for one that is gone."""
        keys = self._ordered[bisect_left(self._ordered, low) : bisect_left(self._ordered, high)]
        if reverse:
            keys.reverse()
        return ((key, self.entries[key]) for key in keys)


def changes_of(
    index: PastIndex, now: ReadTransaction, versions: PastVersions, documents: Iterator[Entry]
) -> Changes:
    """What to lay over the stored entries of an index.

    Args:
        index: The index.
        now: The newest state.
        versions: The documents as of then.
        documents: All of its table as of then; consumed only if its entries are not in the file.
    """
    if not index.is_stored:
        return Changes(dict(_entries(index, documents)))
    changes: dict[bytes, bytes | None] = {}
    touched = iter(versions.touched(*index.table.bounds))
    while chunk := list(islice(touched, _CHUNK)):
        newest = zip(chunk, now.get_many(Database.DOCUMENTS, chunk), strict=True)
        changes |= dict.fromkeys([key for key, _ in _entries(index, newest)])
        changes |= _entries(index, versions.changed_records(chunk))
    return Changes(changes)


def _entries(index: PastIndex, documents: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Entry]:
    """The physical entries of documents, in the order of these; None is no document."""
    info, id_length = index.info, index.table.id_length
    for key, record in documents:
        if record is not None:
            # The whole document: a table of foreign ids has creation times in its entries.
            document = decode_document(key, record)
            logical_key = info.key_of(document, document["_id"])
            yield physical_entry(info.space, logical_key, id_length)
