"""The exchanges that wait for a connection or for their turn: first in, first out.

An exchange may stop waiting at any time. It stays in the line until the line is next read, or until every
second entry is of this kind: removing it at once, or counting by looking, would cost a scan for each request.
"""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange

_FEW = 16


class WaitingLine:
    """One line. An exchange stands in one line at most, and knows it as `line`."""

    __slots__ = ("_exchanges", "_left")

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque()
        self._left = 0  # of these, how many have stopped waiting

    def __len__(self) -> int:
        """How many wait."""
        return len(self._exchanges) - self._left

    def append(self, exchange: "Exchange") -> None:
        exchange.line = self
        self._exchanges.append(exchange)

    def leave(self) -> None:
        """Note that one of the line has stopped waiting: `is_waiting` is false already."""
        self._left += 1
        if self._left > _FEW and 2 * self._left > len(self._exchanges):
            self._exchanges = deque(exchange for exchange in self._exchanges if exchange.is_waiting)
            self._left = 0

    def take(self, *, is_fresh: bool = True) -> "Exchange | None":
        """Take the first one that a connection, fresh or used, is good for."""
        passed: list[Exchange] = []
        taken: Exchange | None = None
        while taken is None and self._exchanges:
            exchange = self._exchanges.popleft()
            if not exchange.is_waiting:
                self._left -= 1
            elif is_fresh or not exchange.needs_fresh:
                taken = exchange
                exchange.line = None
            else:
                passed.append(exchange)
        self._exchanges.extendleft(reversed(passed))
        return taken
