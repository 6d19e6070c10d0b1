"""When to ask a client that has closed its own side whether it is still there.

The first write after it has gone causes a reset, and the second meets it; a client that leaves later
is found at one of the rarer probes. There are few in all: Go's client gives up after five interim responses.
"""

from app.proxy.clock import TICK_SECONDS

_MOST = 4


class Probe:
    """One half-closed client's."""

    __slots__ = ("_made", "_next")

    def __init__(self) -> None:
        self._made = 0
        self._next = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to probe at `now` (seconds of the coarse clock); if so, it counts as done."""
        if self._made == _MOST or now < self._next:
            return False
        self._next = now + TICK_SECONDS * 4**self._made
        self._made += 1
        return True
