"""Metrics: the numbers of one process, their sum over several, and the text format of Prometheus."""

from app.metrics.exposition import CONTENT_TYPE
from app.metrics.families import FAMILIES, Family
from app.metrics.meter import Gauges, Meter
from app.metrics.numbers import Numbers
from app.metrics.shared import SharedNumbers

__all__ = ["CONTENT_TYPE", "FAMILIES", "Family", "Gauges", "Meter", "Numbers", "SharedNumbers"]
