"""Which version of which document a transaction saw, found out from the log."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headwater.storage import commit_log
from headwater.tables.catalog import Catalog, IndexInfo
from headwater.tables.records import decode_body
from headwater.tables.replay import creation_time
from headwater.tables.snapshot import Snapshot
from headwater.testing.histories import NEVER, UNKNOWN, DocumentRead
from headwater.testing.observed import ObservedTransaction, PointSeen, RangeSeen, RowSeen


class Version(NamedTuple):
    """A document as one commit left it; ``body`` is None where it was deleted."""

    ts: int
    body: bytes | None
    creation_time: float


_ABSENT = Version(NEVER, None, 0.0)


class Versions:
    """Every version of every document in the log.

    Attributes:
        writes: Ids of the documents that each commit changed, by its timestamp.
        functions: Who made each commit.
        tables: The table of each document.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.writes: dict[int, list[str]] = {}
        self.functions: dict[int, str] = {}
        self.tables: dict[str, str] = {}
        self._by_key: dict[bytes, list[Version]] = {}
        self._by_table: dict[int, dict[bytes, None]] = {}
        self._positions: dict[tuple[int, bytes, int], bytes | None] = {}
        for commit in commit_log.after(snapshot.reader, 0):
            self._add(commit, snapshot.catalog)

    def _add(self, commit: commit_log.Commit, catalog: Catalog) -> None:
        self.writes[commit.ts] = [event.id for event in commit.events]
        self.functions[commit.ts] = commit.origin.function
        for event in commit.events:
            key = event.id.encode("ascii")
            table = catalog.table_of(event.id)
            version = Version(commit.ts, event.body, creation_time(event))
            self._by_key.setdefault(key, [_ABSENT]).append(version)
            if table is not None:
                self.tables[event.id] = table.name
                self._by_table.setdefault(table.number, {})[key] = None

    # -- what one transaction saw ---------------------------------------------------------------

    def reads(self, transaction: ObservedTransaction, own_ts: int) -> list[DocumentRead]:
        """Its reads of what others have written.

        Args:
            transaction: It has ended.
            own_ts: Timestamp of its commit, 0 if it has none.
        """
        resolver = _Resolver(self, transaction.seen_ts, own_ts)
        found: dict[DocumentRead, None] = {}
        for seen in transaction.seen:
            reads = resolver.point(seen) if isinstance(seen, PointSeen) else resolver.range(seen)
            found |= dict.fromkeys(reads)
        return list(found)

    def of(self, key: bytes, own_ts: int) -> list[Version]:
        """The versions of a document without the one of a commit; the first is its absence."""
        chain = self._by_key.get(key, [_ABSENT])
        return [version for version in chain if version.ts != own_ts or not own_ts]

    def keys_of(self, table_number: int) -> list[bytes]:
        """Every document that a table has ever had."""
        return list(self._by_table.get(table_number, ()))

    def position(self, index: IndexInfo | None, key: bytes, version: Version) -> bytes | None:
        """Where a version stands in an index; None if it does not."""
        if version.body is None:
            return None
        if index is None:
            return key
        known = (index.space, key, version.ts)
        if known not in self._positions:
            document = decode_body(key, version.creation_time, version.body)
            self._positions[known] = index.key_of(document, document["_id"])
        return self._positions[known]


class _Resolver:
    """Finds the versions that one transaction saw.

    What it saw decides. Where several versions look the same, the one that it should have seen is
    taken.
    """

    def __init__(self, versions: Versions, seen_ts: int, own_ts: int) -> None:
        self._versions = versions
        self._seen_ts = seen_ts
        self._own_ts = own_ts

    def point(self, seen: PointSeen) -> Iterator[DocumentRead]:
        """A read by id."""
        chain = self._versions.of(seen.key, self._own_ts)
        if seen.body is not None or len(chain) > 1:
            yield self._same(seen.key, seen.body, chain, "")

    def range(self, seen: RangeSeen) -> Iterator[DocumentRead]:
        """A read of a range: the rows in it, and the documents that were elsewhere."""
        bounds = seen.read.consumed()
        if bounds is None:
            return
        found = {row.key for row in seen.rows()}
        for row in seen.rows():
            yield self._row(seen, row, bounds)
        for key in self._versions.keys_of(seen.table.number):
            if key in found or key in seen.own:
                continue
            chain = self._versions.of(key, self._own_ts)
            inside = [self._is_inside(seen.index, key, version, bounds) for version in chain]
            if any(inside):
                yield from self._run(key, chain, inside, seen.name, is_absent=True)

    def _row(self, seen: RangeSeen, row: RowSeen, bounds: tuple[bytes, bytes]) -> DocumentRead:
        chain = self._versions.of(row.key, self._own_ts)
        if row.body is not None:
            return self._same(row.key, row.body, chain, seen.name)
        outside = [not self._is_inside(seen.index, row.key, version, bounds) for version in chain]
        found = list(self._run(row.key, chain, outside, seen.name, is_absent=False))
        return found[0] if found else _read(row.key, UNKNOWN, UNKNOWN, seen.name)

    def _is_inside(
        self, index: IndexInfo | None, key: bytes, version: Version, bounds: tuple[bytes, bytes]
    ) -> bool:
        position = self._versions.position(index, key, version)
        return position is not None and bounds[0] <= position < bounds[1]

    def _same(
        self, key: bytes, body: bytes | None, chain: Sequence[Version], through: str
    ) -> DocumentRead:
        """The version with that body."""
        matching = [at for at, version in enumerate(chain) if version.body == body]
        at = self._nearest(chain, matching)
        ts = UNKNOWN if at is None else chain[at].ts
        return _read(key, ts, ts, through, is_absent=body is None)

    def _run(
        self,
        key: bytes,
        chain: Sequence[Version],
        is_other: Sequence[bool],
        through: str,
        *,
        is_absent: bool,
    ) -> Iterator[DocumentRead]:
        """Versions next to each other that look like what was seen."""
        first = self._nearest(chain, [at for at, other in enumerate(is_other) if not other])
        if first is None:
            return
        last = first
        while first > 0 and not is_other[first - 1]:
            first -= 1
        while last + 1 < len(chain) and not is_other[last + 1]:
            last += 1
        yield _read(key, chain[first].ts, chain[last].ts, through, is_absent=is_absent)

    def _nearest(self, chain: Sequence[Version], candidates: Sequence[int]) -> int | None:
        """The last of the candidates that it can see; or else the first one behind."""
        visible = [at for at in candidates if chain[at].ts <= self._seen_ts]
        return visible[-1] if visible else candidates[0] if candidates else None


def _read(
    key: bytes, ts: int, last_ts: int, through: str, *, is_absent: bool = False
) -> DocumentRead:
    return DocumentRead(
        id=key.decode("ascii"), ts=ts, last_ts=last_ts, through=through, is_absent=is_absent
    )
