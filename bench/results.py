"""Results as data: what is written as JSON, and read by whoever draws tables and plots.

``docs/benchmarks.md`` describes the shape. Nothing in it says whose machine it was: no name of a
host or a user, no path.
"""

import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import headwater
from bench.adapters.live_pglite import LivePglite
from bench.sizes import Sizes
from bench.spread import Spread, ratios, spread_of

SUITE: Final = "headwater-bench"
FORMAT: Final = 2
_PACKAGES: Final = (
    "lmdb",
    "msgpack",
    "sortedcontainers",
    "orjson",
    "ZODB",
    "tinydb",
    "eventsourcing",
)


@dataclass(frozen=True, slots=True)
class ContestantResult:
    """What one contestant did in one workload.

    Attributes:
        name: An engine, or a variant of Headwater.
        samples: Units per second, one per round; or one number of bytes.
        spread: Of the samples.
        ratio_samples: To the baseline, round by round; empty without one.
        ratio: Of those; None without a baseline.
        failures: Writes that were given up, in all rounds, the one not counted too.
    """

    name: str
    samples: list[float]
    spread: Spread
    ratio_samples: list[float]
    ratio: Spread | None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """One workload with all who took part; `is_size` if it is in bytes, of which less is better."""

    name: str
    title: str
    unit: str
    baseline: str | None
    contestants: list[ContestantResult]
    is_size: bool = False


def result_of(
    *,
    name: str,
    title: str,
    unit: str,
    samples: Mapping[str, Sequence[float]],
    baseline: str | None,
) -> WorkloadResult:
    """Medians, quartiles and ratios of the samples of one workload."""
    contestants: list[ContestantResult] = []
    for contestant, mine in samples.items():
        compared = [] if baseline is None else ratios(mine, samples[baseline])
        contestants.append(
            ContestantResult(
                name=contestant,
                samples=list(mine),
                spread=spread_of(mine),
                ratio_samples=compared,
                ratio=spread_of(compared) if compared else None,
            )
        )
    return WorkloadResult(name, title, unit, baseline, contestants)


def with_failures(result: WorkloadResult, failures: Mapping[str, int]) -> WorkloadResult:
    """The same result, with the writes that contestants gave up."""
    contestants = [
        replace(contestant, failures=failures.get(contestant.name, 0))
        for contestant in result.contestants
    ]
    return replace(result, contestants=contestants)


def size_result_of(
    name: str, title: str, unit: str, sizes: Mapping[str, float]
) -> WorkloadResult | None:
    """Sizes, as ratios to the first; None of none."""
    if not sizes:
        return None
    samples = {contestant: [size] for contestant, size in sizes.items()}
    baseline = next(iter(sizes))
    result = result_of(name=name, title=title, unit=unit, samples=samples, baseline=baseline)
    return replace(result, is_size=True)


def as_json(
    results: Sequence[WorkloadResult],
    *,
    sizes: Sizes,
    rounds: int,
    engines: Mapping[str, str],
    directory: Path,
    started: datetime,
) -> dict[str, Any]:
    """Everything that somebody needs who was not there."""
    return {
        "suite": SUITE,
        "format": FORMAT,
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {**machine(), "filesystem": filesystem_of(directory)},
        "versions": versions(),
        "settings": {"rounds": rounds, "sizes": asdict(sizes), "engines": dict(engines)},
        "workloads": [_workload_json(result) for result in results],
    }


def _workload_json(result: WorkloadResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "unit": result.unit,
        "baseline": result.baseline,
        "contestants": [
            _contestant_json(contestant, is_size=result.is_size)
            for contestant in result.contestants
        ],
    }


def _contestant_json(contestant: ContestantResult, *, is_size: bool) -> dict[str, Any]:
    ratio = contestant.ratio
    measured = {**asdict(contestant.spread), "samples": contestant.samples}
    return {
        "name": contestant.name,
        "per_second": None if is_size else measured,
        "bytes": measured if is_size else None,
        "failures": contestant.failures,
        "ratio": None if ratio is None else {**asdict(ratio), "samples": contestant.ratio_samples},
    }


def machine() -> dict[str, Any]:
    """The kind of machine."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def versions() -> dict[str, str | None]:
    """Versions of everything that is measured."""
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    for package in ("headwater", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["pglite"] = LivePglite.version()
    found["node"] = _node() if found["pglite"] else None
    return found


def _node() -> str | None:
    node = shutil.which("node")
    if node is None:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("v") or None


def filesystem_of(directory: Path) -> str | None:
    """The type of the file system that holds a directory, on Linux; None where that is unknown."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return None
    target = directory.resolve()
    best, kind = -1, None
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        # Later mounts of one place hide earlier ones.
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def _processor() -> str | None:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _commit() -> str | None:
    """The commit of the source that was measured, with ``+`` if it was changed since."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(headwater.__file__).parent

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(
            [git, *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if commit is None:
        return None
    changed = ask("status", "--porcelain", "--untracked-files=no", "--", "..", "../../indexes")
    return f"{commit}+" if changed else commit
