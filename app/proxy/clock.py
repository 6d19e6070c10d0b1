"""A coarse clock, and the one timer behind every deadline of the proxy lane.

A timer object for each request costs more than the request's own bookkeeping. Here a phase that may take
too long notes the coarse time it began, and one sweep a tick looks for those that have.
"""

import asyncio
from collections.abc import Callable

TICK_SECONDS = 0.5


class Clock:
    """Monotonic seconds, up to one tick behind."""

    __slots__ = ("_handle", "_loop", "_sweeps", "now", "passed")

    def __init__(self) -> None:
        self.now = 0.0
        self.passed = 0.0  # since the tick before
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._sweeps: list[Callable[[float], None]] = []

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def each_tick(self, sweep: Callable[[float], None]) -> None:
        self._sweeps.append(sweep)

    def _tick(self) -> None:
        assert self._loop is not None  # noqa: S101  started
        self._handle = self._loop.call_later(TICK_SECONDS, self._tick)
        now = self._loop.time()
        # A loop that was held up has not read meanwhile: that time does not count against its peers.
        self.passed = min(now - self.now, 2 * TICK_SECONDS)
        self.now = now
        for sweep in self._sweeps:
            sweep(self.now)
