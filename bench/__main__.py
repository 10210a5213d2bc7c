"""``python -m bench``: measure, print tables, write JSON."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from bench import comparison, growth, plotting, reporting, soak, waking
from bench.adapters.catalog import BASELINE, ENGINES, LIVE_ONLY, NAMES, Cast, cast_of
from bench.adapters.contract import PROCESSES
from bench.agree import (
    Disagreement,
    check_agreement,
    check_live_agreement,
    check_process_agreement,
)
from bench.aims import outcomes_of
from bench.catalog import ALL_WORKLOADS
from bench.options import existing_directory, new_file, positive
from bench.report import show
from bench.results import as_json, filesystem_of
from bench.sizes import FULL, QUICK, Sizes
from bench.suite import Stage, run_all

_ROUNDS_QUICK: Final = 3
_ROUNDS_FULL: Final = 7
_AGREE_QUICK: Final = 100
_AGREE_FULL: Final = 300
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_INTERRUPTED: Final = 130
"""What shells say of a program that was ended by Ctrl-C."""


_OTHERS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "compare": comparison.main,
    "growth": growth.main,
    "plot": plotting.main,
    "report": reporting.main,
    "soak": soak.main,
    "wake": waking.main,
}
"""Commands of their own: `python -m bench soak --help`."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Headwater beside its peers, on the same documents, in the same run.",
        epilog="Engines: "
        + ", ".join(NAMES)
        + ". Workloads: "
        + ", ".join(ALL_WORKLOADS)
        + ". Of their own: "
        + ", ".join(f"python -m bench {name}" for name in _OTHERS)
        + ".",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=NAMES,
        metavar="ENGINE",
        help="default: all that are installed; with --quick those that need no package",
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        choices=list(ALL_WORKLOADS),
        metavar="WORKLOAD",
        help="default: all",
    )
    parser.add_argument("--rounds", type=positive, help="turns per engine, after one not counted")
    parser.add_argument("--documents", type=positive, help="documents in the database")
    parser.add_argument(
        "--subscriptions", type=positive, help="live queries where there are many, up to 100000"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on everything that one turn does"
    )
    parser.add_argument(
        "--baseline", choices=NAMES, metavar="ENGINE", default=BASELINE, help="what ratios are to"
    )
    parser.add_argument("--output", type=new_file, help="write the results there, as JSON")
    parser.add_argument(
        "--directory",
        type=existing_directory,
        help="where to put the databases, on a real disk; default: the current directory",
    )
    parser.add_argument("--plain", action="store_true", help="plain text even if rich is installed")
    return parser


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else FULL
    scaled = sizes.scaled(options.scale)
    return replace(
        scaled,
        documents=options.documents or sizes.documents,
        subscriptions=options.subscriptions or scaled.subscriptions,
    )


def _cast(options: argparse.Namespace) -> Cast:
    """Who takes part; a line on standard error for who cannot."""
    names = options.engines or (list(ENGINES) if options.quick else NAMES)
    cast = cast_of(names)
    for line in cast.missing:
        _say(line)
    return cast


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite.

    Returns:
        The exit status: 1 if engines disagree, 2 if a named one is not installed, 130 if it was
        interrupted; no file is left behind then.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] in _OTHERS:
            return _OTHERS[words[0]](words[1:])
        return _compare(_parser().parse_args(words))
    except KeyboardInterrupt:
        _say("interrupted; the databases are removed, no results are written")
        return _INTERRUPTED


def _compare(options: argparse.Namespace) -> int:
    cast = _cast(options)
    if options.engines and cast.missing:
        return 2
    with tempfile.TemporaryDirectory(
        prefix="headwater-bench-", dir=options.directory or Path.cwd()
    ) as name:
        directory = Path(name)
        if filesystem_of(directory) in _IN_MEMORY:
            _say("warning: the directory is in memory, durable workloads mean nothing there")
        _say("agree: every engine gives the same answers")
        try:
            check_agreement(cast.engines, directory, _AGREE_QUICK if options.quick else _AGREE_FULL)
            check_live_agreement(cast.live_engines, directory)
            if not PROCESSES.isdisjoint(options.workloads or PROCESSES):
                check_process_agreement(cast.engines, directory)
            _measure(options, cast, directory)
        except Disagreement as difference:
            _say(str(difference))
            return 1
    return 0


def _measure(options: argparse.Namespace, cast: Cast, directory: Path) -> None:
    started = datetime.now(UTC)
    sizes = _sizes(options)
    rounds = options.rounds or (_ROUNDS_QUICK if options.quick else _ROUNDS_FULL)
    workloads = [ALL_WORKLOADS[name] for name in options.workloads or ALL_WORKLOADS]
    # Who names a workload has the time for it.
    is_hasty = options.quick and options.workloads is None
    with ExitStack() as stack:
        stage = Stage(directory, cast.engines, cast.live_engines, sizes, is_hasty=is_hasty)
        stack.callback(stage.end)
        results = run_all(stage, workloads, rounds=rounds, baseline=options.baseline, note=_say)
    outcomes = outcomes_of(results)
    show(results, outcomes, plain=options.plain)
    if options.output is not None:
        titles = {name: engine.title for name, engine in cast.engines.items()}
        titles |= {
            name: cast.live_engines[name].title for name in LIVE_ONLY if name in cast.live_engines
        }
        document = as_json(
            results,
            sizes=sizes,
            rounds=rounds,
            engines=titles,
            directory=directory,
            started=started,
        )
        document["aims"] = [outcome.as_json() for outcome in outcomes]
        options.output.write_text(json.dumps(document, indent=1) + "\n")
        _say(f"results: {options.output}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
