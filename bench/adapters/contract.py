"""What a workload asks of an engine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar, Final, Literal, TypeAlias

from bench.documents import Fields

REPLIES: Final = 5

Key: TypeAlias = Any
"""What an engine calls its documents by: a string, a number."""

Verb: TypeAlias = Literal["insert", "bump", "reply"]
"""What several writers do at once; names of the methods of an engine."""

CROWDS: Final = frozenset({"durable-64", "durable-256", "counters-64", "replies-256"})
"""Workloads in which so many writers wait that one without a committer takes seconds for a turn."""

MANY_WRITERS: Final = CROWDS | {"durable-8", "counters-8"}
"""Workloads in which many writers wait for one lock: for a peer that has nothing else to show in
them than another one, minutes."""

PROCESSES: Final = frozenset({"processes-insert", "processes-durable", "processes-get"})
BESIDE: Final = frozenset({"beside-get", "beside-scan-20", "beside-insert", "beside-durable"})

SELDOM: Final = MANY_WRITERS | PROCESSES | BESIDE
"""Workloads in which a peer that differs from another one by its schema or its JSON alone has
nothing to show."""

Shares: TypeAlias = Sequence[Sequence[tuple[Any, ...]]]
"""For each writer the arguments of its calls."""


class NotOffered(Exception):  # noqa: N818 - it is an answer, not a fault
    """The engine has no such verb, and is not asked to do what needs it."""


class Engine(ABC):
    """One database, open in a directory of its own. A directory that holds one is opened again.

    Documents come back as dicts with the fields that were given, and ``_id``. Every engine keeps
    two secondary indexes, on ``channel`` and on ``author``. A verb is one transaction.

    Attributes:
        name: On the command line and in results.
        title: What it stands for, in one line.
        failures: What a write raises that lost against another one and may be tried again.
        documents_max: What it holds at most where others hold more; None for as many as they.
        effort: Which share of a turn it does, for one that would take minutes for all of it.
        waits: Whether its writers wait for one lock; a quick run is without it in `CROWDS`.
        is_durable: Whether a write survives a power loss once it has returned.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    failures: ClassVar[tuple[type[Exception], ...]] = ()
    documents_max: ClassVar[int | None] = None
    effort: ClassVar[float] = 1.0
    waits: ClassVar[bool] = False

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        self.directory = directory
        self.is_durable = is_durable
        self._pools: dict[int, ThreadPoolExecutor] = {}

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        """Whether it has a row in the workload of that name."""
        del workload
        return True

    @abstractmethod
    def insert(self, fields: Fields) -> Key:
        """Add one document."""

    @abstractmethod
    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        """Add documents in one transaction."""

    @abstractmethod
    def patch(self, key: Key, changes: Fields) -> None:
        """Set some fields of a document."""

    @abstractmethod
    def bump(self, key: Key) -> Fields:
        """Add 1 to the ``score`` of a document that exists; returns the document as it is then.

        No such addition may be lost, however many threads do it. One of `failures` says that
        it was given up and changed nothing.
        """

    @abstractmethod
    def reply(self, key: Key, fields: Fields) -> Key:
        """Read a document and the newest `REPLIES` of its channel, insert one, `bump` the first.

        All in one transaction.
        """

    def patch_many(self, changes: Sequence[tuple[Key, Fields]]) -> None:
        """Patch documents, in one transaction where the engine has a short way for that."""
        for key, fields in changes:
            self.patch(key, fields)

    @abstractmethod
    def get(self, key: Key) -> Fields | None:
        """One document, by the shortest way."""

    def ask(self, key: Key) -> Fields | None:
        """One document, through a declared query where the engine has such a thing."""
        return self.get(key)

    @abstractmethod
    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        """Documents one by one, all of one snapshot."""

    @abstractmethod
    def latest(self, channel: str, count: int) -> list[Fields]:
        """The newest documents of a channel, newest first. Nothing is cached."""

    def latest_again(self, channel: str, count: int) -> list[Fields]:
        """The same, for an engine that may remember what it was asked before."""
        return self.latest(channel, count)

    @abstractmethod
    def by_author(self, author: str) -> list[Fields]:
        """All documents of an author, oldest first."""

    @abstractmethod
    def scan(self) -> Iterator[Fields]:
        """Every document, oldest first, decoded one by one."""

    @abstractmethod
    def close(self) -> None:
        """Close the files. Called once; `end` calls it."""

    def write_by_threads(self, verb: Verb, shares: Shares) -> int:
        """Do each share on a thread of its own, one transaction per call.

        Returns:
            How many calls failed with one of `failures`.
        """
        workers = len(shares)
        pool = self._pools.get(workers)
        if pool is None:
            pool = self._pools[workers] = ThreadPoolExecutor(workers)
        # A thread can take no second share while the others have not begun.
        together = Barrier(workers)
        call: Callable[..., object] = getattr(self, verb)

        def work(share: Sequence[tuple[Any, ...]]) -> int:
            together.wait()
            failed = 0
            for arguments in share:
                try:
                    call(*arguments)
                except self.failures:
                    failed += 1
            return failed

        return sum(pool.map(work, shares))

    def write_by_tasks(self, verb: Verb, shares: Shares) -> int:
        """Do each share by an asyncio task; an engine without asyncio uses threads."""
        return self.write_by_threads(verb, shares)

    def stored_bytes(self) -> int:
        """What the files take on the disk; asked when the database is closed."""
        return sum(
            found.stat().st_blocks * 512 for found in self.directory.rglob("*") if found.is_file()
        )

    def end(self) -> None:
        """Close, and end the threads."""
        for pool in self._pools.values():
            pool.shutdown()
        self.close()


MakeEngine: TypeAlias = Callable[[Path, bool], Engine]
