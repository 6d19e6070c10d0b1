"""How a client's connection ends: half-closed by the client, lingering, or with a response that is not read.

A reset may eat a response that was just written, and closing a connection while a request is on its way loses
that request. A client can prevent neither, so the gateway avoids both.
"""

from typing import Any

from app.core.http.heads import PROCESSING
from app.proxy.client.connection import ClientConnection
from app.proxy.client.probe import Probe
from app.proxy.client.states import LINGERING


class Ending:
    """One connection's."""

    __slots__ = ("_connection", "_lingering_bytes", "_probe")

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._probe: Probe | None = None  # of a client that has closed its own side
        self._lingering_bytes = 0

    def note_half_closed(self, *, is_old: bool) -> None:
        """Note that the client has closed its own side. `is_old`: it speaks HTTP/1.0.

        Interim responses are not for HTTP/1.0 (RFC 9110 section 15.2).
        """
        self._probe = None if is_old else Probe()

    def probe(self, current: Any) -> None:
        """Tell a client that has only closed its own side from one that is gone.

        Both look alike until something is written: the one reads over an interim response (RFC 9110 section
        15.2), the other resets the connection.
        """
        if self._probe is None or current is None or current.response_started:
            return
        connection = self._connection
        if not connection.transport.is_closing() and self._probe.is_due(connection.clock.now):
            connection.transport.write(PROCESSING)

    def begin_lingering(self) -> None:
        """Close in two steps, so that the response is not lost to a reset (RFC 9112 section 9.6)."""
        connection = self._connection
        connection.state = LINGERING
        connection.since = connection.clock.now
        connection.flow.resume_reading()
        if connection.transport.can_write_eof():
            connection.transport.write_eof()

    def linger_on(self, read: int) -> None:
        """Drop a read."""
        connection = self._connection
        self._lingering_bytes += read
        if self._lingering_bytes > connection.limits.linger_bytes:
            connection.transport.abort()

    def check_unread(self, waited: float) -> None:
        """End a connection on which only a response is left that the client has not read for so long."""
        connection, limits = self._connection, self._connection.limits
        most = limits.linger_seconds if connection.state is LINGERING else limits.write_stall_seconds
        if connection.progress.made(connection.transport):
            connection.since = connection.clock.now
        elif waited > most:
            connection.transport.abort()
