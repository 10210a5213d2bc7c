"""All workloads by name, in the order in which they are run."""

from typing import Final

from bench.affected import AFFECTED_WORKLOADS
from bench.beside import BESIDE_WORKLOADS
from bench.footprint import FOOTPRINTS, Footprint
from bench.live import LIVE_WORKLOADS
from bench.own import OwnWorkload
from bench.past import PAST_WORKLOADS
from bench.several import PROCESS_WORKLOADS
from bench.suite import AnyWorkload
from bench.workloads import WORKLOADS

_OTHERS: Final[tuple[OwnWorkload | Footprint, ...]] = (
    *PROCESS_WORKLOADS,
    *BESIDE_WORKLOADS,
    *LIVE_WORKLOADS,
    *AFFECTED_WORKLOADS,
    *PAST_WORKLOADS,
    *FOOTPRINTS,
)

ALL_WORKLOADS: Final[dict[str, AnyWorkload]] = {
    **WORKLOADS,
    **{found.name: found for found in _OTHERS},
}
