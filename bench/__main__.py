"""``python -m bench``: measure, print tables, write JSON."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import soak, waking
from bench.adapters.catalog import BASELINE, ENGINES
from bench.adapters.contract import Engine
from bench.agree import Disagreement, check_agreement
from bench.headwater_only import OWN_WORKLOADS, OwnWorkload
from bench.report import show
from bench.results import as_json, filesystem_of
from bench.suite import Stage, run_all
from bench.workloads import FULL, QUICK, WORKLOADS, Sizes, Workload

_ROUNDS_QUICK: Final = 3
_ROUNDS_FULL: Final = 7
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


_OTHERS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "soak": soak.main,
    "wake": waking.main,
}
"""What is no comparison: `python -m bench soak --help`."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Headwater beside its peers, on the same documents, in the same run.",
        epilog="Engines: "
        + ", ".join(ENGINES)
        + ". Workloads: "
        + ", ".join(_all_workloads())
        + ". Of their own: python -m bench wake, python -m bench soak.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), metavar="ENGINE", help="default: all"
    )
    parser.add_argument(
        "--workloads", nargs="+", choices=_all_workloads(), metavar="WORKLOAD", help="default: all"
    )
    parser.add_argument("--rounds", type=_positive, help="turns per engine, after one not counted")
    parser.add_argument("--documents", type=_positive, help="documents in the database")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on everything that one turn does"
    )
    parser.add_argument(
        "--baseline", choices=list(ENGINES), default=BASELINE, help="what ratios are to"
    )
    parser.add_argument("--output", type=Path, help="write the results there, as JSON")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where to put the databases, on a real disk; default: the current directory",
    )
    parser.add_argument("--plain", action="store_true", help="plain text even if rich is installed")
    return parser


def _all_workloads() -> list[str]:
    return [*WORKLOADS, *OWN_WORKLOADS]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else FULL
    documents = options.documents or sizes.documents
    return replace(sizes.scaled(options.scale), documents=documents)


def _workloads(options: argparse.Namespace) -> list[Workload | OwnWorkload]:
    known: dict[str, Workload | OwnWorkload] = {**WORKLOADS, **OWN_WORKLOADS}
    return [known[name] for name in options.workloads or known]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite. Returns the exit status: 1 if engines disagree."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _OTHERS:
        return _OTHERS[words[0]](words[1:])
    options = _parser().parse_args(arguments)
    engines: dict[str, type[Engine]] = {name: ENGINES[name] for name in options.engines or ENGINES}
    with tempfile.TemporaryDirectory(
        prefix="headwater-bench-", dir=options.directory or Path.cwd()
    ) as name:
        directory = Path(name)
        if filesystem_of(directory) in _IN_MEMORY:
            _say("warning: the directory is in memory, durable workloads mean nothing there")
        _say("agree: every engine gives the same answers")
        try:
            check_agreement(engines, directory)
        except Disagreement as difference:
            _say(str(difference))
            return 1
        _measure(options, engines, directory)
    return 0


def _measure(
    options: argparse.Namespace, engines: dict[str, type[Engine]], directory: Path
) -> None:
    started = datetime.now(UTC)
    sizes = _sizes(options)
    rounds = options.rounds or (_ROUNDS_QUICK if options.quick else _ROUNDS_FULL)
    with ExitStack() as stack:
        stage = Stage(directory, engines, sizes)
        stack.callback(stage.end)
        results = run_all(
            stage, _workloads(options), rounds=rounds, baseline=options.baseline, note=_say
        )
    show(results, plain=options.plain)
    if options.output is not None:
        document = as_json(
            results,
            sizes=sizes,
            rounds=rounds,
            engines={name: engine.title for name, engine in engines.items()},
            directory=directory,
            started=started,
        )
        options.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
