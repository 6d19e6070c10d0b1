"""The connections to one upstream: acquired last-in first-out, bounded, aged out, dialled when short.

An exchange that cannot be served at once waits in one fair queue with its own bound and deadline. A dial that
succeeds or an exchange that ends frees a connection, and serves the head of that queue.

An exchange may wait for a slot before it waits for a connection. PostgREST works on as many requests at a
time as it has connections to Postgres; further ones wait inside it and slow the others down: with 64 clients
it responds to a seventh less requests than with 12. A request is in flight, and holds a slot, from its last
byte until the first byte of its response, so neither an upload nor a slow reader holds a slot.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable

from typing_extensions import override

from app.errors import InternalError, UpstreamBusy, UpstreamUnreachable
from app.network import open_socket, open_unix_socket, words
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.upstream.carried import CarriedExchange
from app.proxy.upstream.connection import UpstreamConnection
from app.proxy.upstream.owner import ConnectionOwner
from app.proxy.upstream.queue import ExchangeQueue

# What makes the connection, and how many seconds it may take. Raises Unreachable
Dial = Callable[[Callable[[], UpstreamConnection], float], Awaitable[object]]


def dial_tcp(host: str, port: int) -> Dial:
    async def dial(factory: Callable[[], UpstreamConnection], seconds: float) -> object:
        return await _attach(factory, await open_socket(host, port, seconds))

    return dial


def dial_unix(path: str) -> Dial:
    async def dial(factory: Callable[[], UpstreamConnection], seconds: float) -> object:
        return await _attach(factory, await open_unix_socket(path, seconds))

    return dial


async def _attach(factory: Callable[[], UpstreamConnection], connected: socket.socket) -> object:
    try:
        loop = asyncio.get_running_loop()
        if connected.family == socket.AF_UNIX:
            return await loop.create_unix_connection(factory, sock=connected)
        return await loop.create_connection(factory, sock=connected)
    except BaseException:
        connected.close()
        raise


class UpstreamPool(ConnectionOwner[UpstreamConnection]):
    """The pool of one upstream, in one process."""

    def __init__(self, dial: Dial, limits: Limits, clock: Clock, *, slots: int = sys.maxsize) -> None:
        """`slots`: how many requests may be in flight at the same time."""
        self.limits = limits
        self.slots = slots
        self._dial = dial
        self._clock = clock
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting = ExchangeQueue()  # for a connection
        self._queued = ExchangeQueue()  # for a slot
        self._in_flight: set[UpstreamConnection] = set()
        self._is_serving_queued = False
        clock.each_tick(self._age_out)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    @property
    def queued_exchanges(self) -> int:
        return len(self._waiting) + len(self._queued)

    def acquire(self, exchange: CarriedExchange, *, fresh: bool = False) -> None:
        """Connect an exchange: at once if a connection is idle, else when one can be had.

        `fresh`: not one that may have gone stale. Ends in `exchange.connect` or `exchange.lose_upstream`.
        """
        exchange.needs_fresh = fresh
        if not self._queued and self._has_slot():
            self._serve(exchange)
        elif self._has_queue_room():
            self._queued.append(exchange)
        else:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))

    @override
    def release(self, connection: UpstreamConnection) -> None:
        exchange = self._waiting.take(is_fresh=not connection.used)
        if exchange is not None:
            exchange.note_wait()
            self._join(connection, exchange)
            return
        if self._waiting and not self._may_dial():
            connection.abandon()  # those that wait need a fresh one, which is dialled in its place
            return
        connection.idle_since = self._clock.now
        self._idle.append(connection)

    @override
    def take_slot(self, connection: UpstreamConnection) -> None:
        if not connection.responded:
            self._in_flight.add(connection)

    @override
    def free_slot(self, connection: UpstreamConnection) -> None:
        self._in_flight.discard(connection)
        if self._queued:
            self._serve_queued()

    @override
    def discard(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._dial_for_waiting()
        self.free_slot(connection)

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abandon()
        for task in list(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)

    def _has_slot(self) -> bool:
        return len(self._in_flight) + len(self._waiting) < self.slots

    def _has_queue_room(self) -> bool:
        return self.queued_exchanges < self.limits.upstream_queue

    def _serve_queued(self) -> None:
        """Serve queued exchanges while there are slots. One by one: serving one may free a slot as well."""
        if self._is_serving_queued:
            return
        self._is_serving_queued = True
        try:
            while self._has_slot() and (exchange := self._queued.take()) is not None:
                exchange.note_wait()
                self._serve(exchange)
        finally:
            self._is_serving_queued = False

    def _serve(self, exchange: CarriedExchange) -> None:
        if not exchange.needs_fresh:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    self._join(connection, exchange)
                    return
        elif self._idle and not self._may_dial():
            self._idle.pop(0).abandon()
        if self._has_queue_room():
            self._waiting.append(exchange)
            self._dial_for_waiting()
        else:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))

    def _dial_for_waiting(self) -> None:
        while len(self._dialling) < len(self._waiting) and self._may_dial():
            task = asyncio.get_running_loop().create_task(self._connect())
            self._dialling.add(task)
            task.add_done_callback(self._end_dial)

    def _end_dial(self, task: "asyncio.Task[None]") -> None:
        self._dialling.discard(task)
        self._dial_for_waiting()
        self._serve_queued()

    def _may_dial(self) -> bool:
        return len(self._open) + len(self._dialling) < self.limits.upstream_connections

    async def _connect(self) -> None:
        connection = UpstreamConnection(self)
        try:
            await self._dial(lambda: connection, self.limits.upstream_connect_seconds)
        except Exception as error:  # noqa: BLE001  whatever it is, a client waits for its response
            exchange = self._waiting.take()
            if exchange is not None:
                exchange.lose_upstream(UpstreamUnreachable(reason=words(error, "the upstream")))
            return
        self._open.add(connection)
        self.release(connection)

    def _age_out(self, now: float) -> None:
        oldest = now - self.limits.upstream_idle_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).abandon()
        if self._queued:
            self._serve_queued()

    def _join(self, connection: UpstreamConnection, exchange: CarriedExchange) -> None:
        connection.carry(exchange)
        try:
            exchange.connect(connection)
        except Exception as error:  # noqa: BLE001  a defect must not leave a client waiting
            exchange.report(error)
            connection.abandon()
            exchange.lose_upstream(InternalError())
