"""Workloads with contestants of their own: not every engine at one thing, but one at several."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from bench.adapters.contract import Engine
from bench.adapters.live_contract import LiveEngine
from bench.measure import Contestant
from bench.sizes import Sizes


class Place(Protocol):
    """Where such a workload takes place."""

    @property
    def sizes(self) -> Sizes:
        """How much a turn does."""
        ...

    @property
    def engines(self) -> Mapping[str, type[Engine]]:
        """Those that are compared, by name."""
        ...

    @property
    def live_engines(self) -> Mapping[str, type[LiveEngine]]:
        """Those with live queries, by name."""
        ...

    def new_directory(self) -> Path:
        """An empty directory."""
        ...


def _no_failures() -> int:
    return 0


class Variant(NamedTuple):
    """One contestant, how to end what was opened for it, and how many writes it gave up."""

    contestant: Contestant
    end: Callable[[], object]
    failures: Callable[[], int] = _no_failures


Samples: TypeAlias = Mapping[str, list[float]]
"""Units per second of each contestant, one per round."""


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """A workload that makes its own contestants; the first is the baseline.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        unit: What is counted per second.
        variants: Makes them one by one.
        derive: Rows that follow from those measured, like a bound for them; None for none.
    """

    name: str
    title: str
    unit: str
    variants: Callable[[Place], Iterator[Variant]]
    derive: Callable[[Samples], Samples] | None = None
