"""When each of several workers is started, started again, or given up. Pure: the time comes in.

A worker "comes up" when it says that it serves; nothing here measures how long a start may take.
"""

from dataclasses import dataclass
from typing import Final

FAILED_STARTS: Final = 5  # in a row, of a worker that never came up
_FIRST_DELAY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 10.0
_HEALTHY_SECONDS: Final = 10.0  # up for so long, a worker has recovered from what ended the ones before


@dataclass(slots=True)
class _Worker:
    due: float | None = 0.0  # when to start it; None: it runs, or is not started again
    is_running: bool = False
    up_since: float | None = None  # of the process that runs
    has_been_up: bool = False  # any process of this index
    failures: int = 0  # ends in a row, without a healthy time in between


class Supervision:
    """The workers of one supervisor, by their index."""

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
        """How long nothing is to be started; None: for as long as nothing happens."""
        times = [worker.due for worker in self._workers if worker.due is not None]
        return max(0.0, min(times) - now) if times else None

    def started(self, index: int) -> None:
        worker = self._workers[index]
        worker.due, worker.is_running, worker.up_since = None, True, None

    def came_up(self, index: int, now: float) -> None:
        worker = self._workers[index]
        worker.up_since, worker.has_been_up = now, True

    def ended(self, index: int, now: float) -> float | None:
        """A process ended: the seconds until the next one starts, or None if none does.

        After five failed starts in a row of a worker that never came up, all of them stop: what ends it would
        end the next one too, and a part of the workers is not what was asked for.
        """
        worker = self._workers[index]
        if worker.up_since is not None and now - worker.up_since >= _HEALTHY_SECONDS:
            worker.failures = 0
        worker.is_running, worker.up_since = False, None
        if self._is_stopping:
            return None
        worker.failures += 1
        if not worker.has_been_up and worker.failures >= FAILED_STARTS:
            self.given_up = index
            self.stop()
            return None
        # A worker may fail for weeks
        delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * (1 << min(worker.failures - 1, 8)))
        worker.due = now + delay
        return delay

    def stop(self) -> None:
        """Start nothing any more."""
        self._is_stopping = True
        for worker in self._workers:
            worker.due = None
