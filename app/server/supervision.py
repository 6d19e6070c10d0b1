"""When workers are started, restarted, or given up. Pure: the caller passes the time.

A worker is ready when it reports that it serves; a start may take any time.
"""

from dataclasses import dataclass
from typing import Final

FAILED_STARTS: Final = 5  # in a row, of a worker that was never ready
_FIRST_DELAY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 10.0
_HEALTHY_SECONDS: Final = 10.0  # a worker that ran for so long resets the count of failures


@dataclass(slots=True)
class _Worker:
    due: float | None = 0.0  # when to start it (monotonic seconds); None: it runs, or is not restarted
    is_running: bool = False
    ready_since: float | None = None  # of the running process
    has_been_ready: bool = False  # any process of this index
    failures: int = 0  # consecutive ends, each before _HEALTHY_SECONDS


class Supervision:
    """The workers of one supervisor, by worker index."""

    def __init__(self, count: int) -> None:
        self._workers = [_Worker() for _ in range(count)]
        self._is_stopping = False
        self.given_up: int | None = None

    @property
    def is_over(self) -> bool:
        return self._is_stopping and not any(worker.is_running for worker in self._workers)

    def due(self, now: float) -> list[int]:
        """The indexes of the workers to start now."""
        return [
            index
            for index, worker in enumerate(self._workers)
            if worker.due is not None and worker.due <= now
        ]

    def wait_seconds(self, now: float) -> float | None:
        """Seconds until the next start; None if none is due."""
        times = [worker.due for worker in self._workers if worker.due is not None]
        return max(0.0, min(times) - now) if times else None

    def started(self, index: int) -> None:
        worker = self._workers[index]
        worker.due, worker.is_running, worker.ready_since = None, True, None

    def became_ready(self, index: int, now: float) -> None:
        worker = self._workers[index]
        worker.ready_since, worker.has_been_ready = now, True

    def exited(self, index: int, now: float) -> float | None:
        """A process has ended. Returns the seconds until its restart, or None without one.

        If a worker that was never ready fails five times in a row, all workers stop: the next start would
        fail too, and a part of the workers is not what the settings ask for.
        """
        worker = self._workers[index]
        if worker.ready_since is not None and now - worker.ready_since >= _HEALTHY_SECONDS:
            worker.failures = 0
        worker.is_running, worker.ready_since = False, None
        if self._is_stopping:
            return None
        worker.failures += 1
        if not worker.has_been_ready and worker.failures >= FAILED_STARTS:
            self.given_up = index
            self.stop()
            return None
        # The exponent is bounded: a worker may fail for weeks
        delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * (1 << min(worker.failures - 1, 8)))
        worker.due = now + delay
        return delay

    def stop(self) -> None:
        """Start no more workers."""
        self._is_stopping = True
        for worker in self._workers:
            worker.due = None
