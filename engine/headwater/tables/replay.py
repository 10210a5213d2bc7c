"""The log read as a whole: what it makes of every document, and where it is broken."""

from collections.abc import Iterator
from typing import NamedTuple

from headwater.errors import CorruptionError
from headwater.storage.commit_log import Commit, Event, decode_commit
from headwater.storage.format import CHECKSUM, Database, seal_document, timestamp_of
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import CATALOG_NUMBERS, Catalog
from headwater.tables.horizon import horizon
from headwater.tables.problems import Problem
from headwater.tables.progress import Report, reported
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_time_of, table_number_of


class Expected(NamedTuple):
    """What the log says of the record of a document that exists."""

    ts: int
    checksum: int
    creation_time: float


class Replay:
    """What documents and tombstones there should be; filled while `read_log` is consumed.

    Some hundred bytes for every document that ever was.

    Attributes:
        alive: The newest version of each document that exists, by id.
        deleted: Timestamps of the commits that deleted the others, by id.
        lost: Timestamps of commits that cannot be read or are missing. What they did is unknown,
            so nothing that claims to be theirs can be told wrong.
        catalog_ts: Timestamp of the last commit that changed the catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.alive: dict[str, Expected] = {}
        self.deleted: dict[str, int] = {}
        self.lost: set[int] = set()
        self.catalog_ts: int = 0
        self._head_ts = 0
        self._horizon = 0

    def read_log(self, reader: ReadTransaction, report: Report | None) -> Iterator[Problem]:
        """Walk over the log once; yields what is wrong with it."""
        self._horizon = horizon(reader)
        total = reader.count(Database.LOG)
        entries = reader.scan(Database.LOG, b"", None)
        for key, value in reported(entries, "reading the log", total, report):
            try:
                commit = decode_commit(key, value)
            except CorruptionError as error:
                yield self._damaged(key, error)
            else:
                yield from self._apply(commit)

    def _damaged(self, key: bytes, error: CorruptionError) -> Problem:
        try:
            self._head_ts = timestamp_of(key)
        except CorruptionError:
            return Problem("commit_damaged", "", "", 0, str(error))
        self.lost.add(self._head_ts)
        return Problem("commit_damaged", "", "", self._head_ts, str(error))

    def _apply(self, commit: Commit) -> Iterator[Problem]:
        if commit.previous_ts != self._head_ts:
            self.lost.add(commit.previous_ts)
            yield Problem(
                "commit_missing",
                "",
                "",
                commit.ts,
                f"commit {commit.ts} follows commit {commit.previous_ts}, and the log has "
                f"{self._head_ts or 'nothing'} before it: commits are missing; restore a backup",
            )
        self._head_ts = commit.ts
        for event in commit.events:
            try:
                known = self._replace(event, commit.ts)
            except MalformedIdError as error:
                message = f"commit {commit.ts} has an event of {event.id!r}: {error}"
                yield Problem("id_malformed", "", event.id, commit.ts, message)
                continue
            if event.previous_ts != known and not self._may_be_gone(event, commit.ts, known):
                yield self._broken(event, commit.ts, known)

    def _may_be_gone(self, event: Event, ts: int, known: int) -> bool:
        """Whether it is no wonder that the log does not have the version before an event.

        A trimmed log has one version of a document at its horizon: nothing before that one, and
        everything after it.
        """
        return event.previous_ts in self.lost or (ts <= self._horizon and not known)

    def _replace(self, event: Event, ts: int) -> int:
        """Apply an event; returns the timestamp of the version before, 0 if there was none."""
        created = creation_time(event)
        before = self.alive.pop(event.id, None)
        known = self.deleted.pop(event.id, 0) if before is None else before.ts
        if event.body is None:
            self.deleted[event.id] = ts
        else:
            record = seal_document(event.id.encode("ascii"), ts, created, event.body)
            self.alive[event.id] = Expected(ts, CHECKSUM.unpack_from(record)[0], created)
        if table_number_of(event.id) in CATALOG_NUMBERS:
            self.catalog_ts = ts
        return known

    def _broken(self, event: Event, ts: int, known: int) -> Problem:
        return Problem(
            "history_broken",
            self.catalog.name_of(table_number_of(event.id)),
            event.id,
            ts,
            f"{event.id}: its change by commit {ts} names {event.previous_ts or 'no commit'} as "
            f"the one before it, the log has {known or 'none'}; restore a backup",
        )


def creation_time(event: Event) -> float:
    """The creation time of the document of an event, ms since the epoch.

    Raises:
        MalformedIdError: The event is of something that is no id.
    """
    created = creation_time_of(event.id)
    return created if event.creation_time is None else event.creation_time
