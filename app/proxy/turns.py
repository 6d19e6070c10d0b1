"""Turns at an upstream that gets slower the more it is asked at once.

PostgREST answers as many requests at a time as it has connections to Postgres. Those beyond wait inside it,
and each costs the others time: asked by 64 clients it answers a sixth less than asked by 12. So they wait
here. A turn lasts from a request's last byte to its answer's first: neither an upload nor a slow reader takes
one from anybody.

That pays where answers are quick. Where they are slow, or the upstream can do more at once than was said,
nobody is to lose by it: whatever is at work, one request goes on each millisecond.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange
    from app.proxy.upstream import UpstreamConnection


class Turns:
    """Who may go on to the upstream, and who waits for that. `go_on` takes one that may, in order."""

    def __init__(self, at_once: int, go_on: Callable[["Exchange"], None]) -> None:
        self.at_once = at_once
        self.longest_seconds = 0.001  # between two that go on
        self.taken: set[UpstreamConnection] = set()
        self._go_on = go_on
        self._held: deque[Exchange] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._went = False  # since the timer was set

    def __len__(self) -> int:
        """How many wait."""
        return len(self._held)

    def hold(self, exchange: "Exchange") -> None:
        """Have it wait: all turns are taken."""
        self._held.append(exchange)
        if self._timer is None:
            self._set_timer()

    def end(self, connection: "UpstreamConnection") -> None:
        """Note that a turn is over, and let the next one go on."""
        self.taken.discard(connection)
        if self._held and len(self.taken) < self.at_once:
            self._let_go()

    def sweep(self) -> None:
        """Forget those that wait no more."""
        self._held = deque(exchange for exchange in self._held if exchange.is_waiting)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _let_go(self) -> None:
        while self._held:
            exchange = self._held.popleft()
            if exchange.is_waiting:
                self._went = True
                exchange.note_wait()
                self._go_on(exchange)
                return

    def _set_timer(self) -> None:
        self._went = False
        self._timer = asyncio.get_running_loop().call_later(self.longest_seconds, self._check)

    def _check(self) -> None:
        self._timer = None
        if not self._went:
            self._let_go()
        if self._held:
            self._set_timer()
