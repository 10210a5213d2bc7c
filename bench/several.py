"""Several processes that have one database open, and share the work of a turn."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeAlias

from bench.adapters.contract import Engine, Key
from bench.documents import make_documents
from bench.measure import Contestant, Work
from bench.own import OwnWorkload, Place, Variant
from bench.processes import hear, start, tell
from bench.sizes import Sizes

WRITERS: Final = (1, 2, 4)
READERS: Final = (1, 2)
"""Processes; as many as `Sizes.processes` at most."""

_BATCH: Final = 2000
_MEMBER: Final = "import sys; from bench.member import member; member(*sys.argv[1:])"

Verb: TypeAlias = Literal["insert", "bump", "get"]
Share: TypeAlias = Sequence[Any]
"""What one process is to do: keys; of inserts the first number, how many, and the total that
documents are laid out for."""


class Crew:
    """A database, and the processes that have it open. This process has not.

    Attributes:
        keys: Of the documents that were there at first.
    """

    def __init__(
        self,
        make: type[Engine],
        directory: Path,
        processes: int,
        documents: int,
        *,
        is_durable: bool,
    ) -> None:
        self.keys = _fill(make, directory, documents)
        self._failures = 0
        with ExitStack() as stack:
            self._members = [
                stack.enter_context(
                    start(_MEMBER, make.__module__, make.__name__, directory, is_durable)
                )
                for _ in range(processes)
            ]
            # A child whose pipe is closed ends; also if another one did not start.
            stack.callback(self._dismiss)
            for child in self._members:
                hear(child)
            self._stack = stack.pop_all()

    def work(self, verb: Verb, shares: Sequence[Share]) -> Work:
        """What each of them does at once; they have got ready for it."""
        for child, share in zip(self._members, shares, strict=True):
            tell(child, repr((verb, share)))
        for child in self._members:
            hear(child)

        def work() -> int:
            for child in self._members:
                tell(child, "go")
            failed = sum([int(hear(child)) for child in self._members])
            self._failures += failed
            calls = sum(share[1] if verb == "insert" else len(share) for share in shares)
            return calls - failed

        return work

    def failed(self) -> int:
        """Calls that were given up so far."""
        return self._failures

    def _dismiss(self) -> None:
        for child in self._members:
            assert child.stdin is not None
            child.stdin.close()

    def end(self) -> None:
        """End the processes, and wait until they have closed the database."""
        self._stack.close()


def _fill(make: type[Engine], directory: Path, documents: int) -> list[Key]:
    engine = make(directory, is_durable=False)
    keys: list[Key] = []
    try:
        for first in range(0, documents, _BATCH):
            batch = make_documents(first, min(_BATCH, documents - first), documents)
            keys += engine.insert_many(batch)
    finally:
        engine.end()
    return keys


class _Turns:
    """The turns of one crew; each inserts other documents than those before."""

    def __init__(self, crew: Crew, sizes: Sizes, processes: int) -> None:
        self._crew = crew
        self._sizes = sizes
        self._processes = processes
        self._number = sizes.documents

    def inserts(self, total: int, _: Random) -> Work:
        """So many inserts, evenly."""
        count = max(1, total // self._processes)
        first, self._number = self._number, self._number + count * self._processes
        shares = [
            (first + at * count, count, self._sizes.documents) for at in range(self._processes)
        ]
        return self._crew.work("insert", shares)

    def reads(self, total: int, random: Random) -> Work:
        """So many point reads, evenly."""
        count = max(1, total // self._processes)
        shares = [random.choices(self._crew.keys, k=count) for _ in range(self._processes)]
        return self._crew.work("get", shares)


def _variants(
    name: str,
    counts: Sequence[int],
    prepare: Callable[[_Turns, Sizes, Random], Work],
    place: Place,
    *,
    is_durable: bool = False,
) -> Iterator[Variant]:
    sizes = place.sizes
    for engine, make in place.engines.items():
        if not make.takes_part(name):
            continue
        for processes in (count for count in counts if count <= sizes.processes):
            directory = place.new_directory()
            crew = Crew(make, directory, processes, sizes.shared, is_durable=is_durable)
            turn = partial(prepare, _Turns(crew, sizes, processes), sizes)
            label = f"{engine}, {processes} {'process' if processes == 1 else 'processes'}"
            yield Variant(Contestant(label, turn), crew.end, crew.failed)


def _inserts(turns: _Turns, sizes: Sizes, random: Random) -> Work:
    return turns.inserts(sizes.quick_commits, random)


def _durable_inserts(turns: _Turns, sizes: Sizes, random: Random) -> Work:
    return turns.inserts(sizes.commits, random)


def _reads(turns: _Turns, sizes: Sizes, random: Random) -> Work:
    return turns.reads(sizes.reads, random)


PROCESS_WORKLOADS: Final = (
    OwnWorkload(
        "processes-insert",
        "insert, not flushed, by several processes at once",
        "commits",
        partial(_variants, "processes-insert", WRITERS, _inserts),
    ),
    OwnWorkload(
        "processes-durable",
        "durable insert by several processes at once",
        "commits",
        partial(_variants, "processes-durable", WRITERS, _durable_inserts, is_durable=True),
    ),
    OwnWorkload(
        "processes-get",
        "point read by several processes at once",
        "reads",
        partial(_variants, "processes-get", READERS, _reads),
    ),
)
