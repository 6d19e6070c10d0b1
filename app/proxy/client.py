"""A client's connection: what it may take of bytes and of time, and how it ends.

uvicorn has no deadline for a head or a body, and its parser no cap on a head; a reset may eat an answer that
was just written. What is carried on the connection is `protocol.py`'s business.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.heads import PROCESSING
from app.errors import GatewayBusy, GatewayError, HeadTooLarge, RequestTimedOut
from app.proxy.answers import unreadable
from app.proxy.cycle import Cycle

if TYPE_CHECKING:
    import asyncio

    from app.proxy.gateway import Gateway


_FRAMING_PER_BYTE = 8


class ClientConnection(HttpToolsProtocol):
    """uvicorn's protocol with bounds: sizes, deadlines, a half-closed client, a lingering close."""

    cycle: Any  # uvicorn's RequestResponseCycle, or a Cycle of ours
    pipeline: deque[tuple[Any, Any]]  # likewise, with its app

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        gateway: Gateway = app_state["gateway"]
        self.gateway = gateway
        self.limits = gateway.limits
        self.clock = gateway.clock
        self.is_feeding = False
        self._in_head = False
        self._head_bytes = 0
        self._read = b""  # what is being parsed
        self._is_broken = False
        self._is_idle = True
        self._first_bytes = 0  # of the read in which a head began
        self._body_bytes = 0  # of the body, in this read
        self._framing_bytes = 0  # around it, over all reads
        self.url = b""
        self.headers = []
        self._since = gateway.clock.now
        self._no_more_requests = False
        self._lingering_bytes = -1
        self.divert: Callable[[bytes], None] | None = None  # where bytes go that are not for the parser
        self._is_half_closed = False
        self.current: Any = None  # the cycle whose turn it is; self.cycle is the one being read

    def break_off(self, error: GatewayError) -> None:
        """Understand nothing more of what comes: answer once, in turn, and close."""
        if not self._is_broken:
            self._is_broken = True
            self._no_more_requests = True
            self.divert = _drop
            self._give_up(error)

    @abstractmethod
    def _admit_repeat(self, data: bytes) -> bool:
        """Take a head that is known, without parsing it again. False: it is not."""

    @abstractmethod
    def _give_up(self, error: GatewayError) -> None:
        """Answer in turn, and close."""

    # asyncio.Protocol

    @override
    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.gateway.connections.add(self)
        address = self.client[0] if self.client else ""
        self._peer = self.gateway.admission.proxies.peer(address, self.scheme or "http")
        if len(self.connections) > self.limits.connections:
            self.break_off(GatewayBusy(reason="too many connections"))

    @override
    def data_received(self, data: bytes) -> None:
        if self.divert is not None:
            self.divert(data)
            return
        if self._is_idle and self._admit_repeat(data):
            return
        self._read = data
        was_in_head = self._in_head
        was_in_body = not was_in_head and self.cycle is not None and self.cycle.more_body
        self.is_feeding = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._divert_rest(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.break_off(unreadable(error, data, in_head=self._in_head))
        self.is_feeding = False
        if self._in_head and was_in_head:
            # A whole head is measured when it is complete; this is for one that never is.
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self.break_off(HeadTooLarge())
        elif self._in_head:
            self._first_bytes = len(data)
        elif was_in_body and self.cycle.more_body:
            self._count_framing(len(data))
        if isinstance(self.current, Cycle):
            self.current.flush()

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the answer's way open for a client that has only closed its own (RFC 9112 section 9.6)."""
        cycle = self.cycle
        if self._lingering_bytes >= 0 or cycle is None or cycle.response_complete or cycle.more_body:
            return None
        if isinstance(cycle, Cycle) and not cycle.outlives_client_side():
            return None
        cycle.keep_alive = False
        self._no_more_requests = True
        # Interim answers are not for HTTP/1.0 (RFC 9110 section 15.2).
        self._is_half_closed = self.parser.get_http_version() == "1.1"
        self._probe_client()
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gateway.connections.discard(self)
        current = self.current
        if isinstance(current, Cycle):
            current.lose_client()
        elif current is not None:  # uvicorn tells the last one it read; this one runs
            current.disconnected = True
            current.message_event.set()
        self.pipeline.clear()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self.current, Cycle):
            self.current.pause_answer()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self.current, Cycle):
            self.current.resume_answer()

    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick for each connection."""
        waited = now - self._since
        current = self.current
        self._probe_client()
        if self.transport.is_closing() or self._lingering_bytes >= 0:
            self._end_closing(waited)
        elif self._is_idle:
            if waited > self.limits.idle_seconds:
                self.transport.close()
        elif self._in_head and waited > self.limits.head_seconds:
            self.break_off(RequestTimedOut(reason="head"))
        elif isinstance(current, Cycle):
            current.check_deadline(now)
        elif current is not None and current.more_body and waited > self.limits.body_stall_seconds:
            self.break_off(RequestTimedOut(reason="body"))

    def resume_reading(self) -> None:
        """Read on, unless requests are waiting for their turn."""
        if not self.pipeline:
            self.flow.resume_reading()

    def begin_lingering(self) -> None:
        """Close in two steps, so that the answer is not lost to a reset (RFC 9112 section 9.6)."""
        self._lingering_bytes = 0
        self.divert = self._linger_on
        self._since = self.clock.now
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # private

    def _count_framing(self, read: int) -> None:
        """Bound what chunk extensions and trailers may cost; chunks of one byte are still fine."""
        self._framing_bytes = max(0, self._framing_bytes + read - _FRAMING_PER_BYTE * self._body_bytes)
        self._body_bytes = 0
        if self._framing_bytes > self.limits.head_bytes:
            self.break_off(HeadTooLarge(reason="chunk framing"))

    def _divert_rest(self, data: bytes) -> None:
        """Pass on what came behind a head that changes protocols. Nothing takes it if that was refused."""
        if self.divert is not None:
            self.divert(data)

    def _probe_client(self) -> None:
        """Tell a client that has only closed its own side from one that is gone.

        Both look alike until something is written: the one reads over an interim answer (RFC 9110 section
        15.2), the other resets the connection.
        """
        current = self.current
        if not self._is_half_closed or current is None or current.response_started:
            return
        if not self.transport.is_closing():
            self.transport.write(PROCESSING)

    def _end_closing(self, waited: float) -> None:
        limits = self.limits
        # What is left of a closing connection is an answer that nobody reads.
        if waited > (limits.linger_seconds if self._lingering_bytes >= 0 else limits.write_stall_seconds):
            self.transport.abort()

    def _linger_on(self, data: bytes) -> None:
        self._lingering_bytes += len(data)
        if self._lingering_bytes > self.limits.linger_bytes:
            self.transport.abort()


def _drop(data: bytes) -> None:
    """Bytes that nobody understands any more."""
