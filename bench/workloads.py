"""What is measured, by name. Nothing here knows an engine."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

from bench import sizes
from bench.adapters.contract import Key
from bench.contended import CONTENDED_WORKLOADS
from bench.measure import Work
from bench.mixes import MIXED_WORKLOADS
from bench.sessions import Session, Workload
from bench.sizes import LONG, SHORT
from bench.writers import by_tasks, by_threads

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
    return by_threads(
        session, "insert", _inserts(session, sizes.THREADS, session.sizes.thread_commits)
    )


def _by_tasks(session: Session, _: Random) -> Work:
    return by_tasks(session, "insert", _inserts(session, sizes.TASKS, session.sizes.task_commits))


def _inserts(session: Session, writers: int, count: int) -> list[list[tuple[object, ...]]]:
    return [[(fields,) for fields in session.documents(count)] for _ in range(writers)]


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
    Workload("get", "point read of the newest version", "reads", "read", _get),
    Workload("query-get", "point read by a declared query", "reads", "read", _ask),
    Workload("get-in-one", "point reads in one snapshot", "reads", "read", _get_in_one),
    Workload("scan-20", "newest 20 of a channel by index", "documents", "read", _short_scans),
    Workload("scan-1000", "newest 1000 of a channel by index", "documents", "read", _long_scans),
    Workload("scan-1000-again", "the same 1000 asked again", "documents", "read", _repeated_scans),
    Workload("full-scan", "every document", "documents", "read", _full_scan),
    Workload("bulk", "bulk insert, not flushed", "documents", "fresh", _bulk),
    Workload("bulk-durable", "bulk insert, a flush per batch", "documents", "fresh-durable", _bulk),
    Workload("insert", "insert, not flushed", "commits", "written", _quick_commits),
    Workload("patch", "patch two fields, not flushed", "commits", "written", _quick_patches),
    Workload("durable-1", "durable insert, 1 thread", "commits", "durable", _commits),
    Workload("durable-patch", "durable patch, 1 thread", "commits", "durable", _durable_patches),
    Workload(
        "durable-8", f"durable insert, {sizes.THREADS} threads", "commits", "durable", _by_threads
    ),
    Workload(
        "durable-64",
        f"durable insert, {sizes.TASKS} asyncio tasks (peers: threads)",
        "commits",
        "durable",
        _by_tasks,
    ),
    Workload("open", "open, read one document, close", "openings", "closed", _opens),
)

WORKLOADS: Final = {
    workload.name: workload for workload in (*_WORKLOADS, *CONTENDED_WORKLOADS, *MIXED_WORKLOADS)
}
