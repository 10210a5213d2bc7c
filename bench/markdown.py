"""Results as tables of Markdown, for documentation: what fits on a page, not all that was kept."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from bench.report import Table, duration, ratio_text
from bench.results import ContestantResult, WorkloadResult

_VERSIONS: Final = {
    "python": "Python",
    "sqlite": "SQLite",
    "lmdb": "lmdb",
    "msgpack": "msgpack",
    "orjson": "orjson",
    "pglite": "PGlite",
    "node": "Node",
}
"""Whose versions are worth a line."""


def markdown(table: Table, *, left: int = 1) -> str:
    """A table; the first columns are aligned to the left."""
    marks = ["---" if at < left else "---:" for at in range(len(table.columns))]
    lines = [table.columns, marks, *table.rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table.heading}\n\n{text}\n"


def caption(results: dict[str, Any]) -> str:
    """When, what, on which machine."""
    machine, versions, settings = results["machine"], results["versions"], results["settings"]
    there = [(title, versions.get(name)) for name, title in _VERSIONS.items()]
    programs = [f"{title} {version}" for title, version in there if version]
    memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
    return (
        f"{results['started_at'][:10]}, commit {(results['commit'] or 'unknown')[:10]}, "
        f"{settings['rounds']} rounds, {settings['sizes']['documents']:,} documents; "
        f"{machine['processor']}, {machine['cores']} cores, {memory}, {machine['filesystem']}, "
        f"{machine['system']} {machine['architecture']}: {', '.join(programs)}.\n"
    )


def tables_of(workloads: Sequence[WorkloadResult], engines: Sequence[str]) -> Iterator[Table]:
    """Engines side by side, as ratios and as rates; then what has contestants of its own."""
    compared = [found for found in workloads if _is_of_engines(found, engines)]
    with_ratios = [found for found in compared if found.baseline]
    if with_ratios:
        baselines = ", ".join(sorted({found.baseline or "" for found in with_ratios}))
        heading = f"Throughput as a ratio to {baselines}: median and quartiles"
        yield _matrix(heading, with_ratios, engines, _ratio)
    if compared:
        yield _matrix("Units per second, medians", compared, engines, _rate)
    others = [found for found in workloads if found not in compared]
    for _, group in groupby(others, key=_kind):
        yield _own_table(list(group))


def _is_of_engines(workload: WorkloadResult, engines: Sequence[str]) -> bool:
    return not workload.is_size and all(found.name in engines for found in workload.contestants)


def _kind(workload: WorkloadResult) -> tuple[bool, tuple[str, ...]]:
    return workload.is_size, tuple(found.name for found in workload.contestants)


def _matrix(
    heading: str, workloads: Sequence[WorkloadResult], engines: Sequence[str], cell: Any
) -> Table:
    """A line for each workload, a column for each engine that takes part in one."""
    there = {found.name for workload in workloads for found in workload.contestants}
    columns = [engine for engine in engines if engine in there]
    rows: list[tuple[str, ...]] = []
    for workload in workloads:
        found = {contestant.name: contestant for contestant in workload.contestants}
        cells = [cell(found[engine]) if engine in found else "" for engine in columns]
        rows.append((f"`{workload.name}`", *cells))
    names = [f"`{engine}`" for engine in columns]
    return Table(heading, ("workload", *names), rows, [None] * len(rows))


def _own_table(workloads: Sequence[WorkloadResult]) -> Table:
    """A line for each contestant, a column for each of the workloads that have the same ones."""
    names = ", ".join(f"`{workload.name}`" for workload in workloads)
    first = workloads[0]
    what = f"bytes of a {first.unit}" if first.is_size else "time of one unit"
    of = "the ratio" if first.is_size else "throughput as a ratio"
    to = f", and {of} to {first.baseline}" if first.baseline else ""
    cell = _size if first.is_size else _time
    rows = [
        (name, *[cell(workload.contestants[at]) for workload in workloads])
        for at, name in enumerate(found.name for found in first.contestants)
    ]
    columns = ("", *[f"`{workload.name}`" for workload in workloads])
    return Table(f"{names}: {what}{to}", columns, rows, [None] * len(rows))


def _failed(contestant: ContestantResult) -> str:
    return f", {contestant.failures} failures" if contestant.failures else ""


def _ratio(contestant: ContestantResult) -> str:
    text = "" if contestant.ratio is None else ratio_text(contestant.ratio)
    return text + _failed(contestant)


def _rate(contestant: ContestantResult) -> str:
    return f"{contestant.spread.median:,.0f}"


def _time(contestant: ContestantResult) -> str:
    text = duration(1 / contestant.spread.median)
    ratio = "" if contestant.ratio is None else f" ({ratio_text(contestant.ratio)})"
    return text + ratio + _failed(contestant)


def _size(contestant: ContestantResult) -> str:
    ratio = "" if contestant.ratio is None else f" ({contestant.ratio.median:.2f})"
    return f"{contestant.spread.median:,.0f}{ratio}"
