"""What a workload asks of an engine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar, TypeAlias

from bench.documents import Fields

Key: TypeAlias = Any
"""What an engine calls its documents by: a string, a number."""


class Engine(ABC):
    """One database, open in a directory of its own. A directory that holds one is opened again.

    Documents come back as dicts with the fields that were given, and ``_id``. Every engine keeps
    two secondary indexes, on ``channel`` and on ``author``. A verb is one transaction.

    Attributes:
        name: On the command line and in results.
        title: What it stands for, in one line.
        is_durable: Whether a write survives a power loss once it has returned.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        self.directory = directory
        self.is_durable = is_durable
        self._pools: dict[int, ThreadPoolExecutor] = {}

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

    def insert_by_threads(self, shares: Sequence[Sequence[Fields]]) -> None:
        """Insert each share on a thread of its own, one transaction per document."""
        workers = len(shares)
        pool = self._pools.get(workers)
        if pool is None:
            pool = self._pools[workers] = ThreadPoolExecutor(workers)
        # A thread can take no second share while the others have not begun.
        together = Barrier(workers)

        def work(share: Sequence[Fields]) -> None:
            together.wait()
            for fields in share:
                self.insert(fields)

        list(pool.map(work, shares))

    def insert_by_tasks(self, shares: Sequence[Sequence[Fields]]) -> None:
        """Insert each share by an asyncio task; an engine without asyncio uses threads."""
        self.insert_by_threads(shares)

    def end(self) -> None:
        """Close, and end the threads."""
        for pool in self._pools.values():
            pool.shutdown()
        self.close()


MakeEngine: TypeAlias = Callable[[Path, bool], Engine]
