"""``python -m bench compare``: what got slower, between two files of results or two commits."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench.commits import NoSuchCommit, measure_commits
from bench.options import existing_directory, positive
from bench.reading import (
    Figure,
    Figures,
    Place,
    UnreadableResults,
    figures_of,
    read_results,
    together,
)
from bench.spread import Spread

Verdict = Literal["slower", "faster", "larger", "smaller", "fails", "", "gone", "new", "other"]

_WORSE: Final = frozenset({"slower", "larger", "fails"})
TOLERANCE: Final = 0.05
"""Less than that is called the same, however little the samples spread."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure, before and after.

    Attributes:
        place: What it is of.
        old: None if it is new.
        new: None if it is gone.
        quotient: New by old, with what the quartiles of both allow; None if they are not of the
            same kind.
        verdict: Empty if nothing was shown.
    """

    place: Place
    old: Figure | None
    new: Figure | None
    quotient: Spread | None
    verdict: Verdict

    @property
    def is_worse(self) -> bool:
        """Whether it got slower or larger beyond its spread, or fails now."""
        return self.verdict in _WORSE


def compare(old: Figures, new: Figures, *, tolerance: float = TOLERANCE) -> list[Change]:
    """Every figure of either, in the order of the new ones; those that are gone come last."""
    places = [*new, *(place for place in old if place not in new)]
    return [_change(place, old.get(place), new.get(place), tolerance) for place in places]


def _change(place: Place, old: Figure | None, new: Figure | None, tolerance: float) -> Change:
    if old is None or new is None:
        return Change(place, old, new, None, "new" if old is None else "gone")
    if (old.kind, old.baseline) != (new.kind, new.baseline):
        return Change(place, old, new, None, "other")
    before, after = old.spread, new.spread
    quotient = Spread(
        after.median / before.median,
        after.low_quartile / before.high_quartile,
        after.high_quartile / before.low_quartile,
    )
    return Change(place, old, new, quotient, _verdict(old, new, quotient, tolerance))


def _verdict(old: Figure, new: Figure, quotient: Spread, tolerance: float) -> Verdict:
    if new.failures > 0 and old.failures == 0:
        return "fails"
    is_size = new.kind == "bytes"
    if quotient.high_quartile < 1 and quotient.median < 1 - tolerance:
        return "smaller" if is_size else "slower"
    if quotient.low_quartile > 1 and quotient.median > 1 + tolerance:
        return "larger" if is_size else "faster"
    return ""


def _cells(change: Change) -> tuple[str, ...]:
    figure = change.new or change.old
    assert figure is not None
    kind = f"ratio to {figure.baseline}" if figure.kind == "ratio" else figure.kind
    quotient = change.quotient
    return (
        *change.place,
        kind,
        _median(change.old),
        _median(change.new),
        ""
        if quotient is None
        else f"{quotient.median:.2f} [{quotient.low_quartile:.2f}..{quotient.high_quartile:.2f}]",
        "not the same measure" if change.verdict == "other" else change.verdict,
    )


def _median(figure: Figure | None) -> str:
    if figure is None:
        return ""
    digits = 2 if figure.kind == "ratio" else 0
    return f"{figure.spread.median:,.{digits}f}"


_COLUMNS: Final = ("workload", "contestant", "measure", "old", "new", "new / old", "verdict")


def table(changes: Sequence[Change]) -> str:
    """Plain text, a line for each change."""
    lines = [_COLUMNS, *map(_cells, changes)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 3 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What makes two runs hard to compare, in words."""
    found: list[str] = []
    for part in ("machine", "versions", "settings"):
        for key in sorted({*old[part], *new[part]} - {"headwater", "engines"}):
            mine, theirs = old[part].get(key), new[part].get(key)
            if mine != theirs:
                found.append(f"{part}: {key} was {mine}, is {theirs}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench compare",
        description="Say what got slower beyond its spread; the exit status is 1 then.",
        epilog="With --commits everything behind -- goes to the suite: "
        "python -m bench compare --commits main HEAD -- --quick --workloads get scan-20",
    )
    parser.add_argument("files", nargs="*", type=Path, help="old.json new.json")
    parser.add_argument(
        "--commits", nargs=2, metavar=("OLD", "NEW"), help="measure these, in turns"
    )
    parser.add_argument(
        "--repeat", type=positive, default=2, help="runs of each commit; default: 2"
    )
    parser.add_argument("--all", action="store_true", help="peers too, not only Headwater")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="what is called the same, as a share; default: %(default)s",
    )
    parser.add_argument(
        "--directory", type=existing_directory, default=Path.cwd(), help="default: here"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print a table. Returns 1 if something got worse, 2 if it cannot be compared."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    at = words.index("--") if "--" in words else len(words)
    parser = _parser()
    options = parser.parse_args(words[:at])
    if (options.commits is None) != (len(options.files) == 2):
        parser.error("expected two files of results, or --commits OLD NEW")
    try:
        old, new = _both(options, words[at + 1 :])
    except (UnreadableResults, NoSuchCommit, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    changes = compare(
        together(map(figures_of, old)), together(map(figures_of, new)), tolerance=options.tolerance
    )
    shown = [change for change in changes if options.all or _is_ours(change.place)]
    for line in differences(old[0], new[0]):
        print(f"note: {line}")
    print(table(shown))
    worse = [change for change in shown if change.is_worse]
    print(f"{len(worse)} of {len(shown)} got worse" if worse else "nothing got worse")
    return 1 if worse else 0


def _both(
    options: argparse.Namespace, suite: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if options.commits is None:
        old, new = map(read_results, options.files)
        return [old], [new]
    return measure_commits(
        options.commits, suite, repeat=options.repeat, directory=options.directory
    )


def _is_ours(place: Place) -> bool:
    return place.contestant.partition(",")[0] == "headwater"
