"""Very many writers, and writers that want the same few documents.

A failure is a write that was given up.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from bench import sizes
from bench.adapters.contract import Key
from bench.measure import Work
from bench.sessions import Session, Workload
from bench.sizes import HOT
from bench.writers import by_tasks, by_threads


def _hot(session: Session, random: Random, writers: int, count: int) -> list[list[Key]]:
    """For each writer which of the few documents it wants, in order."""
    few = session.keys[:HOT]
    return [random.choices(few, k=count) for _ in range(writers)]


def _bumps(session: Session, random: Random, writers: int, count: int) -> list[list[Any]]:
    return [[(key,) for key in keys] for keys in _hot(session, random, writers, count)]


def _counters_by_threads(session: Session, random: Random) -> Work:
    shares = _bumps(session, random, sizes.THREADS, session.sizes.thread_commits)
    return by_threads(session, "bump", shares)


def _counters_by_tasks(session: Session, random: Random) -> Work:
    return by_tasks(
        session, "bump", _bumps(session, random, sizes.TASKS, session.sizes.task_commits)
    )


def _replies(session: Session, random: Random) -> Work:
    count = session.sizes.crowd_commits
    shares: list[list[tuple[Any, ...]]] = [
        list(zip(keys, session.documents(count), strict=True))
        for keys in _hot(session, random, sizes.CROWD, count)
    ]
    return by_tasks(session, "reply", shares)


def _workload(name: str, title: str, prepare: Callable[[Session, Random], Work]) -> Workload:
    return Workload(name, title, "commits", "durable", prepare)


def _crowd(session: Session, _: Random) -> Work:
    """What the same number of writers do that want nothing of each other."""
    count = session.sizes.crowd_commits
    shares = [[(fields,) for fields in session.documents(count)] for _ in range(sizes.CROWD)]
    return by_tasks(session, "insert", shares)


CONTENDED_WORKLOADS: Final = (
    _workload(
        "durable-256",
        f"durable insert, {sizes.CROWD} asyncio tasks (peers: threads)",
        _crowd,
    ),
    _workload(
        "counters-8",
        f"add 1 to one of the same {HOT} documents, durable, {sizes.THREADS} threads",
        _counters_by_threads,
    ),
    _workload(
        "counters-64",
        f"the same, {sizes.TASKS} asyncio tasks (peers: threads)",
        _counters_by_tasks,
    ),
    _workload(
        "replies-256",
        "read one, scan five, insert, add 1 to the one, durable, "
        f"{sizes.CROWD} asyncio tasks (peers: threads)",
        _replies,
    ),
)
