"""``python -m bench growth``: the same operations on more documents, and on a longer history.

All databases are open at once and take turns, so that a moment in which the machine is busy slows
all of them.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final

from bench.adapters.catalog import LIVE_ONLY, NAMES, cast_of
from bench.adapters.contract import Engine
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.aims import GROWTH_AIMS, outcomes_of
from bench.documents import Fields, make_documents
from bench.height import growths_of
from bench.measure import Contestant, Work, measure
from bench.options import existing_directory, new_file, positive
from bench.report import show
from bench.results import WorkloadResult, as_json, result_of
from bench.sessions import Session, Workload
from bench.sizes import FULL, Sizes
from bench.workloads import WORKLOADS

OPERATIONS: Final = ("get", "query-get", "scan-20", "scan-1000", "insert", "patch", "open")
"""Of the workloads of the suite; not flushed."""

DOCUMENTS: Final = (10_000, 100_000, 1_000_000)
HISTORY: Final = 10
_BATCH: Final = 10_000
"""Documents of one transaction: each rewrites most pages of the indexes, so few are faster."""

_TELL_SECONDS: Final = 60.0
_KEYS_MAX: Final = 100_000
"""Keys that are kept of a database: enough to draw from, and little memory for ten millions."""


class Grown:
    """One engine with some documents and a history of so many versions of each.

    Attributes:
        name: For results; `bench plot` and `bench.height` read the numbers in it.
        make: The engine.
        documents: How many.
        versions: Of each of them.
        session: What workloads use; of an empty database until `fill` was called.
    """

    def __init__(
        self, make: type[Engine], directory: Path, sizes: Sizes, documents: int, versions: int
    ) -> None:
        self.make = make
        self.documents = documents
        self.versions = versions
        self._random = Random("history")
        past = f" with {versions} times the history" if versions > 1 else ""
        self.name = f"{make.name}, {documents} documents{past}"
        directory.mkdir()
        self._reopen = partial(make, directory, is_durable=False)
        self._engine: Engine | None = self._reopen()
        sizes = replace(sizes, documents=documents)
        self.session = Session(self._engine, self._reopen, [], sizes)

    def add(self, first: int, batch: Sequence[Fields]) -> None:
        """Insert documents, the number of the first of which is given, and change them."""
        engine = self.session.engine
        keys = engine.insert_many(batch)
        for _ in range(self.versions - 1):
            engine.patch_many([(key, _change(self._random)) for key in keys])
        step = -(-self.documents // _KEYS_MAX)
        self.session.keys += [key for at, key in enumerate(keys, first) if at % step == 0]

    def turn(self, workload: Workload, random: Random) -> Work:
        """The work of one turn; the first that opens the database itself closes it for good."""
        if workload.store == "closed" and self._engine is not None:
            self.end()
            self.session = Session(None, self._reopen, self.session.keys, self.session.sizes)
        return workload.prepare(self.session, random)

    def end(self) -> None:
        """Close it."""
        if self._engine is not None:
            self._engine.end()
            self._engine = None


def fill(grown: Sequence[Grown], documents: int) -> None:
    """Fill databases of so many documents; making those takes longer than inserting them."""
    told = monotonic()
    for first in range(0, documents, _BATCH):
        batch = make_documents(first, min(_BATCH, documents - first), documents)
        for one in grown:
            one.add(first, batch)
        if monotonic() - told > _TELL_SECONDS:
            told = monotonic()
            _say(f"  {first + len(batch):,} of {documents:,} documents")


def _change(random: Random) -> Fields:
    return {"score": random.randrange(1000), "rating": random.random()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        documents: How many, in databases of their own.
        history: Versions of each document in one more database of each size, of Headwater alone;
            1 for no such databases.
        operations: Names of workloads.
        sizes: How much a turn does.
        rounds: How often, after one not counted.
    """

    documents: Sequence[int] = DOCUMENTS
    history: int = HISTORY
    operations: Sequence[str] = OPERATIONS
    sizes: Sizes = FULL
    rounds: int = 5

    def databases(self, engines: Sequence[type[Engine]]) -> Iterator[tuple[type[Engine], int]]:
        """Those of each number of documents: an engine, a number of versions of each document."""
        for make in engines:
            yield make, 1
            if self.history > 1 and make is HeadwaterEmbedded:
                yield make, self.history


