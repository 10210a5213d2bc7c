"""The commits that are left, linked anew where something between them is lost."""

from collections.abc import Iterator

from headwater.storage.codec import pack, unpack
from headwater.storage.commit_log import Commit, Event
from headwater.tables.catalog import TABLES_NUMBER, USER_TABLES_FROM
from headwater.tables.surviving_log import REPAIR_ORIGIN, SurvivingLog
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_bits, mint_at, table_number_of

_NS_PER_MS = 1_000_000


class Chain:
    """A log without gaps, made of one that may have some; filled while it is consumed.

    A commit before which nothing is lost comes out as it was, byte for byte.

    Attributes:
        newest: Timestamp of the newest event of every document.
        found: Number of events that were found of lost commits, by timestamp.
        broken: Versions that an event names as the one before it, and that are lost.
    """

    def __init__(self, log: SurvivingLog) -> None:
        self._log = log
        self.newest: dict[str, int] = {}
        self.found: dict[int, int] = {}
        self.broken: list[tuple[str, int]] = []
        self._alive: set[str] = set()
        self._tables: dict[str, int] = {}

    def commits(self) -> Iterator[Commit]:
        """The commits in order; each follows the one before it, and so do its events."""
        previous_ts = 0
        at_horizon = self._versions_at_horizon()
        for commit in self._log.commits():
            events = tuple(
                linked
                for event in commit.events
                if (commit.ts > self._log.horizon or at_horizon.get(event.id) == commit.ts)
                and (linked := self._link(event, commit))
            )
            if commit.ts not in self._log.places:
                self.found[commit.ts] = len(events)
            is_gone = commit.ts not in self._log.places or commit.ts < self._log.horizon
            if not events and is_gone and commit.ts != self._log.horizon:
                continue
            yield Commit(commit.ts, previous_ts, commit.origin, events)
            previous_ts = commit.ts
        tables = self._missing_tables()
        if tables:
            yield self._declare(tables, previous_ts)

    def _versions_at_horizon(self) -> dict[str, int]:
        """Which commit a trimmed log has of each document: what was trimmed may have turned up."""
        versions: dict[str, int] = {}
        for commit in self._log.commits():
            if commit.ts > self._log.horizon:
                break
            for event in commit.events:
                versions[event.id] = 0 if event.body is None else commit.ts
        return versions

    def _link(self, event: Event, commit: Commit) -> Event | None:
        """The event after the one before it of its document; None if it cannot be one."""
        try:
            number = table_number_of(event.id)
        except MalformedIdError:
            return None
        is_alive = event.id in self._alive
        if commit.origin is REPAIR_ORIGIN and event.body is None and not is_alive:
            return None  # a tombstone of something that the log never had
        known = self.newest.get(event.id, 0)
        if event.previous_ts != known and (known or commit.ts > self._log.horizon):
            if commit.origin is not REPAIR_ORIGIN and event.previous_ts not in {0, commit.ts}:
                self.broken.append((event.id, event.previous_ts))
            event = event._replace(previous_ts=known)
        self._note(event, number, commit.ts)
        return event

    def _note(self, event: Event, number: int, ts: int) -> None:
        self.newest[event.id] = ts
        if event.body is None:
            self._alive.discard(event.id)
            self._tables.pop(event.id, None)
            return
        self._alive.add(event.id)
        if number == TABLES_NUMBER:
            self._tables[event.id] = unpack(event.body)["number"]

    def _missing_tables(self) -> list[int]:
        """Numbers of tables that have documents, and whose own document is lost."""
        numbers = {table_number_of(id_text) for id_text in self._alive}
        users = {number for number in numbers if number >= USER_TABLES_FROM}
        return sorted(users - set(self._tables.values()))

    def _declare(self, numbers: list[int], previous_ts: int) -> Commit:
        """A commit that gives such tables a name."""
        ts = previous_ts + 1
        ticks = creation_bits(ts / _NS_PER_MS)
        events: list[Event] = []
        for number in numbers:
            id_text = mint_at(TABLES_NUMBER, ticks, number)
            fields = {"name": f"recovered_{number}", "number": number, "schema": None}
            events.append(Event(id_text, 0, None, pack(fields)))
            self.newest[id_text] = ts
        return Commit(ts, previous_ts, REPAIR_ORIGIN, events)
