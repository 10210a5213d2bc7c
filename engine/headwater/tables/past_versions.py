"""The documents as of an earlier commit, found through the log.

A document that nobody has touched since is what it is now. The first event of any other one after
that commit names the commit before it, which has the version of then. Two ways lead there: from
the newest version back, for single documents, at the cost of their versions since; and once over
the log since then, for ranges, at the cost of what was committed.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from headwater.errors import CorruptionError
from headwater.storage import commit_log
from headwater.storage.commit_log import Event, Facts, as_event, decode_facts
from headwater.storage.format import (
    TIMESTAMP,
    Database,
    open_document,
    seal_document,
    timestamp_key,
)
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import CATALOG_NUMBERS
from headwater.tables.horizon import horizon
from headwater_indexes.ids import noted_creation_time, table_bounds

_CACHE_EVENTS: Final = 20_000
"""Events of decoded commits that are kept: neighbours in a table often come from few commits."""

_CATALOG_BOUNDS: Final = frozenset(map(table_bounds, CATALOG_NUMBERS))


class PastVersions:
    """What documents and tombstones were after all commits up to ``ts``.

    Memory: the id and one timestamp of each document that was touched since, once a range of
    documents has been asked for.
    """

    def __init__(self, now: ReadTransaction, ts: int) -> None:
        self._now = now
        self._ts = ts
        self._versions = Versions(now)
        self._before: dict[bytes, int] = {}
        """Commits with the versions of then, of documents touched since; 0 for no version."""
        self._ordered: list[bytes] | None = None

    def records(self, keys: list[bytes]) -> list[bytes | None]:
        """The records of documents as of then, in the order of the keys."""
        found = self._now.get_many(Database.DOCUMENTS, keys)
        touched = [key for key, now in zip(keys, found, strict=True) if self._is_touched(key, now)]
        if not touched:
            return found
        past = dict(self.changed_records(touched))
        return [past.get(key, now) for key, now in zip(keys, found, strict=True)]

    def tombstone(self, key: bytes) -> bytes | None:
        """The tombstone of a document as of then."""
        if self._is_touched(key, self._now.get(Database.DOCUMENTS, key)):
            return next(self.changed_tombstones([key]))[1]
        return self._now.get(Database.DELETED, key)

    def changed_records(self, touched: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """The records as of then of documents that were touched since; None for no document."""
        for key, ts, event in self._events(touched):
            if event is None or event.body is None:
                yield key, None
            else:
                created = event.creation_time
                if created is None:
                    created = noted_creation_time(key)
                yield key, seal_document(key, ts, created, event.body)

    def changed_tombstones(self, touched: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """The tombstones as of then of documents that were touched since; None for none."""
        for key, ts, event in self._events(touched):
            is_deleted = event is not None and event.body is None
            yield key, TIMESTAMP.pack(ts) if is_deleted else None

    def touched(self, low: bytes, high: bytes | None) -> list[bytes]:
        """Keys within ``[low, high)`` of documents that were touched since, in order.

        Reads the log since then, the first time. Those of the catalog are few, and are found by
        looking at each.
        """
        if self._ordered is None and (low, high) in _CATALOG_BOUNDS:
            return self._touched_among(low, high)
        if self._ordered is None:
            self._read_log()
            self._ordered = sorted(self._before)
        start = bisect_left(self._ordered, low)
        end = len(self._ordered) if high is None else bisect_left(self._ordered, high)
        return self._ordered[start:end]

    def _read_log(self) -> None:
        before = self._before
        for commit in commit_log.after(self._now, self._ts):
            for event in commit.events:
                key = event.id.encode("ascii")
                if key not in before:
                    before[key] = event.previous_ts

    def _touched_among(self, low: bytes, high: bytes | None) -> list[bytes]:
        alive = dict(self._now.scan(Database.DOCUMENTS, low, high))
        deleted = [key for key, _ in self._now.scan(Database.DELETED, low, high)]
        return [key for key in sorted({*alive, *deleted}) if self._is_touched(key, alive.get(key))]

    # -- one document ---------------------------------------------------------------------------

    def _is_touched(self, key: bytes, now: bytes | None) -> bool:
        """Whether a document, given its newest record, was touched since; notes its version."""
        if key in self._before:
            return True
        if self._ordered is not None:
            return False
        newest = self._newest(key, now)
        if newest <= self._ts:
            return False
        self._before[key] = self._versions.ts_at(key, newest, self._ts)
        return True

    def _newest(self, key: bytes, now: bytes | None) -> int:
        """Timestamp of the last commit that touched the document; 0 for none."""
        if now is not None:
            return open_document(key, now)[0]
        tombstone = self._now.get(Database.DELETED, key)
        return 0 if tombstone is None else int(TIMESTAMP.unpack(tombstone)[0])

    def _events(self, touched: Sequence[bytes]) -> Iterator[tuple[bytes, int, Event | None]]:
        """The events that made the versions of then, with their timestamps."""
        versions = [(key, self._before[key]) for key in touched]
        events = self._versions.events(versions)
        for (key, ts), event in zip(versions, events, strict=True):
            yield key, ts, event


class Versions:
    """Versions of documents in the log, by the commits that made them.

    The commits that were used last are kept decoded.
    """

    def __init__(self, reader: ReadTransaction) -> None:
        self._reader = reader
        self._horizon = horizon(reader)
        self._kept: OrderedDict[int, dict[str, Facts]] = OrderedDict()
        self._count = 0

    def events(self, versions: Sequence[tuple[bytes, int]]) -> list[Event | None]:
        """What each commit did to its document, as in `event`; each commit is read once."""
        self._load({ts for _, ts in versions})
        return [self.event(key, ts) for key, ts in versions]

    def event(self, key: bytes, ts: int) -> Event | None:
        """What a commit did to a document; None for no commit (0) and for what was trimmed.

        Raises:
            CorruptionError: The log should have it, and does not.
        """
        if not ts:
            return None
        if ts not in self._kept:
            self._load([ts])
        self._kept.move_to_end(ts)
        facts = self._kept[ts].get(key.decode("ascii"))
        if facts is None and ts > self._horizon:
            raise _broken(key, ts)
        event = None if facts is None else as_event(facts)
        if event is not None and event.body is None and ts <= self._horizon:
            return None  # trimming takes deletions away, sooner or later
        return event

    def ts_at(self, key: bytes, newest: int, moment: int) -> int:
        """The commit that made the version of a moment; 0 for none and for what was trimmed.

        O(versions since).

        Args:
            key: The document.
            newest: The commit that made its newest version.
            moment: Nanoseconds since the epoch.
        """
        ts = newest
        while ts > moment:
            event = self.event(key, ts)
            ts = 0 if event is None else event.previous_ts
        return ts

    def _load(self, wanted: Iterable[int]) -> None:
        """Decode the commits that are not kept; they are kept until other ones are loaded."""
        missing = sorted(ts for ts in wanted if ts and ts not in self._kept)
        if not missing:
            return
        while self._count > _CACHE_EVENTS and self._kept:
            self._count -= 1 + len(self._kept.popitem(last=False)[1])
        keys = [timestamp_key(ts) for ts in missing]
        for ts, key, value in zip(
            missing, keys, self._reader.get_many(Database.LOG, keys), strict=True
        ):
            events = () if value is None else decode_facts(key, value)[1]
            self._kept[ts] = {facts[0]: facts for facts in events}
            self._count += 1 + len(events)


def _broken(key: bytes, ts: int) -> CorruptionError:
    return CorruptionError(
        f"{key.decode('ascii', 'replace')}: the log says that commit {ts} changed it, and does not "
        "have that change; run db.verify() to see what else is damaged, then restore a backup"
    )
