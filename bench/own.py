"""Workloads with contestants of their own: not every engine at one thing, but one at several."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

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


class Variant(NamedTuple):
    """One contestant, and how to end what was opened for it."""

    contestant: Contestant
    end: Callable[[], object]


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """A workload that makes its own contestants; the first is the baseline.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        unit: What is counted per second.
        variants: Makes them one by one.
    """

    name: str
    title: str
    unit: str
    variants: Callable[[Place], Iterator[Variant]]
