"""How a client's connection ends: half-closed by the client, lingering, or because the process does.

A reset may eat an answer that was just written, and a connection that is closed while a request is on its way
loses that request. Neither is for what a client can do about it, so both are avoided.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.http.heads import PROCESSING
from app.proxy.cycle import Cycle
from app.proxy.probe import Probe
from app.proxy.progress import Progress

if TYPE_CHECKING:
    from app.proxy.gateway import Gateway

_GRACE_SECONDS = 0.5  # for the request that is on its way while the process begins to end


class EndingConnection(HttpToolsProtocol):
    """uvicorn's protocol with the ends that it does not know."""

    cycle: Any  # uvicorn's RequestResponseCycle, or a Cycle of ours
    pipeline: deque[tuple[Any, Any]]  # likewise, with its app
    current: Any = None  # the cycle whose turn it is; self.cycle is the one being read
    divert: Callable[[bytes], None] | None = None  # where bytes go that are not for the parser
    leaves = False  # the next answer is the last

    _is_idle = True
    _is_old = False  # it speaks HTTP/1.0, for this one request
    _probe: Probe | None = None  # of a client that has closed its own side
    _no_more_requests = False
    _lingering_bytes = -1

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        gateway: Gateway = app_state["gateway"]
        self.gateway = gateway
        self.limits = gateway.limits
        self.clock = gateway.clock
        self._since = gateway.clock.now
        self.progress = Progress()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.gateway.drains:  # it came just before the listener closed
            self.shutdown()

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the answer's way open for a client that has only closed its own (RFC 9112 section 9.6)."""
        cycle = self.cycle
        if self._lingering_bytes >= 0 or cycle is None or cycle.response_complete or cycle.more_body:
            return None
        if isinstance(cycle, Cycle) and not cycle.half_close():
            return None
        cycle.keep_alive = False
        self._no_more_requests = True
        # Interim answers are not for HTTP/1.0 (RFC 9110 section 15.2).
        self._probe = None if self._is_old else Probe()
        self._probe_client()
        return True

    @override
    def shutdown(self) -> None:
        """Let the next answer be the last, and say so in it; without a request, close in a moment.

        An answer that has begun has not said it, so that one is not the last.
        """
        self.leaves = True
        cycle = self.cycle
        if self._is_idle:
            self._since = self.clock.now
        elif cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def begin_lingering(self) -> None:
        """Close in two steps, so that the answer is not lost to a reset (RFC 9112 section 9.6)."""
        self._lingering_bytes = 0
        self.divert = self._linger_on
        self._since = self.clock.now
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # private

    def _end_idle(self, waited: float) -> None:
        if waited > (_GRACE_SECONDS if self.leaves else self.limits.idle_seconds):
            self.transport.close()

    def _end_unread(self, waited: float) -> None:
        """End a connection on which nothing is left but an answer that nobody reads."""
        limits = self.limits
        if self.progress.made(self.transport):
            self._since = self.clock.now
        elif waited > (limits.linger_seconds if self._lingering_bytes >= 0 else limits.write_stall_seconds):
            self.transport.abort()

    def _linger_on(self, data: bytes) -> None:
        self._lingering_bytes += len(data)
        if self._lingering_bytes > self.limits.linger_bytes:
            self.transport.abort()

    def _probe_client(self) -> None:
        """Tell a client that has only closed its own side from one that is gone.

        Both look alike until something is written: the one reads over an interim answer (RFC 9110 section
        15.2), the other resets the connection.
        """
        current = self.current
        if self._probe is None or current is None or current.response_started:
            return
        if not self.transport.is_closing() and self._probe.is_due(self.clock.now):
            self.transport.write(PROCESSING)
