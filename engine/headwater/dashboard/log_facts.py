"""Commits, their origins and their changes, as the page is told them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from headwater.functions.calls import query_of
from headwater.functions.runner import Runner
from headwater.reactive.reactor import Reactor
from headwater.storage.commit_log import Origin
from headwater.tables.log_entries import Change, LogEntry
from headwater_indexes.values import MISSING

CHANGES_MAX: Final = 50
"""Changes of one commit that a list shows."""


def origin_facts(origin: Origin) -> dict[str, Any]:
    """Where a commit came from; without what it was called with."""
    return {
        "function": origin.function,
        "requestId": origin.request_id,
        "identity": origin.identity,
        "details": dict(origin.details),
    }


def pair_facts(changed: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Old and new value of each field that differs; one that was absent has no member."""
    return {
        name: {
            word: value
            for word, value in zip(("old", "new"), pair, strict=True)
            if value is not MISSING
        }
        for name, pair in changed.items()
    }


def entry_facts(entry: LogEntry, touched: list[dict[str, Any]] | None) -> dict[str, Any]:
    """A commit for a list: what it changed, without contents.

    Args:
        entry: The commit.
        touched: The live queries that it touched; None if that is not known any more.
    """
    counts = Counter((change.table, change.kind) for change in entry.changes)
    return {
        "ts": str(entry.ts),
        "origin": origin_facts(entry.origin),
        "count": len(entry.changes),
        "tables": [
            {"table": table, "kind": kind, "count": count}
            for (table, kind), count in counts.items()
        ],
        "changes": [
            {"table": one.table, "id": one.id, "kind": one.kind}
            for one in entry.changes[:CHANGES_MAX]
        ],
        "touched": touched,
    }


def change_facts(change: Change) -> dict[str, Any]:
    """A change with its contents."""
    return {
        "table": change.table,
        "id": change.id,
        "kind": change.kind,
        "changed": pair_facts(change.changed),
    }


class TouchedQueries:
    """Finds the live queries of this process that a commit touched.

    Args:
        runner: Names functions.
        reactor: Has the live queries.
    """

    def __init__(self, runner: Runner, reactor: Reactor) -> None:
        self._runner = runner
        self._reactor = reactor

    def of(self, ts: int) -> list[dict[str, Any]] | None:
        """Those that are open now and read what a commit changed, by function.

        None if the commit is so old that the keys that it changed are not in memory any more.
        """
        commits = self._runner.store.recent.between(ts - 1, ts)
        if not commits:
            return None
        queries: Counter[str] = Counter()
        watching: Counter[str] = Counter()
        for query in self._reactor.queries.touched_by(commits[0]):
            function = query_of(query.key)
            if function is None:
                continue
            path = self._runner.find(function).path
            queries[path] += 1
            watching[path] += len(query.subscriptions)
        return [
            {"function": path, "queries": count, "subscriptions": watching[path]}
            for path, count in queries.most_common()
        ]
