"""How much of everything one turn does."""

from dataclasses import dataclass, fields, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything one turn does.

    Attributes:
        documents: In the database that is read.
        reads: Point reads.
        short_scans: Scans of `SHORT` documents.
        long_scans: Scans of `LONG` documents.
        bulk: Documents of a bulk insert.
        bulk_batch: Documents in one of its transactions.
        commits: Durable commits of one thread.
        thread_commits: Durable commits of each of `THREADS` threads.
        task_commits: Durable commits of each of `TASKS` tasks.
        crowd_commits: Durable commits of each of `CROWD` tasks.
        quick_commits: Commits that are not flushed.
        shared: Documents in a database that several processes or threads share.
        beside: Operations beside a thread that computes.
        processes: That write at once, at most; no amount of work, so it is not scaled.
        mixed: Operations of a mixed workload.
        opens: Times that the database is opened.
        updates: Live updates that are waited for.
        updates_of_all: Commits that change the result of every live query.
        subscriptions: Live queries that are open where there are many.
        dependents: Subscriptions among which the affected are found.
        changes: Commits since the oldest moment that is asked for.
    """

    documents: int = 100_000
    reads: int = 5000
    short_scans: int = 500
    long_scans: int = 20
    bulk: int = 20_000
    bulk_batch: int = 2000
    commits: int = 200
    thread_commits: int = 50
    task_commits: int = 25
    crowd_commits: int = 8
    quick_commits: int = 2000
    shared: int = 10_000
    beside: int = 200
    processes: int = 4
    mixed: int = 2000
    opens: int = 10
    updates: int = 200
    updates_of_all: int = 5
    subscriptions: int = 1000
    dependents: int = 1_000_000
    changes: int = 10_000

    def scaled(self, factor: float) -> "Sizes":
        """All amounts of work times a factor, at least 1."""
        changed = {
            field.name: max(1, round(getattr(self, field.name) * factor))
            for field in fields(self)
            if field.name != "processes"
        }
        return replace(self, **changed)


FULL: Final = Sizes()
QUICK: Final = Sizes(
    documents=5000,
    reads=500,
    short_scans=50,
    long_scans=5,
    bulk=2000,
    bulk_batch=2000,
    commits=50,
    thread_commits=8,
    task_commits=2,
    crowd_commits=1,
    quick_commits=200,
    shared=500,
    beside=10,
    processes=2,
    mixed=120,
    opens=4,
    updates=50,
    updates_of_all=2,
    subscriptions=200,
    dependents=10_000,
    changes=500,
)

SHORT: Final = 20
LONG: Final = 1000
THREADS: Final = 8
TASKS: Final = 64
CROWD: Final = 256
HOT: Final = 4
"""Documents that all writers of a contended workload want."""
