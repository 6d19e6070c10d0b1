"""The connections to one upstream: lent last-in first-out, bounded, aged out, dialled when short.

Whoever cannot be served at once waits in one fair queue with its own bound and deadline. Whatever frees a
connection, a dial that succeeds or an exchange that ends, serves the head of that queue. An upstream that is
not to be asked too much at once has a wait for one's turn before it.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app.errors import InternalError, UpstreamBusy, UpstreamUnreachable
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.turns import Turns
from app.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange

Dial = Callable[[Callable[[], UpstreamConnection]], Awaitable[object]]


def dial_tcp(host: str, port: int) -> Dial:
    async def dial(factory: Callable[[], UpstreamConnection]) -> object:
        return await asyncio.get_running_loop().create_connection(factory, host, port)

    return dial


def dial_unix(path: str) -> Dial:
    async def dial(factory: Callable[[], UpstreamConnection]) -> object:
        return await asyncio.get_running_loop().create_unix_connection(factory, path)

    return dial


class UpstreamPool:
    """The pool of one upstream, in one process."""

    def __init__(self, dial: Dial, limits: Limits, clock: Clock, *, at_once: int = sys.maxsize) -> None:
        """`at_once`: how many requests the upstream is to work on at the same time."""
        self.limits = limits
        self.turns = Turns(at_once, self._serve)
        self._dial = dial
        self._clock = clock
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting: deque[Exchange] = deque()
        clock.each_tick(self._age_out)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    @property
    def waiting_exchanges(self) -> int:
        return len(self._waiting) + len(self.turns)

    def lend(self, exchange: "Exchange", *, fresh: bool = False) -> None:
        """Connect an exchange: at once if a connection is idle, else when one can be had.

        `fresh`: not one that may have gone stale. Ends in `exchange.connect` or `exchange.lose_upstream`.
        """
        exchange.needs_fresh = fresh
        if len(self.turns.taken) + len(self._waiting) < self.turns.at_once:
            self._serve(exchange)
        elif self.waiting_exchanges < self.limits.upstream_queue:
            self.turns.hold(exchange)
        else:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take a connection that is in step again."""
        exchange = self._next_waiting(is_fresh=not connection.used)
        if exchange is not None:
            exchange.note_wait()
            self._join(connection, exchange)
            return
        connection.idle_since = self._clock.now
        self._idle.append(connection)

    def end_turn(self, connection: UpstreamConnection) -> None:
        """Note that the upstream is done with a request, or waits for more of it."""
        self.turns.end(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Note that a connection is gone."""
        self.turns.end(connection)
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._dial_for_waiting()

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abandon()
        self.turns.close()
        for task in list(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)

    def _serve(self, exchange: "Exchange") -> None:
        if not exchange.needs_fresh:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    self._join(connection, exchange)
                    return
        if len(self._waiting) >= self.limits.upstream_queue:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))
            return
        self._waiting.append(exchange)
        self._dial_for_waiting()

    def _next_waiting(self, *, is_fresh: bool) -> "Exchange | None":
        """Take the first in the queue that a connection, fresh or used, is good for."""
        for exchange in self._waiting:
            if exchange.is_waiting and (is_fresh or not exchange.needs_fresh):
                self._waiting.remove(exchange)
                return exchange
        return None

    def _dial_for_waiting(self) -> None:
        while len(self._dialling) < len(self._waiting) and self._has_room():
            task = asyncio.get_running_loop().create_task(self._connect())
            self._dialling.add(task)
            task.add_done_callback(self._end_dial)

    def _end_dial(self, task: "asyncio.Task[None]") -> None:
        self._dialling.discard(task)
        self._dial_for_waiting()

    def _has_room(self) -> bool:
        return len(self._open) + len(self._dialling) < self.limits.upstream_connections

    async def _connect(self) -> None:
        connection = UpstreamConnection(self)
        try:
            async with asyncio.timeout(self.limits.upstream_connect_seconds):
                await self._dial(lambda: connection)
        except Exception as error:  # noqa: BLE001  a name that cannot be looked up is no OSError
            exchange = self._next_waiting(is_fresh=True)
            if exchange is not None:
                exchange.lose_upstream(UpstreamUnreachable(reason=type(error).__name__))
            return
        self._open.add(connection)
        self.give_back(connection)

    def _age_out(self, now: float) -> None:
        oldest = now - self.limits.upstream_idle_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).abandon()
        self.turns.sweep()
        if self._waiting:
            self._waiting = deque(exchange for exchange in self._waiting if exchange.is_waiting)

    def _join(self, connection: UpstreamConnection, exchange: "Exchange") -> None:
        connection.carry(exchange)
        self.turns.taken.add(connection)
        try:
            exchange.connect(connection)
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
            exchange.report(error)
            connection.abandon()
            exchange.lose_upstream(InternalError())
