"""One engine with one database, and what a workload does with it. Nothing here knows an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from bench.adapters.contract import Engine, Key
from bench.documents import Fields, channel_name, channels_of, make_documents
from bench.measure import Work
from bench.sizes import Sizes

Store: TypeAlias = Literal[
    "read", "mixed", "written", "durable", "fresh", "fresh-durable", "closed"
]
"""Which database a turn needs: one that is only read; one as large that is also written, not
flushed; one that grows by each turn without being flushed, or with; a new one, flushed or not; a
closed one."""


class Session:
    """One engine with one database, for all turns of the workloads that share it.

    Attributes:
        engine: None while the database is closed.
        reopen: Opens it once more.
        keys: Of the documents, oldest first; a workload that inserts may append.
        sizes: How much a turn does.
        failures: Writes that were given up, so far.
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
        self.keys = list(keys)
        self.sizes = sizes
        self.failures = 0
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
    """

    name: str
    title: str
    unit: str
    store: Store
    prepare: Callable[[Session, Random], Work]
