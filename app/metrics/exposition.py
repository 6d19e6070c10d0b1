"""The text that Prometheus scrapes: the totals of all processes, and the gauges of running ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from app.metrics.families import BOUNDS, FAMILIES, Family
from app.metrics.snapshots import Counts, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_TOGETHER: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


class Exposition(Collector):
    """One scrape."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._gauges = [snapshot.gauges for snapshot in snapshots]
        self._totals = Snapshot()
        for snapshot in snapshots:
            self._totals.add_totals(snapshot)

    def text(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    @override
    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            if family.kind == "counter":
                yield self._counter(family)
            elif family.kind == "histogram":
                yield self._histogram(family)
            else:
                yield from self._gauge(family)

    def _counter(self, family: Family) -> Metric:
        metric = CounterMetricFamily(family.prefix + family.key, family.about, labels=family.labels)
        counted = dict.fromkeys(family.known, 0.0) | self._totals.counters.get(family.key, {})
        for labels, value in sorted(counted.items()):
            metric.add_metric(labels, value)
        return metric

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.about, labels=family.labels)
        for labels, counts in sorted(self._totals.histograms.get(family.key, {}).items()):
            metric.add_metric(labels, _buckets(counts), counts[1])
        return metric

    def _gauge(self, family: Family) -> Iterator[Metric]:
        read: dict[tuple[str, ...], list[float]] = {}
        for gauges in self._gauges:
            for labels, value in gauges.get(family.key, {}).items():
                read.setdefault(labels, []).append(value)
        metric = GaugeMetricFamily(family.name, family.about, labels=family.labels)
        for labels, values in sorted(read.items()):
            metric.add_metric(labels, _TOGETHER[family.together](values))
        if read:
            yield metric


def _buckets(counts: Counts) -> list[tuple[str, float]]:
    cumulated, so_far = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts[0], strict=True):
        so_far += count
        cumulated.append((bound, float(so_far)))
    return cumulated
