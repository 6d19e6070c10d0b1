"""The exchanges that wait for a connection or a slot: first in, first out.

An exchange may stop waiting at any time. It stays in the queue until the queue is next read, or until every
second entry is of this kind: removing it at once, or counting by looking, would cost a scan for each request.
"""

from collections import deque

from app.proxy.upstream.carried import CarriedExchange

_FEW = 16


class ExchangeQueue:
    """One queue. An exchange is in one queue at most, and leaves it by its `leave_queue`."""

    __slots__ = ("_exchanges", "_left")

    def __init__(self) -> None:
        self._exchanges: deque[CarriedExchange] = deque()
        self._left = 0  # of these, how many have stopped waiting

    def __len__(self) -> int:
        """How many wait."""
        return len(self._exchanges) - self._left

    def append(self, exchange: CarriedExchange) -> None:
        exchange.leave_queue = self.leave
        self._exchanges.append(exchange)

    def leave(self) -> None:
        """Note that an exchange has stopped waiting: `is_waiting` is false already."""
        self._left += 1
        if self._left > _FEW and 2 * self._left > len(self._exchanges):
            self._exchanges = deque(exchange for exchange in self._exchanges if exchange.is_waiting)
            self._left = 0

    def take(self, *, is_fresh: bool = True) -> CarriedExchange | None:
        """Take the first one that a connection, fresh or used, is good for."""
        passed: list[CarriedExchange] = []
        taken: CarriedExchange | None = None
        while taken is None and self._exchanges:
            exchange = self._exchanges.popleft()
            if not exchange.is_waiting:
                self._left -= 1
            elif is_fresh or not exchange.needs_fresh:
                taken = exchange
                exchange.leave_queue = None
            else:
                passed.append(exchange)
        self._exchanges.extendleft(reversed(passed))
        return taken
