"""The log as a list, and where its tails begin."""

from contextlib import closing
from itertools import islice
from typing import Final

from headwater.errors import UsageError
from headwater.reactive.log_tail import LogTail
from headwater.reactive.reactor import Reactor
from headwater.tables.horizon import check_horizon
from headwater.tables.log_entries import EarlierVersions, LogEntry, Wanted, entries_after
from headwater.transactions.store import Store

_COMMITS_AT_ONCE: Final = 5_000
"""Commits read on one snapshot, so that none is held for long."""


def read_log(store: Store, after: int, limit: int | None, wanted: Wanted) -> list[LogEntry]:
    """The entries of commits later than ``after`` up to the head of now, oldest first.

    Raises:
        LogTrimmedError: Commits after ``after`` are not in the log any more.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise UsageError(f"limit={limit!r}: expected a whole number, 0 or more")
    found: list[LogEntry] = []
    versions = EarlierVersions()
    last: int | None = None
    while limit is None or len(found) < limit:
        with closing(store.snapshot()) as snapshot:
            check_horizon(snapshot.reader, after)
            last = snapshot.ts if last is None else last
            entries = entries_after(snapshot.reader, snapshot.catalog, after, wanted, versions)
            for entry in islice(entries, _COMMITS_AT_ONCE):
                after = entry if isinstance(entry, int) else entry.ts
                if after > last or len(found) == limit:
                    return found
                if not isinstance(entry, int):
                    found.append(entry)
        if after >= last:
            break
    return found


def open_tail(store: Store, reactor: Reactor, after: int | None, wanted: Wanted) -> LogTail:
    """A tail that begins after a moment; with None, at the newest commit.

    Raises:
        LogTrimmedError: Commits after ``after`` are not in the log any more.
    """
    with closing(store.snapshot()) as snapshot:
        begin = snapshot.ts if after is None else after
        check_horizon(snapshot.reader, begin)
    return LogTail(store, reactor, begin, wanted)
