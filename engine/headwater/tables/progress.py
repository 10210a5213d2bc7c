"""How far a long piece of work has come."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

_EVERY: Final = 1000


class Progress(NamedTuple):
    """One report.

    Attributes:
        step: What is being done, in words.
        done: Units of it that are finished, from 0 to ``total``.
        total: Units that it has.
    """

    step: str
    done: int
    total: int


Report: TypeAlias = Callable[[Progress], object]


def reported(items: Iterable[T], step: str, total: int, report: Report | None) -> Iterator[T]:
    """The items as they are, with a report at the beginning, at every thousandth and at the end.

    The report at the end says that all is done, also where ``total`` was an estimate.
    """
    if report is None:
        yield from items
        return
    report(Progress(step, 0, total))
    for done, item in enumerate(items, 1):
        yield item
        if done % _EVERY == 0:
            report(Progress(step, min(done, total), total))
    report(Progress(step, total, total))


def in_bytes(step: str, report: Report | None) -> Callable[[int, int], object] | None:
    """What storage tells of the bytes that it has copied, as reports; None if nobody listens."""
    if report is None:
        return None
    return lambda done, total: report(Progress(step, done, total))
