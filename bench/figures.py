"""Arithmetic on the figures of several rounds: median, spread, ratio within a round. Pure."""

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
    """Spread of the ratios of runs that stood side by side in the same round.

    The machine may be slower in one round than in the next; both runs of a round feel it alike.
    """
    if len(ours) != len(theirs):
        raise ValueError("a ratio needs both peers in every round")
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])
