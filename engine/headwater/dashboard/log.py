"""The log: its pages, single commits, moments to go to, and the stream of what comes."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import closing
from itertools import islice, takewhile
from typing import Any, Final

from headwater.dashboard.asked import Asked
from headwater.dashboard.log_facts import (
    TouchedQueries,
    change_facts,
    entry_facts,
)
from headwater.errors import RequestInvalidError
from headwater.reactive.log_reading import open_tail
from headwater.reactive.log_tail import LogTail
from headwater.reactive.reactor import Reactor
from headwater.storage import commit_log
from headwater.storage.format import Database, timestamp_of
from headwater.tables.catalog import TableInfo
from headwater.tables.horizon import horizon
from headwater.tables.log_entries import (
    EarlierVersions,
    LogEntry,
    Wanted,
    changes_of,
    entries_before,
)
from headwater.transactions.store import Store

_PAGE_MAX: Final = 200
_SEARCHED_MAX: Final = 5000
"""Commits that are read for one page of a filtered log."""

_STOPS_FROM: Final = 20_000
"""Newest commits among which the moments of the slider are chosen."""

_STOPS_MAX: Final = 400
_CHANGES_MAX: Final = 500
_PAUSE_SECONDS: Final = 0.05
_ID_FROM: Final = 8
"""Characters from which on a text may be meant for a part of an id."""

_BATCH: Final = 100
"""Commits that are told at once; if more have come meanwhile, the page is told to look anew."""


class _OfAll(Wanted):
    """Changes of the application's tables and of those of services."""

    def takes(self, table: TableInfo) -> bool:
        """Not those that the database keeps about itself."""
        return table.is_service or not table.is_system


class LogPages:
    """Reads the log, and follows it.

    Args:
        store: The database.
        reactor: Tells of commits.
        touched: Finds the live queries that one touched.
    """

    def __init__(self, store: Store, reactor: Reactor, touched: TouchedQueries) -> None:
        self._store = store
        self._reactor = reactor
        self._touched = touched

    def page(self, asked: Asked) -> dict[str, Any]:
        """Commits before a moment, the newest first: of some tables, whose origin has a text."""
        limit, search = asked.count("limit", 50, _PAGE_MAX), asked.text("search", "").casefold()
        with closing(self._store.snapshot()) as snapshot:
            reader = snapshot.reader
            before, oldest = asked.moment("before") or snapshot.ts + 1, horizon(reader)
            entries = takewhile(
                lambda one: _ts_of(one) > oldest,
                entries_before(reader, snapshot.catalog, before, _wanted(asked), EarlierVersions()),
            )
            found, position = _first(islice(entries, _SEARCHED_MAX), search, limit)
            has_more = next(entries, None) is not None
        return {
            "entries": [entry_facts(one, self._touched.of(one.ts)) for one in found],
            "next": str(position) if has_more else None,
        }

    def commit(self, asked: Asked) -> dict[str, Any]:
        """One commit with what it did to each document."""
        ts = asked.required_moment("ts")
        with closing(self._store.snapshot()) as snapshot:
            reader = snapshot.reader
            commit = commit_log.read(reader, ts)
            if commit is None:
                raise RequestInvalidError(f"ts: no commit has the timestamp {ts}")
            changes = changes_of(reader, snapshot.catalog, commit, _OfAll(), EarlierVersions())
            entry = LogEntry(ts, commit.origin, tuple(changes))
        return entry_facts(entry, self._touched.of(ts)) | {
            "arguments": entry.origin.arguments,
            "changes": [change_facts(one) for one in entry.changes[:_CHANGES_MAX]],
        }

    def timeline(self, _: Asked) -> dict[str, Any]:
        """Moments to travel to: an even choice among the newest commits."""
        with closing(self._store.snapshot()) as snapshot:
            reader = snapshot.reader
            keys = reader.scan(Database.LOG, b"", None, reverse=True)
            stops = [timestamp_of(key) for key, _ in islice(keys, _STOPS_FROM)]
            oldest, commits = horizon(reader), reader.count(Database.LOG)
        stops = [ts for ts in reversed(stops) if ts >= oldest]
        step = -(-len(stops) // _STOPS_MAX) or 1
        chosen = stops[::-step][::-1]
        return {"stops": [str(ts) for ts in chosen], "horizon": str(oldest), "commits": commits}

    def step(self, asked: Asked) -> dict[str, Any]:
        """The commit right before or after a moment; none at the ends of the log."""
        ts, direction = asked.required_moment("ts"), asked.text("direction")
        with closing(self._store.snapshot()) as snapshot:
            reader = snapshot.reader
            if direction == "next":
                found = next(commit_log.after(reader, ts, 1), None)
            else:
                found = next(commit_log.before(reader, ts, 1), None)
            is_there = found is not None and found.ts >= horizon(reader)
            return {"ts": str(found.ts) if found is not None and is_there else None}

    # -- what comes -----------------------------------------------------------------------------

    async def follow(self, _: Asked) -> AsyncGenerator[dict[str, Any]]:
        """Every commit from now on, as long as somebody listens."""
        with open_tail(self._store, self._reactor, None, _OfAll()) as tail:
            yield {"begun": str(tail.position)}
            async for entry in tail:
                yield await asyncio.to_thread(self._batch, tail, entry)
                # Who writes thousands of commits a second needs the time more than who looks on.
                await asyncio.sleep(_PAUSE_SECONDS)

    def _batch(self, tail: LogTail, first: LogEntry) -> dict[str, Any]:
        entries = [first]
        while len(entries) < _BATCH and (entry := tail.take()) is not None:
            entries.append(entry)
        is_cut = len(entries) == _BATCH
        if is_cut:
            tail.skip()
        return {
            "entries": [entry_facts(one, self._touched.of(one.ts)) for one in entries],
            "isCut": is_cut,
        }


def _ts_of(entry: LogEntry | int) -> int:
    return entry if isinstance(entry, int) else entry.ts


def _first(
    entries: Iterable[LogEntry | int], search: str, limit: int
) -> tuple[list[LogEntry], int]:
    """The first entries that match, and how far one had to look."""
    found: list[LogEntry] = []
    position = 0
    for entry in entries:
        position = _ts_of(entry)
        if not isinstance(entry, int) and _matches(entry, search):
            found.append(entry)
        if len(found) == limit:
            break
    return found, position


def _wanted(asked: Asked) -> Wanted:
    names = asked.texts("table")
    return Wanted(names) if names else _OfAll()


def _matches(entry: LogEntry, search: str) -> bool:
    if not search:
        return True
    origin = entry.origin
    texts = [origin.function, origin.request_id, origin.identity or "", str(entry.ts)]
    texts += [change.id for change in entry.changes] if len(search) >= _ID_FROM else []
    return any(search in text.casefold() for text in texts)
