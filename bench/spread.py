"""The arithmetic of noisy measurements: medians with quartiles, ratios within a round."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what half of the samples lie between. Of one sample all three are it."""

    median: float
    low_quartile: float
    high_quartile: float


def spread_of(samples: Sequence[float]) -> Spread:
    """Median and quartiles, interpolated between neighbours; at least one sample."""
    ordered = sorted(samples)
    return Spread(_quantile(ordered, 0.5), _quantile(ordered, 0.25), _quantile(ordered, 0.75))


def _quantile(ordered: Sequence[float], fraction: float) -> float:
    place = fraction * (len(ordered) - 1)
    below = int(place)
    if below + 1 == len(ordered):
        return ordered[below]
    step = ordered[below + 1] - ordered[below]
    # Rounding must not lift a quartile above the greater neighbour.
    return min(ordered[below] + step * (place - below), ordered[below + 1])


def ratios(samples: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Round by round: a slow moment of the machine slows both and leaves their ratio alone."""
    return [mine / theirs for mine, theirs in zip(samples, baseline, strict=True)]
