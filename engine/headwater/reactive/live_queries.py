"""All live queries of a database, their newest results, and who wants them.

Each distinct query is held once, however many subscribe to it. A commit marks the queries whose
keys it touched; a round runs all marked ones on one snapshot and hands every subscriber whose
results changed one transition. Between rounds a query that is not marked is known to give what
it gave.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

from headwater.reactive.dependents import Dependents
from headwater.reactive.evaluation import Evaluate, Evaluation
from headwater.reactive.subscription import Subscription, Transition
from headwater.tables.snapshot import Snapshot
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.store import Store

Wanted: TypeAlias = tuple[Hashable, Evaluate]
"""A query by what makes it distinct, and how to run it."""


class LiveQuery:
    """One distinct query with its newest outcome.

    Attributes:
        touched_ts: The newest commit that touched what it read.
        subscriptions: Who wants to know.
    """

    __slots__ = ("evaluate", "evaluation", "key", "subscriptions", "touched_ts")

    def __init__(self, key: Hashable, evaluate: Evaluate, evaluation: Evaluation) -> None:
        self.key: Hashable = key
        self.evaluate: Evaluate = evaluate
        self.evaluation: Evaluation = evaluation
        self.touched_ts: int = 0
        self.subscriptions: set[Subscription] = set()


class LiveQueries:
    """The registry. Safe for any thread."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._lock = threading.RLock()
        self._by_key: dict[Hashable, LiveQuery] = {}
        self._by_subscription: dict[Subscription, tuple[LiveQuery, ...]] = {}
        self._dirty: set[LiveQuery] = set()
        # Entered since the last round began: what they see is not all of that round's moment.
        self._entered: set[Subscription] = set()
        self._abandoned: deque[Subscription] = deque()
        self._dependents: Dependents[LiveQuery] = Dependents(
            store.recent, self._touch, self._by_key.values
        )

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def subscription_count(self) -> int:
        """How many subscriptions there are."""
        return len(self._by_subscription)

    # -- subscribing ----------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription, wanted: Sequence[Wanted]) -> None:
        """Deliver the current results, all of one snapshot, and every change from then on."""
        snapshot = self._store.snapshot()
        try:
            with self._lock:
                if self._share(subscription, wanted, snapshot):
                    return
            evaluations = [evaluate(snapshot, None) for _, evaluate in wanted]
            with self._lock:
                self._register(subscription, wanted, evaluations, snapshot)
        finally:
            snapshot.close()

    def _share(
        self, subscription: Subscription, wanted: Sequence[Wanted], snapshot: Snapshot
    ) -> bool:
        """Subscribe without a run, if every query is held and known to be good."""
        known = [self._by_key.get(key) for key, _ in wanted]
        queries = tuple(query for query in known if query is not None)
        if len(queries) != len(wanted) or any(q.evaluation.observed_time for q in queries):
            return False
        self._dependents.advance(snapshot)
        if self._dependents.ts != snapshot.ts or not self._dirty.isdisjoint(queries):
            return False
        self._attach(subscription, queries)
        subscription.deliver(_transition(snapshot.ts, queries))
        return True

    def _register(
        self,
        subscription: Subscription,
        wanted: Sequence[Wanted],
        evaluations: Sequence[Evaluation],
        snapshot: Snapshot,
    ) -> None:
        if not self._by_key:
            self._dependents.advance(snapshot)
        queries = tuple(
            # A query that looked at the time is nobody else's: they came at another time.
            self._add(
                (key, subscription) if evaluation.observed_time else key,
                evaluate,
                evaluation,
                snapshot,
            )
            for (key, evaluate), evaluation in zip(wanted, evaluations, strict=True)
        )
        self._attach(subscription, queries)
        self._entered.add(subscription)
        subscription.deliver(Transition(snapshot.ts, tuple(evaluations)))
        if not self._dirty.isdisjoint(queries):
            self._wake()

    def _add(
        self, key: Hashable, evaluate: Evaluate, evaluation: Evaluation, snapshot: Snapshot
    ) -> LiveQuery:
        query = self._by_key.get(key)
        if query is None:
            query = self._by_key[key] = LiveQuery(key, evaluate, evaluation)
            self._dependents.add(query, evaluation.intervals)
            if self._dependents.were_touched(evaluation.intervals, snapshot.ts):
                # By commits that were looked at before this query was there to be found.
                self._touch(query, self._dependents.ts)
        elif not query.evaluation.gives_the_same_as(evaluation):
            self._touch(query, max(snapshot.ts, self._dependents.ts))
        return query

    def _attach(self, subscription: Subscription, queries: tuple[LiveQuery, ...]) -> None:
        self._by_subscription[subscription] = queries
        for query in queries:
            query.subscriptions.add(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing more; a query that nobody wants is forgotten."""
        with self._lock:
            self._entered.discard(subscription)
            for query in self._by_subscription.pop(subscription, ()):
                query.subscriptions.discard(subscription)
                if not query.subscriptions and query.key in self._by_key:
                    del self._by_key[query.key]
                    self._dirty.discard(query)
                    self._dependents.remove(query, query.evaluation.intervals)

    def abandon(self, subscription: Subscription) -> None:
        """Unsubscribe soon. For finalizers, which run while any lock may be held."""
        self._abandoned.append(subscription)
        self._wake()

    def close(self) -> None:
        """End every subscription."""
        with self._lock:
            for subscription in list(self._by_subscription):
                subscription.close()

    def after_fork_in_child(self) -> None:
        """End every subscription without the lock, which a lost thread may have held."""
        self._lock = threading.RLock()
        for subscription in list(self._by_subscription):
            subscription.after_fork_in_child()

    # -- commits --------------------------------------------------------------------------------

    def committed(self, commits: list[CommitKeys]) -> None:
        """Mark what commits of this process touched; called by the committer after each batch."""
        with self._lock:
            self._dependents.advance_by(commits)
            is_behind = self._dependents.ts < commits[-1].ts
            if self._dirty or is_behind:
                self._wake()

    def _touch(self, query: LiveQuery, ts: int) -> None:
        query.touched_ts = max(query.touched_ts, ts)
        self._dirty.add(query)

    def run_round(self) -> bool:
        """Run all marked queries on one snapshot and deliver what changed.

        Returns:
            Whether another round is due.
        """
        while self._abandoned:
            self.unsubscribe(self._abandoned.popleft())
        with self._lock:
            self._entered.clear()
        snapshot = self._store.snapshot()
        try:
            with self._lock:
                self._dependents.advance(snapshot)
                dirty = list(self._dirty)
            outcomes = [
                (query, query.evaluate(snapshot, query.evaluation.journal)) for query in dirty
            ]
            with self._lock:
                for query, evaluation in outcomes:
                    self._update(query, evaluation, snapshot.ts)
                self._deliver(dirty, snapshot.ts)
                return bool(self._dirty)
        finally:
            snapshot.close()

    def _update(self, query: LiveQuery, evaluation: Evaluation, ts: int) -> None:
        if not query.subscriptions:
            return
        if query.touched_ts <= ts:
            self._dirty.discard(query)
        before = query.evaluation.intervals
        query.evaluation = evaluation
        if evaluation.intervals != before:
            new = evaluation.intervals - before
            self._dependents.remove(query, before - evaluation.intervals)
            self._dependents.add(query, new)
            if self._dependents.were_touched(new, ts):
                self._touch(query, self._dependents.ts)

    def _deliver(self, queries: list[LiveQuery], ts: int) -> None:
        subscriptions = {wanting for query in queries for wanting in query.subscriptions}
        for subscription in subscriptions:
            if ts <= subscription.ts:
                continue
            if subscription in self._entered:
                # Its other queries were run on another snapshot: all of them run in the next round.
                for query in self._by_subscription[subscription]:
                    self._touch(query, ts)
            else:
                transition = _transition(ts, self._by_subscription[subscription])
                if not transition.gives_the_same_as(subscription.newest):
                    subscription.deliver(transition)

    def check(self) -> None:
        """Check the invariants of all structures. O(n)."""
        with self._lock:
            self._dependents.check()
            assert self._dirty <= set(self._by_key.values())
            for subscription, queries in self._by_subscription.items():
                assert all(subscription in query.subscriptions for query in queries)


def _transition(ts: int, queries: Sequence[LiveQuery]) -> Transition:
    return Transition(ts, tuple(query.evaluation for query in queries))
