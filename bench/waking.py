"""``python -m bench wake``: how soon live queries of other processes hear of a commit.

One process commits and notes when each commit returned; others watch a live query and note when
each result came. All clocks are one: CLOCK_MONOTONIC is the same for every process of a machine.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import headwater as hw
from bench import waking_application as application
from bench.processes import hear, say, start, tell

_COUNTS: Final = (2, 8)
_WAIT_SECONDS: Final = 60.0
_AIM_SECONDS: Final = 0.05

_WATCHER: Final = "import sys; from bench.waking import watch; watch(*sys.argv[1:])"


def watch(path: str, commits: str, idle_seconds: str) -> None:
    """A watching process: prints its idle CPU time, then when each result was there."""
    with hw.open(path, modules=[application], durability="none") as database:
        live = database.watch(application.newest)
        live.next(_WAIT_SECONDS)
        say("ready")
        sys.stdin.readline()
        before = _cpu_seconds()
        time.sleep(float(idle_seconds))
        say(repr(_cpu_seconds() - before))
        seen: list[str] = []
        value = -1
        while value < int(commits) - 1:
            value = live.next(_WAIT_SECONDS)
            seen.append(f"{value}:{time.monotonic_ns()}")
        say(" ".join(seen))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(
    directory: Path, processes: int, commits: int, idle_seconds: float, gap_seconds: float
) -> tuple[list[float], float]:
    """One run with so many processes, the committing one included.

    Returns the seconds from each commit's return to each delivery, and the share of one core that
    all watching processes took together while nothing happened.
    """
    path = directory / f"wake-{processes}.hw"
    with (
        hw.open(path, modules=[application], durability="none") as database,
        ExitStack() as stack,
    ):
        children = [
            stack.enter_context(start(_WATCHER, path, commits, idle_seconds))
            for _ in range(processes - 1)
        ]
        for child in children:
            hear(child)
        for child in children:
            tell(child, "go")
        idle = sum(float(hear(child)) for child in children) / idle_seconds
        returned: list[int] = []
        for number in range(commits):
            database.mutate(application.note, number=number)
            returned.append(time.monotonic_ns())
            time.sleep(gap_seconds)
        delays: list[float] = []
        for child in children:
            for pair in hear(child).split():
                seen, _, at = pair.partition(":")
                delays.append((int(at) - returned[int(seen)]) / 10**9)
    return delays, idle


def at_fraction(ordered: Sequence[float], fraction: float) -> float:
    """The value below which this share of the ordered samples lies."""
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit status: 1 if the median misses the aim of 50 ms."""
    parser = argparse.ArgumentParser(prog="python -m bench wake", description=__doc__)
    parser.add_argument("--commits", type=int, default=500, help="default: 500")
    parser.add_argument("--idle-seconds", type=float, default=5.0, help="default: 5")
    parser.add_argument("--gap", type=float, default=0.01, help="seconds between commits")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="default: here")
    options = parser.parse_args(arguments)
    is_met = True
    for processes in _COUNTS:
        with tempfile.TemporaryDirectory(prefix="headwater-wake-", dir=options.directory) as name:
            delays, idle = measure(
                Path(name), processes, options.commits, options.idle_seconds, options.gap
            )
        delays.sort()
        median, high = at_fraction(delays, 0.5), at_fraction(delays, 0.99)
        is_met = is_met and median <= _AIM_SECONDS
        print(
            f"{processes} processes: delivered after {median * 1e3:.2f} ms (median), "
            f"{high * 1e3:.2f} ms (99%), {delays[-1] * 1e3:.2f} ms (slowest of {len(delays)}); "
            f"idle: {idle * 100:.2f} % of a core, all together"
        )
    return 0 if is_met else 1
