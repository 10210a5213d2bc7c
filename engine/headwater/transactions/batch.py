"""A batch: transactions that go into the log together, one after the other, with one flush."""

from headwater.storage.commit_log import Commit, Event, Origin, as_event
from headwater.storage.format import seal_document
from headwater.storage.transactions import NO_VERSION, Version
from headwater.tables.catalog import CATALOG_NUMBERS
from headwater.tables.projection import Changes, physical_entries
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.overlay import Overlay, Write
from headwater_indexes.ids import noted_creation_time


class Batch:
    """Commits that are stamped and not yet written.

    Attributes:
        head_ts: The newest commit below the batch.
        version: The state of the file below the batch; once written, the one that it made.
        commits: In the order of their timestamps.
        keys: What each of them touched.
        written: What each of them wrote.
        revived: Keys of documents that were deleted below the batch and come back in it.
    """

    def __init__(self, head_ts: int, version: Version = NO_VERSION) -> None:
        self.head_ts = head_ts
        self.version: Version = version
        self.last_ts: int = head_ts
        self.commits: list[Commit] = []
        self.keys: list[CommitKeys] = []
        self.written: list[Overlay] = []
        self._overlay = Overlay()
        self._merged = 0
        self.catalog_ts: int | None = None
        self.revived: set[bytes] = set()

    def append(self, overlay: Overlay, origin: Origin, now_ns: int) -> int:
        """Stamp a transaction's writes and lay them over the batch; returns the timestamp."""
        ts = max(self.last_ts + 1, now_ns)
        events: list[Event] = []
        changes_catalog = False
        for write in overlay.documents.values():
            if write.body is None and write.is_nothing:
                write.ts = write.previous_ts  # what the document was stays what it is
                continue
            write.ts = ts
            events.append(_event(write))
            # The log has to say so too, or a rebuild would find another timestamp.
            changes_catalog = changes_catalog or write.table.number in CATALOG_NUMBERS
            if write.is_revival and write.previous_ts <= self.head_ts:
                self.revived.add(write.key)
        if not events:  # whatever it inserted, it deleted again
            return self.last_ts
        self.commits.append(Commit(ts, self.last_ts, origin, events))
        self.written.append(overlay)
        self.keys.append(
            CommitKeys(
                ts,
                self.last_ts,
                origin.function,
                overlay.documents,
                overlay.touched(),
                changes_catalog=changes_catalog,
            )
        )
        if changes_catalog:
            self.catalog_ts = ts
        self.last_ts = ts
        return ts

    @property
    def overlay(self) -> Overlay:
        """The state after all of them, laid over the snapshot at ``head_ts``."""
        for written in self.written[self._merged :]:
            self._overlay.merge(written)
        self._merged = len(self.written)
        return self._overlay

    def changes(self) -> Changes:
        """The net effect of all commits, each key once."""
        changes = Changes(self.catalog_ts)
        # Most batches are one commit, whose overlay then is that of the batch.
        overlay = self.written[0] if len(self.written) == 1 else self.overlay
        documents = overlay.documents
        for key, write in documents.items():
            if write.body is not None:
                record = seal_document(key, write.ts, write.creation_time, write.body)
                changes.records.append((key, record))
            elif write.ts:
                changes.tombstones.append((key, write.ts))
        changes.revived += [key for key in self.revived if documents[key].body is not None]
        for space, writes in overlay.by_space.items():
            entries, length = writes.entries, writes.id_length
            removed = [key for key, present in entries.items() if not present]
            added = [key for key, present in entries.items() if present] if removed else entries
            changes.added += physical_entries(space, added, length)
            if removed:
                changes.removed += [key for key, _ in physical_entries(space, removed, length)]
        return changes


def _event(write: Write) -> Event:
    id_text = write.key.decode("ascii")
    created: float | None = None
    # The id of a document that is new here was made from its creation time.
    may_differ = write.previous_ts or write.table.foreign_ids
    if may_differ and noted_creation_time(write.key) != write.creation_time:
        created = write.creation_time
    return as_event((id_text, write.previous_ts, created, write.body))
