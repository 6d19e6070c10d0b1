"""How a process handles requests to stop. Pure: the caller passes the time."""

from enum import Enum
from typing import Final

# `timeout` signals its child and then the child's process group, and a terminal signals a whole group, so
# signals within this time are one request
_TOGETHER_SECONDS: Final = 0.02


class Step(Enum):
    """The action for a request to stop."""

    DRAIN = "drain"
    FORCE = "force"
    NONE = "none"


class StopRequests:
    """The requests to stop of one process: the first drains, the second forces the end.

    A worker under a supervisor does not count requests (`counts` is false): a process manager may signal
    every process of a group, and the supervisor forwards the same request. Only the supervisor forces a
    worker.
    """

    def __init__(self, *, counts: bool = True) -> None:
        self._counts = counts
        self._first: float | None = None
        self._is_forced = False

    @property
    def is_stopping(self) -> bool:
        return self._first is not None

    @property
    def is_forced(self) -> bool:
        return self._is_forced

    def request(self, now: float) -> Step:
        """A signal arrived at `now` (monotonic seconds)."""
        if self._first is None:
            self._first = now
            return Step.DRAIN
        if not self._counts or now - self._first < _TOGETHER_SECONDS:
            return Step.NONE
        return self.force(now)

    def force(self, now: float) -> Step:
        """The supervisor forces its worker, or a deadline has passed."""
        if self._is_forced:
            return Step.NONE
        if self._first is None:
            self._first = now
        self._is_forced = True
        return Step.FORCE
