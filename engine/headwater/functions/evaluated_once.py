"""Runs of one query for several live queries, which need no more than one."""

import threading
from collections.abc import Hashable
from typing import Final

from headwater.reactive.evaluation import Evaluate, Evaluation
from headwater.tables.snapshot import Snapshot

_KNOWN_MAX: Final = 256
"""Results that are held for others. What is not there any more is found by a run."""


class EvaluatedOnce:
    """What queries gave on the newest snapshot, for those that did not ask who calls.

    Live queries of different identities are different queries, because a run may ask who calls that
    did not ask before. As long as it does not, one run per snapshot serves all of them. So are
    pages of different subscribers, of which those that end at the same place share one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ts = -1
        self._known: dict[Hashable, Evaluation] = {}

    def evaluate(
        self, key: Hashable, evaluate: Evaluate, snapshot: Snapshot, journal: str | None
    ) -> Evaluation:
        """Run a query, unless it was run on the snapshot and gave the same for everybody.

        Args:
            key: What makes the query distinct, whoever calls.
            evaluate: Runs it.
            snapshot: The snapshot.
            journal: Of its run before.
        """
        with self._lock:
            known = self._known.get((key, journal)) if self._ts == snapshot.ts else None
        if known is not None:
            return known
        evaluation = evaluate(snapshot, journal)
        if not (evaluation.observed_identity or evaluation.observed_time):
            with self._lock:
                if snapshot.ts > self._ts:
                    self._ts = snapshot.ts
                    self._known.clear()
                if snapshot.ts == self._ts:
                    self._known[key, journal] = evaluation
                    if len(self._known) > _KNOWN_MAX:
                        del self._known[next(iter(self._known))]
        return evaluation
