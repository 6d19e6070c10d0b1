"""A client's connection: what it may take of bytes and of time, and how it ends.

uvicorn has no deadline for a head or a body, and its parser no cap on a head; a reset may eat an answer that
was just written. What is carried on the connection is `protocol.py`'s business.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.heads import PROCESSING
from app.errors import GatewayBusy, GatewayError, HeadTooLarge, InternalError, RequestTimedOut
from app.events import InternalFailed
from app.proxy.cycle import Cycle
from app.proxy.pace import BodyPace
from app.proxy.parsing import unreadable
from app.proxy.probe import Probe
from app.proxy.progress import Progress

if TYPE_CHECKING:
    from app.proxy.gateway import Gateway

_FRAMING_PER_BYTE = 8


class ClientConnection(HttpToolsProtocol):
    """uvicorn's protocol with bounds: sizes, deadlines, a half-closed client, a lingering close."""

    cycle: Any  # uvicorn's RequestResponseCycle, or a Cycle of ours
    pipeline: deque[tuple[Any, Any]]  # likewise, with its app

    is_feeding = False
    current: Any = None  # the cycle whose turn it is; self.cycle is the one being read
    divert: Callable[[bytes], None] | None = None  # where bytes go that are not for the parser
    _read = b""  # what is being parsed
    _in_head = False
    _is_idle = True
    _probe: Probe | None = None  # of a client that has closed its own side
    _no_more_requests = False
    _first_bytes = 0  # of the read in which a head began
    _head_bytes = 0  # of that head, in the reads after it
    _body_bytes = 0  # of a body, in this read
    _framing_bytes = 0  # around it, over all reads
    _pace: BodyPace  # of a body of the app lane
    _lingering_bytes = -1

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        gateway: Gateway = app_state["gateway"]
        self.gateway = gateway
        self.limits = gateway.limits
        self.clock = gateway.clock
        self._since = gateway.clock.now
        self.progress = Progress()
        self.url, self.headers = b"", []

    def break_off(self, error: GatewayError) -> None:
        """Understand nothing more of what comes: answer once, in turn, and close."""
        if self.divert is None:
            self._no_more_requests = True
            self.divert = _drop
            self._give_up(error)

    @abstractmethod
    def _answer_repeat(self, data: bytes) -> bool:
        """Answer a head that is known, without parsing it again. False: it is not."""

    @abstractmethod
    def _go_on(self) -> None:
        """Begin the next request, or wait for one."""

    @abstractmethod
    def _give_up(self, error: GatewayError) -> None:
        """Answer in turn, and close."""

    # asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.gateway.connections.add(self)
        address = self.client[0] if self.client else ""
        self.peer = self.gateway.admission.proxies.peer(address, self.scheme or "http")
        if len(self.connections) > self.limits.connections:
            self.break_off(GatewayBusy(reason="too many connections"))

    @override
    def data_received(self, data: bytes) -> None:
        try:
            if self.divert is not None:
                self.divert(data)
            elif not (self._is_idle and self._answer_repeat(data)):
                self._parse(data)
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
            self._end_defect(error)

    def _parse(self, data: bytes) -> None:
        self._read = data
        was_in_head = self._in_head
        was_in_body = not was_in_head and self.cycle is not None and self.cycle.more_body
        self.is_feeding = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.divert = self.divert or _drop  # no tunnel: refused, or ignored and the connection's last
            self.divert(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ or error) from None  # what our own callback raised
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
        self._probe = Probe() if self.parser.get_http_version() == "1.1" else None
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
        elif self.current is None and not self.transport.is_closing():
            self._go_on()

    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick for each connection."""
        waited = now - self._since
        current = self.current
        self._probe_client()
        if self.transport.is_closing() or self._lingering_bytes >= 0:
            self._end_unread(waited)
        elif self._is_idle:
            if waited > self.limits.idle_seconds:
                self.transport.close()
        elif self._in_head and not self.flow.read_paused and waited > self.limits.head_seconds:
            self.break_off(RequestTimedOut(reason="head"))
        elif isinstance(current, Cycle):
            current.check_deadline(now)
        elif current is None:
            self._end_unread(waited)  # it sent the next request and does not read the last answer
        elif current.more_body:
            self._check_app_body(now, waited)

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

    def _end_defect(self, error: Exception) -> None:
        """Say that the gateway failed, if there is still something to say it to."""
        self.is_feeding = False
        self.divert = _drop
        self._no_more_requests = True
        current = self.current
        request_id = current.request_id if isinstance(current, Cycle) else b""
        self.gateway.observe(InternalFailed(request_id, error))
        if isinstance(current, Cycle) and not current.response_started:
            current.keep_alive = False
            current.break_off(InternalError())
        else:
            self.transport.abort()

    def _count_framing(self, read: int) -> None:
        """Bound what chunk extensions and trailers may cost; chunks of one byte are still fine."""
        self._framing_bytes = max(0, self._framing_bytes + read - _FRAMING_PER_BYTE * self._body_bytes)
        self._body_bytes = 0
        if self._framing_bytes > self.limits.head_bytes:
            self.break_off(HeadTooLarge(reason="chunk framing"))

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

    def _check_app_body(self, now: float, waited: float) -> None:
        if self.flow.read_paused:
            self._since = now
        elif self._pace.is_late(self.clock.passed, self.limits) or waited > self.limits.body_stall_seconds:
            self.break_off(RequestTimedOut(reason="body"))

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


def _drop(data: bytes) -> None:
    """Bytes that nobody understands any more."""
