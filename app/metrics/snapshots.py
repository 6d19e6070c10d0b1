"""The numbers of a process at one moment, as values that can be added, encoded and decoded."""

import json
from dataclasses import dataclass, field
from typing import Any

Labels = tuple[str, ...]
Counts = tuple[tuple[int, ...], float]  # the count of each bucket, and the sum of the values


@dataclass(slots=True)
class Snapshot:
    """Values by family and labels. A missing value is 0."""

    counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, Counts]] = field(default_factory=dict)
    gauges: dict[str, dict[Labels, float]] = field(default_factory=dict)

    def count(self, family: str, labels: Labels, value: float) -> None:
        counted = self.counters.setdefault(family, {})
        counted[labels] = counted.get(labels, 0) + value

    def add_histogram(self, family: str, labels: Labels, counts: Counts) -> None:
        known = self.histograms.setdefault(family, {})
        buckets, total = known.get(labels, ((0,) * len(counts[0]), 0.0))
        known[labels] = tuple(map(sum, zip(buckets, counts[0], strict=True))), total + counts[1]

    def add_totals(self, other: "Snapshot") -> None:
        """Add the counters and histograms of another snapshot."""
        for family, values in other.counters.items():
            for labels, value in values.items():
                self.count(family, labels, value)
        for family, histograms in other.histograms.items():
            for labels, counts in histograms.items():
                self.add_histogram(family, labels, counts)

    def encode(self) -> bytes:
        plain = {
            name: {family: list(values.items()) for family, values in getattr(self, name).items()}
            for name in ("counters", "histograms", "gauges")
        }
        return json.dumps(plain, separators=(",", ":")).encode()


def decode(data: bytes) -> Snapshot:
    plain: Any = json.loads(data)
    counters, histograms, gauges = (plain[name].items() for name in ("counters", "histograms", "gauges"))
    return Snapshot(
        {family: {tuple(labels): value for labels, value in rows} for family, rows in counters},
        {
            family: {tuple(labels): (tuple(buckets), total) for labels, (buckets, total) in rows}
            for family, rows in histograms
        },
        {family: {tuple(labels): value for labels, value in rows} for family, rows in gauges},
    )
