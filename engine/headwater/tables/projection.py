"""Commits applied to storage: log, documents and indexes, in one storage transaction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from headwater.storage.commit_log import Commit, encode_commit
from headwater.storage.format import TIMESTAMP, Database
from headwater.storage.transactions import WriteTransaction
from headwater_indexes.scan import MAX_FIELDS_BYTES, physical_entry

META_CATALOG: Final = b"catalog"


@dataclass(slots=True)
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

    records: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    tombstones: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    revived: list[bytes] = field(default_factory=list[bytes])
    added: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    removed: list[bytes] = field(default_factory=list[bytes])
    catalog_ts: int | None = None


def apply(writer: WriteTransaction, commits: Iterable[Commit], changes: Changes) -> None:
    """Append commits to the log and apply their net effect. All of it, or nothing."""
    writer.put_many(Database.LOG, [encode_commit(commit) for commit in commits], append=True)
    apply_changes(writer, changes)


def apply_changes(writer: WriteTransaction, changes: Changes) -> None:
    """Apply the net effect of commits that are in the log already."""
    if changes.records:
        writer.put_many(Database.DOCUMENTS, sorted(changes.records))
    if changes.removed:
        writer.delete_many(Database.INDEXES, sorted(changes.removed))
    if changes.added:
        writer.put_many(Database.INDEXES, sorted(changes.added))
    if changes.tombstones:
        keys = sorted(changes.tombstones)
        writer.delete_many(Database.DOCUMENTS, [key for key, _ in keys])
        writer.put_many(Database.DELETED, [(key, TIMESTAMP.pack(ts)) for key, ts in keys])
    if changes.revived:
        writer.delete_many(Database.DELETED, sorted(changes.revived))
    if changes.catalog_ts is not None:
        writer.put(Database.META, META_CATALOG, TIMESTAMP.pack(changes.catalog_ts))


def physical_entries(
    space: int, logical_keys: Iterable[bytes], id_length: int
) -> Iterator[tuple[bytes, bytes]]:
    """Index entries as they are stored, in the order of the keys."""
    number = space.to_bytes(4, "big")
    longest = MAX_FIELDS_BYTES + id_length
    for key in logical_keys:
        if len(key) <= longest:
            yield number + key, b""
        else:
            yield physical_entry(space, key, id_length)
