"""The metrics of one process: its counters and gauges, combined with those of other processes."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.metrics.exposition import Exposition
from app.metrics.numbers import Numbers
from app.metrics.shared import SharedNumbers
from app.metrics.snapshots import Snapshot

# By family, and by label values if it has labels
Gauges = Mapping[str, float | Mapping[tuple[str, ...], float]]

_STATM: Final = Path("/proc/self/statm")  # Linux only
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Meter:
    """`totals`: counters of other objects. `shared`, `worker_index`: where this process publishes."""

    def __init__(
        self,
        numbers: Numbers,
        gauges: Callable[[], Gauges],
        *,
        totals: Callable[[], Mapping[str, float]] = dict,
        shared: SharedNumbers | None = None,
        worker_index: int = 0,
    ) -> None:
        self._numbers = numbers
        self._gauges = gauges
        self._totals = totals
        self._shared = shared
        self._worker_index = worker_index
        past = shared.read(worker_index) if shared is not None else None
        if past is not None:
            numbers.continue_from(past)

    def publish(self) -> None:
        """Publish this process's numbers to the others."""
        if self._shared is not None:
            self._shared.write(self._worker_index, self.snapshot())

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes, with the numbers of all processes."""
        if self._shared is None:
            return Exposition([self.snapshot()]).text()
        self.publish()
        return Exposition(self._shared.read_all()).text()

    def snapshot(self) -> Snapshot:
        snapshot = self._numbers.snapshot()
        snapshot.count("worker_starts", (), 1)
        snapshot.count("cpu_seconds", (), time.process_time())
        for family, total in self._totals().items():
            snapshot.count(family, (), total)
        for family, value in self._gauges().items():
            snapshot.gauges[family] = {(): value} if isinstance(value, float | int) else dict(value)
        snapshot.gauges["workers"] = {(): 1}
        if _STATM.exists():
            resident = int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE
            snapshot.gauges["resident_memory_bytes"] = {(): resident}
        return snapshot
