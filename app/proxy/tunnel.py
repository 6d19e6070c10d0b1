"""An exchange that changes protocols: a WebSocket handshake first, then bytes both ways.

Until the upstream has agreed it is an exchange like any other, and an answer besides 101 is relayed as such.
"""

from collections.abc import Sequence
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.http.headers import Header
from app.core.http.heads import SWITCHING, UPGRADE_LINES
from app.core.http.response_headers import ResponseHeaders
from app.core.http.response_heads import accepts_websocket
from app.core.http.routing import Route
from app.core.requests import Admitted, Request
from app.errors import GatewayError
from app.proxy.exchange import Exchange
from app.proxy.pool import UpstreamPool
from app.proxy.streams import notice_dead_peers

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol

_HELD_BYTES = 65_536


class Tunnel(Exchange):
    """A WebSocket through to an upstream."""

    _is_open = False

    def __init__(
        self,
        protocol: "GatewayProtocol",
        request: Request,
        admitted: Admitted,
        *,
        route: Route,
        pool: UpstreamPool,
        keep_alive: bool,
    ) -> None:
        super().__init__(protocol, request, admitted, route=route, pool=pool, keep_alive=keep_alive)
        self._repeatable = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        protocol.divert = self._send_up

    @override
    def agrees(self, status: int, headers: Sequence[Header]) -> bool:
        key = next((value for name, value in self._request.headers if name == b"sec-websocket-key"), b"")
        return status == HTTPStatus.SWITCHING_PROTOCOLS and accepts_websocket(headers, key)

    @override
    def switch(self, headers: ResponseHeaders, data: bytes) -> None:
        self._is_open = True
        self._answered = perf_counter()
        self._status = 101
        notice_dead_peers(self._protocol.transport, self._connection)
        self._answer = [SWITCHING, UPGRADE_LINES, *self._lines(headers), b"\r\n", data]
        self.flush_answer()
        held, self._held = self._held, []
        self._protocol.resume_reading()
        self._send_up(b"".join(held))

    def _send_up(self, data: bytes) -> None:
        """Pass bytes of the client's on, or hold them until the upstream has agreed."""
        if not data:
            return
        if self._is_open and self._connection is not None:
            self._connection.write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HELD_BYTES:
            self._protocol.flow.pause_reading()

    @override
    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        if not self._is_open:
            super().lose_upstream(error, stale=stale)
            return
        self.keep_alive = False
        self.finish()

    @override
    def half_close(self) -> bool:
        """Deliver what the client said last, and end the open tunnel with it."""
        connection = self._connection
        if not self._is_open or connection is None:
            return True
        self._connection = None
        connection.end()
        self.keep_alive = False
        self.finish()
        return False

    @override
    def lose_client(self) -> None:
        if self._is_open and not self.response_complete:
            self.disconnected = True
            self._drop_connection()
            self.finish()
        else:
            super().lose_client()

    @override
    def check_deadline(self, now: float) -> None:
        """An open tunnel may be silent: its ends keep it alive or end it, or the end of its token does.

        It is cut: a close frame could only stand between two frames, and these are not read here.
        """
        if not self._is_open:
            super().check_deadline(now)
        elif reason := self._why_over(0.0):
            self._drop_connection()
            self._abort(reason)
            self._protocol.transport.abort()
