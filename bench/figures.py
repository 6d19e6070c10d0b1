"""Median, spread and ratio of the figures of several rounds. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Sample = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Spread of the ratios of two peers, each within one round.

    The speed of the machine may change between rounds; it affects both runs of a round.
    """
    if len(ours) != len(theirs):
        raise ValueError("a ratio needs both peers in every round")
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])
