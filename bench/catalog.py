"""All workloads by name, in the order in which they are run."""

from typing import Final

from bench.footprint import FOOTPRINTS
from bench.live import LIVE_WORKLOADS
from bench.past import PAST_WORKLOADS
from bench.suite import AnyWorkload
from bench.workloads import WORKLOADS

ALL_WORKLOADS: Final[dict[str, AnyWorkload]] = {
    **WORKLOADS,
    **{found.name: found for found in (*LIVE_WORKLOADS, *PAST_WORKLOADS, *FOOTPRINTS)},
}
