"""Runs workloads: databases made, filled, shared, and removed; results put together."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, TypeAlias

from bench.adapters.contract import CROWDS, Engine
from bench.adapters.live_contract import LiveEngine
from bench.documents import make_documents
from bench.footprint import Footprint
from bench.measure import Contestant, Work, measure
from bench.own import OwnWorkload, Variant
from bench.results import WorkloadResult, result_of, size_result_of, with_failures
from bench.sessions import Session, Store, Workload
from bench.sizes import Sizes

_FILL_BATCH: Final = 2000
_DURABLE_SHARE: Final = 10
"""Databases for durable writes begin with a tenth of the documents."""

Note = Callable[[str], None]

AnyWorkload: TypeAlias = Workload | OwnWorkload | Footprint


class Stage:
    """Databases of one run, below one directory, which is removed by whoever made it.

    Attributes:
        engines: Those that are compared, by name.
        live_engines: Those of the live queries.
        sizes: How much a turn does.
        is_hasty: Whether engines whose writers wait for one lock are left out where there are
            crowds of them.
    """

    def __init__(
        self,
        directory: Path,
        engines: Mapping[str, type[Engine]],
        live_engines: Mapping[str, type[LiveEngine]],
        sizes: Sizes,
        *,
        is_hasty: bool = False,
    ) -> None:
        self._directory = directory
        self.engines = engines
        self.live_engines = live_engines
        self.sizes = sizes
        self.is_hasty = is_hasty
        self._numbers = count(1)
        self._sessions: dict[tuple[str, Store], Session] = {}

    def new_directory(self) -> Path:
        """An empty directory."""
        made = self._directory / str(next(self._numbers))
        made.mkdir(parents=True)
        return made

    def session(self, name: str, store: Store) -> Session:
        """The engine with the database that a workload needs, shared where that does no harm."""
        session = self._sessions.get((name, store))
        if session is None:
            session = self._sessions[name, store] = self._open(name, store)
        return session

    def _open(self, name: str, store: Store) -> Session:
        is_durable = store in ("durable", "fresh-durable")
        reopen = partial(self.engines[name], self.new_directory(), is_durable=is_durable)
        sizes = _sizes_for(self.engines[name], self.sizes)
        engine = reopen()
        keys = _fill(engine, _count(store, sizes), sizes.documents)
        if store == "closed":
            engine.end()
            return Session(None, reopen, keys, sizes)
        return Session(engine, reopen, keys, sizes)

    def fresh(self, name: str, store: Store) -> Session:
        """A new database of its own; the one of the turn before is removed."""
        before = self._sessions.pop((name, store), None)
        if before is not None:
            before.engine.end()
            shutil.rmtree(before.engine.directory)
        return self.session(name, store)

    def failures(self, name: str, store: Store) -> int:
        """How many writes an engine has given up so far in a database that workloads share."""
        session = self._sessions.get((name, store))
        return 0 if session is None else session.failures

    def end(self) -> None:
        """Close everything."""
        for session in self._sessions.values():
            if session.is_open:
                session.engine.end()
        self._sessions.clear()


def _sizes_for(engine: type[Engine], sizes: Sizes) -> Sizes:
    """What a slow engine does of it: rates are comparable, and so are the rounds."""
    documents = min(sizes.documents, engine.documents_max or sizes.documents)
    return replace(sizes.scaled(engine.effort), documents=documents)


def _count(store: Store, sizes: Sizes) -> int:
    if store in ("fresh", "fresh-durable"):
        return 0
    if store in ("durable", "written"):
        return max(1, sizes.documents // _DURABLE_SHARE)
    return sizes.documents


def _fill(engine: Engine, documents: int, total: int) -> list[object]:
    keys: list[object] = []
    for first in range(0, documents, _FILL_BATCH):
        batch = make_documents(first, min(_FILL_BATCH, documents - first), total)
        keys += engine.insert_many(batch)
    return keys


def run_workload(
    stage: Stage, workload: Workload, rounds: int, baseline: str
) -> WorkloadResult | None:
    """Measure the engines at one workload; None if none of them does it."""
    names = [
        name
        for name, engine in stage.engines.items()
        if engine.takes_part(workload.name)
        and not (stage.is_hasty and engine.waits and workload.name in CROWDS)
    ]
    if not names:
        return None
    contestants = [Contestant(name, partial(_turn, stage, workload, name)) for name in names]
    before = {name: stage.failures(name, workload.store) for name in names}
    samples = measure(contestants, rounds)
    result = result_of(
        name=workload.name,
        title=workload.title,
        unit=workload.unit,
        samples=samples,
        baseline=baseline if baseline in names else None,
    )
    failures = {name: stage.failures(name, workload.store) - before[name] for name in names}
    return with_failures(result, failures)


def _turn(stage: Stage, workload: Workload, name: str, random: Random) -> Work:
    is_fresh = workload.store in ("fresh", "fresh-durable")
    take = stage.fresh if is_fresh else stage.session
    return workload.prepare(take(name, workload.store), random)


def run_own_workload(stage: Stage, workload: OwnWorkload, rounds: int) -> WorkloadResult | None:
    """Measure contestants that the workload makes; None if it makes none."""
    variants: list[Variant] = []
    with ExitStack() as stack:
        for variant in workload.variants(stage):
            stack.callback(variant.end)
            variants.append(variant)
        contestants = [variant.contestant for variant in variants]
        samples = measure(contestants, rounds)
        failures = {variant.contestant.name: variant.failures() for variant in variants}
    if not contestants:
        return None
    if workload.derive is not None:
        samples |= workload.derive(samples)
    result = result_of(
        name=workload.name,
        title=workload.title,
        unit=workload.unit,
        samples=samples,
        baseline=contestants[0].name if len(samples) > 1 else None,
    )
    return with_failures(result, failures)


def run_footprint(stage: Stage, footprint: Footprint) -> WorkloadResult | None:
    """Measure sizes; None if nobody has any."""
    sizes = dict(footprint.measure(stage))
    return size_result_of(footprint.name, footprint.title, footprint.unit, sizes)


def run_all(
    stage: Stage,
    workloads: Sequence[AnyWorkload],
    *,
    rounds: int,
    baseline: str,
    note: Note,
) -> list[WorkloadResult]:
    """Measure every workload in turn."""
    results: list[WorkloadResult] = []
    began = monotonic()
    for at, workload in enumerate(workloads, 1):
        place = f"[{at}/{len(workloads)}, {monotonic() - began:.0f} s]"
        note(f"{place} {workload.name}: {workload.title}")
        result = _run(stage, workload, rounds, baseline)
        if result is not None:
            results.append(result)
    return results


def _run(stage: Stage, workload: AnyWorkload, rounds: int, baseline: str) -> WorkloadResult | None:
    if isinstance(workload, Workload):
        return run_workload(stage, workload, rounds, baseline)
    if isinstance(workload, OwnWorkload):
        return run_own_workload(stage, workload, rounds)
    return run_footprint(stage, workload)
