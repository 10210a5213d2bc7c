"""What is measured. Nothing here knows an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from random import Random
from typing import Final, Literal, TypeAlias

from bench.adapters.contract import Engine, Key
from bench.documents import Fields, channel_name, channels_of, make_documents
from bench.measure import Work


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
        quick_commits: Commits that are not flushed.
        opens: Times that the database is opened.
        updates: Live updates that are waited for.
        subscriptions: Live queries that are open where there are many.
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
    quick_commits: int = 2000
    opens: int = 10
    updates: int = 200
    subscriptions: int = 1000

    def scaled(self, factor: float) -> "Sizes":
        """Everything times a factor, at least 1."""
        changed = {
            field.name: max(1, round(getattr(self, field.name) * factor)) for field in fields(self)
        }
        return replace(self, **changed)


FULL: Final = Sizes()
QUICK: Final = Sizes(
    documents=5000,
    reads=1000,
    short_scans=100,
    long_scans=5,
    bulk=4000,
    bulk_batch=2000,
    commits=50,
    thread_commits=12,
    task_commits=6,
    quick_commits=300,
    opens=4,
    updates=50,
    subscriptions=300,
)

SHORT: Final = 20
LONG: Final = 1000
THREADS: Final = 8
TASKS: Final = 64

Store: TypeAlias = Literal["read", "written", "durable", "fresh", "fresh-durable", "closed"]
"""Which database a turn needs: one that is only read, one that grows by each turn without being
flushed, or with; a new one, flushed or not; a closed one."""


class Session:
    """One engine with one database, for all turns of the workloads that share it.

    Attributes:
        engine: None while the database is closed.
        reopen: Opens it once more.
        keys: Of the documents that were there at first.
        sizes: How much a turn does.
    """

    def __init__(
        self,
        engine: Engine | None,
        reopen: Callable[[], Engine],
        keys: Sequence[Key],
        sizes: Sizes,
    ) -> None:
        self._engine = engine
        self.reopen = reopen
        self.keys = keys
        self.sizes = sizes
        self._number = sizes.documents

    @property
    def is_open(self) -> bool:
        """Whether there is an engine to be ended."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The open engine."""
        assert self._engine is not None, "this workload opens the database itself"
        return self._engine

    def documents(self, count: int) -> list[Fields]:
        """Documents that were not inserted yet."""
        self._number += count
        return make_documents(self._number - count, count, self.sizes.documents)

    def shares(self, workers: int, count: int) -> list[list[Fields]]:
        """Documents for several workers."""
        return [self.documents(count) for _ in range(workers)]

    def some_keys(self, random: Random, count: int) -> list[Key]:
        """Keys drawn at random, each at most once as long as there are enough."""
        if count > len(self.keys):
            return random.choices(self.keys, k=count)
        return random.sample(self.keys, count)

    def some_channels(self, random: Random, count: int) -> list[str]:
        """Names of channels drawn at random."""
        channels = channels_of(self.sizes.documents)
        return [channel_name(random.randrange(channels)) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of work, the same for every engine.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        unit: What is counted per second.
        store: The database that it needs.
        prepare: Makes the work of one turn.
        aim: What Headwater is to reach, as a ratio to the baseline; None if nothing was promised.
        with_committer: Whether the SQLite with a committer thread is worth a row of its own.
    """

    name: str
    title: str
    unit: str
    store: Store
    prepare: Callable[[Session, Random], Work]
    aim: float | None = None
    with_committer: bool = False


# -- reading ------------------------------------------------------------------------------------


def _each(verb: Callable[[Key], object], keys: Sequence[Key]) -> int:
    for key in keys:
        verb(key)
    return len(keys)


def _get(session: Session, random: Random) -> Work:
    keys = session.some_keys(random, session.sizes.reads)
    return partial(_each, session.engine.get, keys)


def _ask(session: Session, random: Random) -> Work:
    keys = session.some_keys(random, session.sizes.reads)
    return partial(_each, session.engine.ask, keys)


def _get_in_one(session: Session, random: Random) -> Work:
    keys = session.some_keys(random, session.sizes.reads)
    return lambda: sum(1 for _ in session.engine.get_each(keys))


def _scans(session: Session, random: Random, scans: int, count: int) -> Work:
    channels = session.some_channels(random, scans)
    latest = session.engine.latest
    return lambda: sum([len(latest(channel, count)) for channel in channels])


def _short_scans(session: Session, random: Random) -> Work:
    return _scans(session, random, session.sizes.short_scans, SHORT)


def _long_scans(session: Session, random: Random) -> Work:
    return _scans(session, random, session.sizes.long_scans, LONG)


def _repeated_scans(session: Session, random: Random) -> Work:
    (channel,) = session.some_channels(random, 1)
    latest = session.engine.latest_again
    for _ in range(3):
        latest(channel, LONG)
    return lambda: sum([len(latest(channel, LONG)) for _ in range(session.sizes.long_scans)])


def _full_scan(session: Session, _: Random) -> Work:
    return lambda: sum(1 for _ in session.engine.scan())


# -- writing ------------------------------------------------------------------------------------


def _bulk(session: Session, _: Random) -> Work:
    documents = session.documents(session.sizes.bulk)
    size = session.sizes.bulk_batch
    batches = [documents[at : at + size] for at in range(0, len(documents), size)]
    return lambda: sum([len(session.engine.insert_many(batch)) for batch in batches])


def _commits(session: Session, _: Random) -> Work:
    documents = session.documents(session.sizes.commits)
    return partial(_each, session.engine.insert, documents)


def _quick_commits(session: Session, _: Random) -> Work:
    documents = session.documents(session.sizes.quick_commits)
    return partial(_each, session.engine.insert, documents)


def _by_threads(session: Session, _: Random) -> Work:
    count = session.sizes.thread_commits
    shares = session.shares(THREADS, count)

    def work() -> int:
        session.engine.insert_by_threads(shares)
        return THREADS * count

    return work


def _by_tasks(session: Session, _: Random) -> Work:
    count = session.sizes.task_commits
    shares = session.shares(TASKS, count)

    def work() -> int:
        session.engine.insert_by_tasks(shares)
        return TASKS * count

    return work


def _patches(session: Session, random: Random, count: int) -> Work:
    keys = session.some_keys(random, count)
    changes = [{"score": random.randrange(1000), "rating": random.random()} for _ in keys]
    patch = session.engine.patch

    def work() -> int:
        for key, change in zip(keys, changes, strict=True):
            patch(key, change)
        return len(keys)

    return work


def _quick_patches(session: Session, random: Random) -> Work:
    return _patches(session, random, session.sizes.quick_commits)


def _durable_patches(session: Session, random: Random) -> Work:
    return _patches(session, random, session.sizes.commits)


# -- opening ------------------------------------------------------------------------------------


def _opens(session: Session, random: Random) -> Work:
    keys = session.some_keys(random, session.sizes.opens)

    def work() -> int:
        for key in keys:
            engine = session.reopen()
            engine.get(key)
            engine.end()
        return len(keys)

    return work


_WORKLOADS: Final = (
    Workload("get", "point read of the newest version", "reads", "read", _get, aim=1.5),
    Workload("query-get", "point read by a declared query", "reads", "read", _ask, aim=1.5),
    Workload("get-in-one", "point reads in one snapshot", "reads", "read", _get_in_one),
    Workload(
        "scan-20", "newest 20 of a channel by index", "documents", "read", _short_scans, aim=1.2
    ),
    Workload("scan-1000", "newest 1000 of a channel by index", "documents", "read", _long_scans),
    Workload("scan-1000-again", "the same 1000 asked again", "documents", "read", _repeated_scans),
    Workload("full-scan", "every document", "documents", "read", _full_scan),
    Workload("bulk", "bulk insert, not flushed", "documents", "fresh", _bulk, aim=1.2),
    Workload("bulk-durable", "bulk insert, a flush per batch", "documents", "fresh-durable", _bulk),
    Workload("insert", "insert, not flushed", "commits", "written", _quick_commits),
    Workload("patch", "patch two fields, not flushed", "commits", "written", _quick_patches),
    Workload(
        "durable-1",
        "durable insert, 1 thread",
        "commits",
        "durable",
        _commits,
        aim=0.5,
        with_committer=True,
    ),
    Workload("durable-patch", "durable patch, 1 thread", "commits", "durable", _durable_patches),
    Workload(
        "durable-8",
        f"durable insert, {THREADS} threads",
        "commits",
        "durable",
        _by_threads,
        aim=2.0,
        with_committer=True,
    ),
    Workload(
        "durable-64",
        f"durable insert, {TASKS} asyncio tasks (peers: threads)",
        "commits",
        "durable",
        _by_tasks,
        aim=5.0,
        with_committer=True,
    ),
    Workload("open", "open, read one document, close", "openings", "closed", _opens),
)

WORKLOADS: Final = {workload.name: workload for workload in _WORKLOADS}
