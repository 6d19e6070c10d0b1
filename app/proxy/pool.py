"""The connections to one upstream: lent last-in first-out, bounded, aged out, dialled when short.

Whoever cannot be served at once waits in one fair queue with its own bound and deadline. Whatever frees a
connection, a dial that succeeds or an exchange that ends, serves the head of that queue.

Before it there may be a wait for one's turn. PostgREST answers as many requests at a time as it has
connections to Postgres; those beyond wait inside it, and each costs the others time: asked by 64 clients it
answers a seventh less than asked by 12. A turn lasts from a request's last byte to its answer's first, so
neither an upload nor a slow reader takes one from anybody.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app.errors import InternalError, UpstreamBusy, UpstreamUnreachable
from app.network import open_socket, open_unix_socket, words
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.upstream import UpstreamConnection
from app.proxy.waiting import WaitingLine

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange

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


class UpstreamPool:
    """The pool of one upstream, in one process."""

    def __init__(self, dial: Dial, limits: Limits, clock: Clock, *, at_once: int = sys.maxsize) -> None:
        """`at_once`: how many requests the upstream is to work on at the same time."""
        self.limits = limits
        self.at_once = at_once
        self._dial = dial
        self._clock = clock
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting = WaitingLine()  # for a connection
        self._held = WaitingLine()  # until it is their turn
        self._at_work: set[UpstreamConnection] = set()
        self._is_letting_go = False
        clock.each_tick(self._age_out)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    @property
    def queued_exchanges(self) -> int:
        return len(self._waiting) + len(self._held)

    def lend(self, exchange: "Exchange", *, fresh: bool = False) -> None:
        """Connect an exchange: at once if a connection is idle, else when one can be had.

        `fresh`: not one that may have gone stale. Ends in `exchange.connect` or `exchange.lose_upstream`.
        """
        exchange.needs_fresh = fresh
        if not self._held and self._has_turn():
            self._serve(exchange)
        elif self._has_place():
            self._held.append(exchange)
        else:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take a connection that is in step again."""
        exchange = self._waiting.take(is_fresh=not connection.used)
        if exchange is not None:
            exchange.note_wait()
            self._join(connection, exchange)
            return
        if self._waiting and not self._has_room():
            connection.abandon()  # whoever waits still needs a fresh one, which is dialled in its place
            return
        connection.idle_since = self._clock.now
        self._idle.append(connection)

    def begin_turn(self, connection: UpstreamConnection) -> None:
        """Note that the upstream has all of a request."""
        if not connection.answered:
            self._at_work.add(connection)

    def end_turn(self, connection: UpstreamConnection) -> None:
        """Note that the upstream is done with a request, and let the next ones go on."""
        self._at_work.discard(connection)
        if self._held:
            self._let_go()

    def forget(self, connection: UpstreamConnection) -> None:
        """Note that a connection is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._dial_for_waiting()
        self.end_turn(connection)

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abandon()
        for task in list(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)

    def _has_turn(self) -> bool:
        return len(self._at_work) + len(self._waiting) < self.at_once

    def _has_place(self) -> bool:
        return self.queued_exchanges < self.limits.upstream_queue

    def _let_go(self) -> None:
        """Let those whose turn it is go on. One by one: what they do may end a turn as well."""
        if self._is_letting_go:
            return
        self._is_letting_go = True
        try:
            while self._has_turn() and (exchange := self._held.take()) is not None:
                exchange.note_wait()
                self._serve(exchange)
        finally:
            self._is_letting_go = False

    def _serve(self, exchange: "Exchange") -> None:
        if not exchange.needs_fresh:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    self._join(connection, exchange)
                    return
        elif self._idle and not self._has_room():
            self._idle.pop(0).abandon()
        if self._has_place():
            self._waiting.append(exchange)
            self._dial_for_waiting()
        else:
            exchange.lose_upstream(UpstreamBusy(reason="queue full"))

    def _dial_for_waiting(self) -> None:
        while len(self._dialling) < len(self._waiting) and self._has_room():
            task = asyncio.get_running_loop().create_task(self._connect())
            self._dialling.add(task)
            task.add_done_callback(self._end_dial)

    def _end_dial(self, task: "asyncio.Task[None]") -> None:
        self._dialling.discard(task)
        self._dial_for_waiting()
        self._let_go()

    def _has_room(self) -> bool:
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
        self.give_back(connection)

    def _age_out(self, now: float) -> None:
        oldest = now - self.limits.upstream_idle_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).abandon()
        if self._held:
            self._let_go()

    def _join(self, connection: UpstreamConnection, exchange: "Exchange") -> None:
        connection.carry(exchange)
        try:
            exchange.connect(connection)
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
            exchange.report(error)
            connection.abandon()
            exchange.lose_upstream(InternalError())
