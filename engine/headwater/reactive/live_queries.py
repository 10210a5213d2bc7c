"""All live queries of a database, their newest results, and who wants them.

Each distinct query is held once, however many subscribe to it. A commit marks the queries whose
keys it touched; a round runs all marked ones on one snapshot and hands every subscriber whose
results changed one transition. Between rounds a query that is not marked is known to give what
it gave.

Subscribers of two kinds: those whose queries are fixed get the first results where they subscribe;
those whose queries come and go get each change of their set with the next round.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from headwater.reactive.dependents import Dependents
from headwater.reactive.evaluation import Evaluate, Evaluation
from headwater.reactive.subscription import Subscription, Transition
from headwater.tables.snapshot import Snapshot
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.store import Store

Wanted: TypeAlias = tuple[Hashable, Evaluate]
"""A query by what makes it distinct, and how to run it."""


class Asked(NamedTuple):
    """A query that is to become one of a set.

    Attributes:
        wanted: The query.
        journal: Where its page has ended for the subscriber before, if it knows.
    """

    wanted: Wanted
    journal: str | None = None


class LiveQuery:
    """One distinct query with its newest outcome."""

    __slots__ = ("_holder", "evaluate", "evaluation", "key")

    def __init__(self, key: Hashable, evaluate: Evaluate, evaluation: Evaluation) -> None:
        self.key: Hashable = key
        self.evaluate: Evaluate = evaluate
        self.evaluation: Evaluation = evaluation
        # Most have one subscription: it stands here itself, and a set only where there are more.
        self._holder: Subscription | set[Subscription] | None = None

    @property
    def subscriptions(self) -> Collection[Subscription]:
        """Who wants to know."""
        holder = self._holder
        if holder is None:
            return ()
        return holder if isinstance(holder, set) else (holder,)

    def add(self, subscription: Subscription) -> None:
        """One more wants to know."""
        holder = self._holder
        if holder is None:
            self._holder = subscription
        elif isinstance(holder, set):
            holder.add(subscription)
        elif holder is not subscription:
            self._holder = {holder, subscription}

    def discard(self, subscription: Subscription) -> None:
        """One does not want to know any more."""
        if isinstance(self._holder, set):
            self._holder.discard(subscription)
        elif self._holder is subscription:
            self._holder = None


class _Wants:
    """What one subscriber wants. Two tuples take less memory than a dict, and sets change seldom.

    Attributes:
        queries: The queries.
        numbers: What it calls each of them.
        version: What it calls the set.
        entered: The round that was the last to begin before it subscribed with runs of its own,
            else -1: what it sees is not all of the moment of that round.
    """

    __slots__ = ("entered", "numbers", "queries", "version")

    def __init__(self, queries: tuple[LiveQuery, ...] = ()) -> None:
        self.queries: tuple[LiveQuery, ...] = queries
        self.numbers: tuple[int, ...] = _first_numbers(len(queries))
        self.version: int = 0
        self.entered: int = -1

    def replace(self, queries: dict[int, LiveQuery]) -> None:
        self.queries, self.numbers = tuple(queries.values()), tuple(queries)

    def transition(self, ts: int) -> Transition:
        evaluations = tuple([query.evaluation for query in self.queries])
        return Transition(ts, evaluations, self.numbers, self.version)


@lru_cache(maxsize=64)
def _first_numbers(count: int) -> tuple[int, ...]:
    """One tuple for all who watch so many queries."""
    return tuple(range(count))


class LiveQueries:
    """The registry. Safe for any thread."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._lock = threading.RLock()
        self._by_key: dict[Hashable, LiveQuery] = {}
        self._by_subscription: dict[Subscription, _Wants] = {}
        # Which have to run again, and the newest commit that touched what each has read.
        self._dirty: dict[LiveQuery, int] = {}
        # Whose set has changed, and the round that was the last to begin before: they are told in
        # the next one, whatever has changed of it.
        self._due: dict[Subscription, int] = {}
        self._round = 0
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
        if len(queries) != len(wanted) or any(_is_its_own(q.evaluation) for q in queries):
            return False
        self._dependents.advance(snapshot)
        if self._dependents.ts != snapshot.ts or not self._dirty.keys().isdisjoint(queries):
            return False
        subscription.deliver(self._attach(subscription, queries).transition(snapshot.ts))
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
            self._add(
                (key, subscription) if _is_its_own(evaluation) else key,
                evaluate,
                evaluation,
                snapshot,
            )
            for (key, evaluate), evaluation in zip(wanted, evaluations, strict=True)
        )
        wants = self._attach(subscription, queries)
        wants.entered = self._round
        subscription.deliver(Transition(snapshot.ts, tuple(evaluations), wants.numbers))
        if not self._dirty.keys().isdisjoint(queries):
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

    def _attach(self, subscription: Subscription, queries: tuple[LiveQuery, ...]) -> _Wants:
        wants = self._by_subscription[subscription] = _Wants(queries)
        for query in queries:
            query.add(subscription)
        return wants

    def change(
        self,
        subscription: Subscription,
        added: Mapping[int, Asked],
        removed: Collection[int] = (),
        *,
        version: int,
    ) -> None:
        """Change the set of queries of a subscriber, which is told of it in the next round.

        The transition that comes then is of one snapshot that was taken after this call, and comes
        even if nothing was added and no result has changed.

        Args:
            subscription: The subscriber; its set is empty before its first change.
            added: By the number that it calls them.
            removed: Numbers; one that is added too is replaced.
            version: What it calls the new set.
        """
        with self._lock:
            wants = self._by_subscription.setdefault(subscription, _Wants())
            queries = dict(zip(wants.numbers, wants.queries, strict=True))
            before = [queries.pop(number) for number in removed]
            for number, asked in added.items():
                query = self._hold(asked)
                query.add(subscription)
                queries[number] = query
            wants.replace(queries)
            for query in set(before).difference(wants.queries):
                self._release(subscription, query)
            wants.version = version
            self._due[subscription] = self._round
        self._wake()

    def _hold(self, asked: Asked) -> LiveQuery:
        key, evaluate = asked.wanted
        if asked.journal is not None:
            key = (key, asked.journal)  # its page keeps an end that others do not know
        known = self._by_key.get(key)
        if known is not None:
            if not known.evaluation.observed_time and known.evaluation.journal == asked.journal:
                return known
            # Who looks at the time has come at a time of their own, and a page that is begun now
            # ends elsewhere than one that others have kept while rows came and went.
            key = (key, object())
        nothing = Evaluation(None, None, (), asked.journal)
        query = self._by_key[key] = LiveQuery(key, evaluate, nothing)
        self._dirty[query] = 0
        return query

    def _release(self, subscription: Subscription, query: LiveQuery) -> None:
        query.discard(subscription)
        if not query.subscriptions and query.key in self._by_key:
            del self._by_key[query.key]
            self._dirty.pop(query, None)
            self._dependents.remove(query, query.evaluation.intervals)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing more; a query that nobody wants is forgotten."""
        with self._lock:
            self._due.pop(subscription, None)
            wants = self._by_subscription.pop(subscription, None)
            for query in set(wants.queries) if wants is not None else ():
                self._release(subscription, query)

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

    def touched_by(self, commit: CommitKeys) -> set[LiveQuery]:
        """The queries that read now what a commit changed. O(keys, and queries found)."""
        with self._lock:
            return self._dependents.of(commit)

    def _touch(self, query: LiveQuery, ts: int) -> None:
        self._dirty[query] = max(self._dirty.get(query, 0), ts)

    def run_round(self) -> bool:
        """Run all marked queries on one snapshot and deliver what changed.

        Returns:
            Whether another round is due.
        """
        while self._abandoned:
            self.unsubscribe(self._abandoned.popleft())
        with self._lock:
            self._round += 1
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
                self._deliver_due(snapshot.ts)
                return bool(self._dirty or self._due)
        finally:
            snapshot.close()

    def _update(self, query: LiveQuery, evaluation: Evaluation, ts: int) -> None:
        if not query.subscriptions:
            return
        if self._dirty[query] <= ts:
            del self._dirty[query]
        before, now = set(query.evaluation.intervals), set(evaluation.intervals)
        query.evaluation = evaluation
        if now != before:
            new = now - before
            self._dependents.remove(query, before - now)
            self._dependents.add(query, new)
            if self._dependents.were_touched(new, ts):
                self._touch(query, self._dependents.ts)

    def _deliver(self, queries: list[LiveQuery], ts: int) -> None:
        subscriptions = {wanting for query in queries for wanting in query.subscriptions}
        for subscription in subscriptions.difference(self._due):
            if ts <= subscription.ts:
                continue
            wants = self._by_subscription[subscription]
            if wants.entered == self._round:
                # Its other queries were run on another snapshot: all of them run in the next round.
                for query in wants.queries:
                    self._touch(query, ts)
            else:
                transition = wants.transition(ts)
                if not transition.gives_the_same_as(subscription.newest):
                    subscription.deliver(transition)

    def _deliver_due(self, ts: int) -> None:
        for subscription, changed in list(self._due.items()):
            # Else it changed its set after the snapshot, and what is new has not been run.
            if changed < self._round:
                del self._due[subscription]
                subscription.deliver(self._by_subscription[subscription].transition(ts))

    def check(self) -> None:
        """Check the invariants of all structures. O(n)."""
        with self._lock:
            self._dependents.check()
            assert self._dirty.keys() <= set(self._by_key.values())
            assert self._due.keys() <= self._by_subscription.keys()
            held = {query for wants in self._by_subscription.values() for query in wants.queries}
            assert held == set(self._by_key.values()), "each is held by who wants it"
            for subscription, wants in self._by_subscription.items():
                assert all(subscription in query.subscriptions for query in wants.queries)


def _is_its_own(evaluation: Evaluation) -> bool:
    """Whether who subscribes at another time has another query.

    They looked at the time, or their page ends elsewhere, as rows have come and gone.
    """
    return evaluation.observed_time or evaluation.journal is not None
