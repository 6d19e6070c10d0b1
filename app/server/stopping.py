"""What a process does about a request to stop, by what it was asked before. Pure: the time comes in."""

from enum import Enum
from typing import Final

# `timeout` signals its child and then the child's process group, and a terminal signals a whole group:
# signals that come together are one request.
_TOGETHER_SECONDS: Final = 0.02


class Step(Enum):
    """What a request to stop asks for."""

    DRAIN = "drain"
    FORCE = "force"
    NONE = "none"


class StopRequests:
    """The requests to stop that one process got: the first drains, the second ends at once.

    A worker under a supervisor does not count (`counts` is false): a process manager may signal every process
    of a group, and the supervisor passes the same stop on. Only the supervisor says when a worker is forced.
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

    def ask(self, now: float) -> Step:
        """A signal arrived at `now` (monotonic seconds)."""
        if self._first is None:
            self._first = now
            return Step.DRAIN
        if not self._counts or now - self._first < _TOGETHER_SECONDS:
            return Step.NONE
        return self.force(now)

    def force(self, now: float) -> Step:
        """The supervisor ends its worker at once, or a deadline has passed."""
        if self._is_forced:
            return Step.NONE
        if self._first is None:
            self._first = now
        self._is_forced = True
        return Step.FORCE
