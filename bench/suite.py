"""Runs workloads: databases made, filled, shared, and removed; results put together."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from bench.adapters.contract import Engine
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.adapters.sqlite_committer import SqliteJsonCommitter
from bench.documents import make_documents
from bench.headwater_only import OwnWorkload
from bench.measure import Contestant, Work, measure
from bench.results import WorkloadResult, result_of
from bench.workloads import Session, Sizes, Store, Workload

_FILL_BATCH: Final = 2000
_DURABLE_SHARE: Final = 10
"""Databases for durable writes begin with a tenth of the documents."""

Note = Callable[[str], None]


class Stage:
    """Databases of one run, below one directory. Ends as a ``with`` block does."""

    def __init__(self, directory: Path, engines: Mapping[str, type[Engine]], sizes: Sizes) -> None:
        self.directory = directory
        self.engines = engines
        self.sizes = sizes
        self._numbers = count(1)
        self._sessions: dict[tuple[str, Store], Session] = {}

    def new_directory(self) -> Path:
        """An empty directory."""
        made = self.directory / str(next(self._numbers))
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
        engine = reopen()
        keys = _fill(engine, _count(store, self.sizes), self.sizes.documents)
        if store == "closed":
            engine.end()
            return Session(None, reopen, keys, self.sizes)
        return Session(engine, reopen, keys, self.sizes)

    def fresh(self, name: str, store: Store) -> Session:
        """A new database of its own; the one of the turn before is removed."""
        before = self._sessions.pop((name, store), None)
        if before is not None:
            before.engine.end()
            shutil.rmtree(before.engine.directory)
        return self.session(name, store)

    def end(self) -> None:
        """Close everything. The directory is removed by whoever made it."""
        for session in self._sessions.values():
            if session.is_open:
                session.engine.end()
        self._sessions.clear()


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
    names = [name for name in stage.engines if _takes_part(name, workload)]
    if not names:
        return None
    contestants = [Contestant(name, partial(_turn, stage, workload, name)) for name in names]
    samples = measure(contestants, rounds)
    return result_of(
        name=workload.name,
        title=workload.title,
        unit=workload.unit,
        samples=samples,
        baseline=baseline if baseline in names else None,
        aims={} if workload.aim is None else {HeadwaterEmbedded.name: workload.aim},
    )


def _takes_part(name: str, workload: Workload) -> bool:
    return workload.with_committer or name != SqliteJsonCommitter.name


def _turn(stage: Stage, workload: Workload, name: str, random: Random) -> Work:
    is_fresh = workload.store in ("fresh", "fresh-durable")
    take = stage.fresh if is_fresh else stage.session
    return workload.prepare(take(name, workload.store), random)


def run_own_workload(stage: Stage, workload: OwnWorkload, rounds: int) -> WorkloadResult:
    """Measure Headwater against itself."""
    contestants, sessions = workload.contestants(stage.new_directory, stage.sizes)
    try:
        samples = measure(contestants, rounds)
    finally:
        for session in sessions:
            session.end()
    return result_of(
        name=workload.name,
        title=workload.title,
        unit=workload.unit,
        samples=samples,
        baseline=contestants[0].name if len(contestants) > 1 else None,
        aims={},
    )


def run_all(
    stage: Stage,
    workloads: Sequence[Workload | OwnWorkload],
    *,
    rounds: int,
    baseline: str,
    note: Note,
) -> list[WorkloadResult]:
    """Measure every workload in turn."""
    results: list[WorkloadResult] = []
    for workload in workloads:
        note(f"{workload.name}: {workload.title}")
        if isinstance(workload, OwnWorkload):
            if HeadwaterEmbedded.name in stage.engines:
                results.append(run_own_workload(stage, workload, rounds))
            continue
        result = run_workload(stage, workload, rounds, baseline)
        if result is not None:
            results.append(result)
    return results
