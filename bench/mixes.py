"""The core workloads of the Yahoo! Cloud Serving Benchmark, A to F, on our documents.

After "Benchmarking Cloud Serving Systems with YCSB" (Cooper et al., SoCC 2010) and the files
``workloads/workload[a-f]`` of its repository. One client, not flushed. What differs from them:
documents are ours, an update patches two fields of eight, and a scan of E is the newest 1 to 100
documents of a channel, which is the "thread of a conversation" that E stands for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, Literal, TypeAlias

from bench.adapters.contract import Key
from bench.documents import channel_name, channels_of
from bench.draws import zipfian_places, zipfian_ranks
from bench.measure import Work
from bench.sessions import Session, Workload

Operation: TypeAlias = Literal["read", "update", "insert", "scan", "modify"]
Call: TypeAlias = Callable[[], object]

SCAN_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Mix:
    """What a mixed workload consists of.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        parts: Shares of the operations; together 1.
        distribution: Of what is read and changed: "zipfian" over all documents, or "latest",
            zipfian by age, the newest most often.
    """

    name: str
    title: str
    parts: dict[Operation, float]
    distribution: Literal["zipfian", "latest"] = "zipfian"


MIXES: Final = (
    Mix("ycsb-a", "YCSB A: half reads, half updates", {"read": 0.5, "update": 0.5}),
    Mix("ycsb-b", "YCSB B: 95 % reads, 5 % updates", {"read": 0.95, "update": 0.05}),
    Mix("ycsb-c", "YCSB C: reads", {"read": 1.0}),
    Mix(
        "ycsb-d",
        "YCSB D: 95 % reads of the latest, 5 % inserts",
        {"read": 0.95, "insert": 0.05},
        "latest",
    ),
    Mix(
        "ycsb-e",
        f"YCSB E: 95 % scans of 1 to {SCAN_MAX}, 5 % inserts",
        {"scan": 0.95, "insert": 0.05},
    ),
    Mix("ycsb-f", "YCSB F: half reads, half read-modify-writes", {"read": 0.5, "modify": 0.5}),
)


class _Turn:
    """The calls of one turn, drawn in one order for all engines."""

    def __init__(self, session: Session, mix: Mix, random: Random) -> None:
        self._session = session
        self._random = random
        self._mix = mix
        self._make: dict[Operation, Callable[[], Call]] = {
            "read": self._read,
            "update": self._update,
            "insert": self._insert,
            "scan": self._scan,
            "modify": self._modify,
        }
        count = session.sizes.mixed
        # Documents that were there at first: by their number, the same in every engine.
        there = min(len(session.keys), session.sizes.documents)
        self._places = iter(zipfian_places(random, there, count))
        self._ages = iter(zipfian_ranks(random, there, count))
        self._channels = iter(zipfian_places(random, channels_of(session.sizes.documents), count))

    def calls(self) -> list[Call]:
        """One call per operation."""
        parts = self._mix.parts
        drawn = self._random.choices(
            list(parts), weights=list(parts.values()), k=self._session.sizes.mixed
        )
        return [self._make[operation]() for operation in drawn]

    def _key(self) -> Key:
        return self._session.keys[next(self._places)]

    def _read(self) -> Call:
        if self._mix.distribution == "zipfian":
            return partial(self._session.engine.get, self._key())
        keys, get, age = self._session.keys, self._session.engine.get, next(self._ages)
        # Who is the newest is known only when it is read.
        return lambda: get(keys[-1 - age])

    def _update(self) -> Call:
        changes = {"score": self._random.randrange(1000), "rating": self._random.random()}
        return partial(self._session.engine.patch, self._key(), changes)

    def _insert(self) -> Call:
        (fields,) = self._session.documents(1)
        keys, insert = self._session.keys, self._session.engine.insert
        return lambda: keys.append(insert(fields))

    def _scan(self) -> Call:
        channel = channel_name(next(self._channels))
        return partial(self._session.engine.latest, channel, self._random.randint(1, SCAN_MAX))

    def _modify(self) -> Call:
        return partial(self._session.engine.bump, self._key())


def _prepare(mix: Mix, session: Session, random: Random) -> Work:
    calls = _Turn(session, mix, random).calls()

    def work() -> int:
        for call in calls:
            call()
        return len(calls)

    return work


def _workloads() -> Iterator[Workload]:
    for mix in MIXES:
        title = f"{mix.title}, {mix.distribution}, not flushed"
        yield Workload(mix.name, title, "operations", "mixed", partial(_prepare, mix))


MIXED_WORKLOADS: Final = tuple(_workloads())
