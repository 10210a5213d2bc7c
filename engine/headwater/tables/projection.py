"""Commits applied to storage: log, documents and indexes, in one storage transaction."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from headwater.storage.commit_log import Commit, encode_commit
from headwater.storage.format import TIMESTAMP, Database
from headwater.storage.transactions import WriteTransaction
from headwater_indexes.scan import MAX_FIELDS_BYTES, physical_entry

META_CATALOG: Final = b"catalog"

_key_of = itemgetter(0)


@dataclass(slots=True, init=False)
class Changes:
    """The net effect of a batch of commits. Each key appears once.

    Attributes:
        records: Document keys with their new sealed records.
        tombstones: Keys of deleted documents with the timestamp of the deleting commit.
        revived: Keys of documents that were deleted before, and are there now.
        added: Physical index entries that are there now.
        removed: Physical keys of index entries that are gone.
        catalog_ts: Timestamp of the last commit that changed the catalog, None if none did.
    """

    records: list[tuple[bytes, bytes]]
    tombstones: list[tuple[bytes, int]]
    revived: list[bytes]
    added: list[tuple[bytes, bytes]]
    removed: list[bytes]
    catalog_ts: int | None

    def __init__(self, catalog_ts: int | None = None) -> None:
        self.records = []
        self.tombstones = []
        self.revived = []
        self.added = []
        self.removed = []
        self.catalog_ts = catalog_ts


def apply(writer: WriteTransaction, commits: Iterable[Commit], changes: Changes) -> None:
    """Append commits to the log and apply their net effect. All of it, or nothing."""
    entries = [encode_commit(commit, compressed=writer.compresses) for commit in commits]
    writer.put_many(Database.LOG, entries, append=True)
    apply_changes(writer, changes)


def apply_changes(writer: WriteTransaction, changes: Changes) -> None:
    """Apply the net effect of commits that are in the log already."""
    if changes.records:
        _put_documents(writer, changes.records)
    if changes.removed:
        writer.delete_many(Database.INDEXES, changes.removed)
    if changes.added:
        writer.put_many(Database.INDEXES, changes.added)
    if changes.tombstones:
        keys = changes.tombstones
        writer.delete_many(Database.DOCUMENTS, [key for key, _ in keys])
        writer.put_many(Database.DELETED, [(key, TIMESTAMP.pack(ts)) for key, ts in keys])
    if changes.revived:
        writer.delete_many(Database.DELETED, changes.revived)
    if changes.catalog_ts is not None:
        writer.put(Database.META, META_CATALOG, TIMESTAMP.pack(changes.catalog_ts))


def _put_documents(writer: WriteTransaction, records: list[tuple[bytes, bytes]]) -> None:
    """Write documents; the new ones at the end are appended, which fills LMDB's pages.

    Ids are in the order of creation, so new documents of the last table come after all others.
    """
    if len(records) == 1:
        writer.put_last(Database.DOCUMENTS, *records[0])
        return
    records = sorted(records)
    newest = writer.last_key(Database.DOCUMENTS) or b""
    at = bisect_right(records, newest, key=_key_of)
    if at:
        writer.put_many(Database.DOCUMENTS, records[:at])
    if at < len(records):
        writer.put_many(Database.DOCUMENTS, records[at:], append=True)


def physical_entries(
    space: int, logical_keys: Iterable[bytes], id_length: int
) -> list[tuple[bytes, bytes]]:
    """Index entries as they are stored, in the order of the keys."""
    number = space.to_bytes(4, "big")
    longest = MAX_FIELDS_BYTES + id_length
    return [
        (number + key, b"") if len(key) <= longest else physical_entry(space, key, id_length)
        for key in logical_keys
    ]