def measure_growth(
    engines: Sequence[type[Engine]], directory: Path, plan: Plan
) -> list[WorkloadResult]:
    """The operations at each number of documents; the baseline is the first engine at the first."""
    with ExitStack() as stack:
        grown: list[Grown] = []
        for count in plan.documents:
            began = monotonic()
            same: list[Grown] = []
            for make, versions in plan.databases(engines):
                place = directory / str(len(grown) + len(same))
                same.append(Grown(make, place, plan.sizes, count, versions))
                stack.callback(same[-1].end)
            _say(f"filling: {', '.join(one.name for one in same)}")
            fill(same, count)
            grown += same
            _say(f"  {monotonic() - began:.0f} s")
        _flush(directory)
        grown.sort(key=lambda one: (engines.index(one.make), one.documents, one.versions))
        workloads = [found for found in WORKLOADS.values() if found.name in plan.operations]
        return [_measure_one(workload, grown, plan.rounds) for workload in workloads]


def _flush(directory: Path) -> None:
    """Or the system would write all of it while the first workloads are measured."""
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _measure_one(workload: Workload, grown: Sequence[Grown], rounds: int) -> WorkloadResult:
    _say(f"{workload.name}: {workload.title}")
    contestants = [Contestant(one.name, partial(one.turn, workload)) for one in grown]
    return result_of(
        name=f"growth-{workload.name}",
        title=workload.title,
        unit=workload.unit,
        samples=measure(contestants, rounds),
        baseline=grown[0].name,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    choices = [name for name in NAMES if name not in LIVE_ONLY]
    parser = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=choices,
        metavar="ENGINE",
        default=["headwater", "sqlite-json", "lmdb-by-hand"],
        help="default: headwater sqlite-json lmdb-by-hand",
    )
    parser.add_argument(
        "--documents",
        nargs="+",
        type=positive,
        default=DOCUMENTS,
        help="default: 10000 100000 1000000; ten millions take 10 GB of Headwater alone,"
        " 40 GB with their history",
    )
    parser.add_argument(
        "--history",
        type=positive,
        default=HISTORY,
        help="versions of each document in a second database each; 1 for none; default: 10",
    )
    parser.add_argument(
        "--operations", nargs="+", choices=OPERATIONS, default=OPERATIONS, metavar="OPERATION"
    )
    parser.add_argument("--rounds", type=positive, default=5, help="default: 5")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on what one turn does")
    parser.add_argument("--output", type=new_file, help="write the results there, as JSON")
    parser.add_argument(
        "--directory", type=existing_directory, default=Path.cwd(), help="default: here"
    )
    parser.add_argument("--plain", action="store_true", help="plain text even if rich is installed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write JSON. Returns the exit status: 2 if an engine is missing."""
    options = _parser().parse_args(arguments)
    cast = cast_of(options.engines)
    for line in cast.missing:
        _say(line)
    if cast.missing:
        return 2
    started = datetime.now(UTC)
    plan = Plan(
        documents=sorted(options.documents),
        history=options.history,
        operations=options.operations,
        sizes=FULL.scaled(options.scale),
        rounds=options.rounds,
    )
    with tempfile.TemporaryDirectory(prefix="headwater-bench-", dir=options.directory) as name:
        results = measure_growth(list(cast.engines.values()), Path(name), plan)
        outcomes, growths = outcomes_of(results, GROWTH_AIMS), growths_of(results)
        show(results, outcomes, growths, plain=options.plain)
        if options.output is not None:
            titles = {name: engine.title for name, engine in cast.engines.items()}
            document: dict[str, Any] = as_json(
                results,
                sizes=plan.sizes,
                rounds=options.rounds,
                engines=titles,
                directory=Path(name),
                started=started,
            )
            document["aims"] = [outcome.as_json() for outcome in outcomes]
            document["growth"] = [growth.as_json() for growth in growths]
            options.output.write_text(json.dumps(document, indent=1) + "\n")
            _say(f"results: {options.output}")
    return 0
