"""What a workload asks of an engine with live queries."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from bench.documents import Fields, make_documents

SHOWN: Final = 20
"""Documents in the result of a live query: the newest of its channel."""

WAIT_SECONDS: Final = 120.0
"""Longer than any live query may take; who waits so long has lost a change."""


class LiveEngine(ABC):
    """A database with live queries that are open, in a directory of its own.

    Each query is on the newest `SHOWN` documents of a channel. There are as many channels as
    queries (one if there are none), of `SHOWN` documents each or of none; query ``n`` watches
    channel ``n``, or all watch channel 0, and are different queries nevertheless.

    Attributes:
        name: On the command line and in results.
        title: What it stands for, in one line.
        is_durable: Whether an insert is on the disk once it has returned.
        effort: Which share of a turn it does, for one that would take minutes for all of it.
        subscriptions_max: Above that opening them takes minutes; None for no such bound.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    effort: ClassVar[float] = 1.0
    subscriptions_max: ClassVar[int | None] = None

    def __init__(
        self,
        directory: Path,
        subscriptions: int,
        *,
        is_one_channel: bool = False,
        is_empty: bool = False,
        is_durable: bool = False,
    ) -> None:
        self.directory = directory
        self.is_durable = is_durable
        self.subscriptions = subscriptions
        self.channels = 1 if is_one_channel else max(1, subscriptions)
        self._number = 0 if is_empty else self.channels * SHOWN

    @abstractmethod
    def insert(self, posts: Sequence[Fields]) -> None:
        """Insert each in a transaction of its own, and wait for no live query."""

    @abstractmethod
    def update(self, posts: Sequence[Fields]) -> None:
        """Insert each, and wait each time until all live queries of its channel show it."""

    @abstractmethod
    def newest(self, subscription: int) -> list[Fields]:
        """What a live query shows now, newest first."""

    @abstractmethod
    def end(self) -> None:
        """Close everything."""

    def first_posts(self) -> Iterator[list[Fields]]:
        """The documents that are there before the queries are opened, in batches."""
        total = self._number
        for first in range(0, total, 2000):
            batch = make_documents(first, min(2000, total - first), 0)
            for number, fields in enumerate(batch, first):
                fields["channel"] = str(number % self.channels)
            yield batch

    def post(self, channel: str) -> Fields:
        """A document that was not inserted yet."""
        (fields,) = make_documents(self._number, 1, 0)
        self._number += 1
        return {**fields, "channel": channel}
