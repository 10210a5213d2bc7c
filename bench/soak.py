"""``python -m bench soak``: memory and file stay flat, however many commits there are.

Small commits, one after the other, under live queries in this process and in a second one, with a
reader that stalls, and with a log that is trimmed now and then.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, mean
from typing import Any, Final, NamedTuple

import headwater as hw
from bench import waking_application as application
from bench.processes import hear, say, start, tell

_SAMPLES: Final = 40
_TRIMS: Final = 40
_NAMES: Final = 2000
_WATCHED: Final = 50
_WARM_UP: Final = 0.5
_STALL_COMMITS: Final = 1000
_LIMITS: Final = hw.Limits(recent_commits=1024)

_SECOND: Final = "import sys; from bench.soak import second; second(sys.argv[1])"

GROWTH_MAX: Final = 0.1
"""Growth from the end of the warm-up to the end, by the line through the samples, as a share."""

GROWTH_BYTES_MIN: Final = 4 * 1024 * 1024
"""Growth by less is noise of the allocator, however small the whole is."""


class Sample(NamedTuple):
    """What was seen after some commits.

    Attributes:
        commits: How many there have been.
        file_bytes: Size of the data file.
        memory_bytes: Of this process, without what is mapped from files.
        second_bytes: Likewise of the second process.
    """

    commits: int
    file_bytes: int
    memory_bytes: int
    second_bytes: int


def memory_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Memory of this process that belongs to no file; what it took at most where nobody says."""
    try:
        lines = status.read_text("ascii", "replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def second(path: str) -> None:
    """The second process: live queries; answers each line with its memory."""
    with hw.open(path, modules=[application], durability="none", limits=_LIMITS) as database:
        lives = _watch(database)
        say("ready")
        while sys.stdin.readline().strip():
            say(str(memory_bytes()))
        for live in lives:
            live.close()


def _watch(database: hw.Database) -> list[hw.Live[Any]]:
    lives: list[hw.Live[Any]] = []
    for number in range(_WATCHED):
        live = database.watch(application.newest, name=f"name {number}")
        live.on_change(_ignore)
        lives.append(live)
    return lives


def _ignore(_: object) -> None:
    """A subscriber that is content."""


class Stalling:
    """A reader that keeps each snapshot for many commits.

    Commits and not seconds, because a snapshot costs what is committed meanwhile: the file would
    be the larger the faster the machine happens to be.
    """

    def __init__(self, database: hw.Database) -> None:
        self._database = database
        self._snapshot = database.snapshot()

    def go_on(self) -> None:
        """Read on, and begin anew."""
        with suppress(hw.SnapshotTooOldError):  # on a machine where that took a minute
            self._snapshot.query(application.Notes).first()
        self._snapshot.close()
        self._snapshot = self._database.snapshot()

    def end(self) -> None:
        """Read no more."""
        self._snapshot.close()


def soak(path: Path, commits: int, told: Callable[[Sample], None]) -> list[Sample]:
    """Commit so often; returns the samples, in order."""
    samples: list[Sample] = []
    trim_every, sample_every = max(1, commits // _TRIMS), max(1, commits // _SAMPLES)
    with (
        hw.open(path, modules=[application], durability="none", limits=_LIMITS) as database,
        start(_SECOND, path) as child,
    ):
        lives = _watch(database)
        hear(child)
        stalling = Stalling(database)
        stamps = [0, 0]
        for number in range(1, commits + 1):
            database.mutate(application.note, number=number, name=f"name {number % _NAMES}")
            if number % _STALL_COMMITS == 0:
                stalling.go_on()
            if number % trim_every == 0:
                # What was committed since the trim before the last is kept.
                stamps = [stamps[1], database.ts]
                if stamps[0]:
                    database.trim_log(stamps[0])
            if number % sample_every == 0:
                tell(child, "memory")
                size = (path / "data.mdb").stat().st_size
                samples.append(Sample(number, size, memory_bytes(), int(hear(child))))
                told(samples[-1])
        stalling.end()
        tell(child, "")
        for live in lives:
            live.close()
    return samples


def growth(samples: Sequence[Sample], of: Callable[[Sample], int]) -> float:
    """Growth of something after the warm-up, in bytes, by the line through the samples."""
    late = samples[int(len(samples) * _WARM_UP) :]
    places = [float(sample.commits) for sample in late]
    slope, _ = linear_regression(places, [float(of(sample)) for sample in late])
    return slope * (places[-1] - places[0])


MEASURED: Final[dict[str, Callable[[Sample], int]]] = {
    "file": lambda sample: sample.file_bytes,
    "memory": lambda sample: sample.memory_bytes,
    "memory of the second process": lambda sample: sample.second_bytes,
}


def complaints(samples: Sequence[Sample]) -> list[str]:
    """What is not flat, in words; empty if all is."""
    found: list[str] = []
    for name, of in MEASURED.items():
        grown = growth(samples, of)
        allowed = max(GROWTH_BYTES_MIN, GROWTH_MAX * mean(of(sample) for sample in samples))
        if grown > allowed:
            found.append(f"{name}: grew by {_mib(grown)} MiB, {_mib(allowed)} MiB are allowed")
    return found


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Commit, print what was seen. Returns the exit status: 1 if something is not flat."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--commits", type=int, default=1_000_000, help="default: 1000000")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="default: here")
    options = parser.parse_args(arguments)
    began = time.monotonic()

    def show(sample: Sample) -> None:
        print(
            f"{sample.commits:>9} commits, {time.monotonic() - began:6.0f} s: file "
            f"{_mib(sample.file_bytes)} MiB, memory {_mib(sample.memory_bytes)} MiB and "
            f"{_mib(sample.second_bytes)} MiB",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="headwater-soak-", dir=options.directory) as name:
        samples = soak(Path(name) / "soak.hw", options.commits, show)
    found = complaints(samples)
    print("\n".join(found) or "flat")
    return 1 if found else 0
