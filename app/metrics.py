"""Events as Prometheus metrics.

An observer keeps plain numbers, which is all a relayed request pays for; the families are only built when
somebody scrapes. Labels are bounded: routes, functions and codes are the gateway's own words, and a method
that is not one of the usual counts as OTHER.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from app.events import (
    Event,
    FunctionCalled,
    LimitReached,
    RelayAborted,
    RequestRefused,
    RequestRelayed,
    SessionRenewed,
)

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})

Gauge = tuple[str, str, Callable[[], float]]


class Histogram:
    """Counts of durations, in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        cumulated, so_far = [], 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.counts, strict=True):
            so_far += count
            cumulated.append((bound, float(so_far)))
        return cumulated


class Metrics(Collector):
    """Counts what the events tell, and reads the gauges it is given."""

    def __init__(self, gauges: tuple[Gauge, ...] = ()) -> None:
        self._gauges = gauges
        self._relayed: dict[tuple[str, bytes, int], int] = {}
        self._durations: dict[str, Histogram] = {}
        self._refused: Counter[tuple[str, int]] = Counter()
        self._aborted: Counter[str] = Counter()
        self._functions: Counter[tuple[str, int]] = Counter()
        self._renewals: Counter[str] = Counter()
        self._limits: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, event: Event) -> None:
        if isinstance(event, RequestRelayed):
            self._count_relayed(event)
            return
        match event:
            case RequestRefused():
                self._refused[event.code, event.status] += 1
            case RelayAborted():
                self._aborted[event.route] += 1
            case FunctionCalled():
                self._functions[event.name, event.status] += 1
            case SessionRenewed():
                self._renewals["renewed" if event.is_renewed else "refused"] += 1
            case LimitReached():
                self._limits[event.name, event.scope] += 1
            case _:
                pass

    def _count_relayed(self, event: RequestRelayed) -> None:
        key = (event.route, event.method if event.method in _METHODS else b"OTHER", event.status)
        self._relayed[key] = self._relayed.get(key, 0) + 1
        histogram = self._durations.get(event.route)
        if histogram is None:
            histogram = self._durations[event.route] = Histogram()
        histogram.add(event.seconds)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)

    @override
    def collect(self) -> Iterator[Metric]:
        relayed = CounterMetricFamily(
            "gateway_requests_relayed", "Answers relayed, whole.", labels=["route", "method", "status"]
        )
        for (route, method, status), count in self._relayed.items():
            relayed.add_metric([route, method.decode(), str(status)], count)
        yield relayed
        durations = HistogramMetricFamily(
            "gateway_relay_duration_seconds", "From a request's head to its answer's end.", labels=["route"]
        )
        for route, histogram in self._durations.items():
            durations.add_metric([route], histogram.buckets(), histogram.total)
        yield durations
        yield _family("requests_refused", "Answers of the gateway's own.", ("code", "status"), self._refused)
        yield _family("relays_aborted", "Relays that ended early.", ("route",), self._aborted)
        yield _family("function_calls", "Auth functions called.", ("function", "status"), self._functions)
        yield _family("session_renewals", "Renewals inside of requests.", ("result",), self._renewals)
        yield _family("limits_reached", "Calls beyond a limit.", ("function", "scope"), self._limits)
        for name, help_text, read in self._gauges:
            yield GaugeMetricFamily(f"gateway_{name}", help_text, value=read())


def _family(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    counts: "Counter[str] | Counter[tuple[str, int]] | Counter[tuple[str, str]]",
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"gateway_{name}", help_text, labels=labels)
    for key, count in counts.items():
        values = key if isinstance(key, tuple) else (key,)
        family.add_metric([str(value) for value in values], count)
    return family
