"""``python -m bench report``: tables of results that were measured before."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.aims import AIMS, GROWTH_AIMS, outcomes_of
from bench.height import growths_of
from bench.markdown import caption, markdown, tables_of
from bench.reading import UnreadableResults, only, read_results, workloads_of
from bench.report import aims_table, growth_table, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Print. Returns the exit status: 2 if there is nothing to read."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument("results", type=Path, help="what --output of the suite or of growth wrote")
    parser.add_argument("--workloads", nargs="+", metavar="WORKLOAD", help="default: all")
    parser.add_argument("--markdown", action="store_true", help="as documentation has them")
    parser.add_argument("--plain", action="store_true", help="plain text even if rich is installed")
    options = parser.parse_args(arguments)
    try:
        results = only(read_results(options.results), options.workloads)
    except (UnreadableResults, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.markdown:
        print(_as_markdown(results), end="")
    else:
        workloads = workloads_of(results)
        outcomes = outcomes_of(workloads, (*AIMS, *GROWTH_AIMS))
        show(workloads, outcomes, growths_of(workloads), plain=options.plain)
    return 0


def _as_markdown(results: dict[str, Any]) -> str:
    """All of it; the aims are those of today."""
    workloads = workloads_of(results)
    outcomes = outcomes_of(workloads, (*AIMS, *GROWTH_AIMS))
    parts = [caption(results)]
    parts += map(markdown, tables_of(workloads, list(results["settings"]["engines"])))
    growths = growths_of(workloads)
    if growths:
        parts.append(markdown(growth_table(growths), left=2))
    if outcomes:
        parts.append(markdown(aims_table(outcomes), left=3))
    return "\n".join(parts)
