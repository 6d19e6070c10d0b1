"""A client's connection: what it may take of bytes and of time, and how it ends.

uvicorn has no deadline for a head or a body, and its parser no cap on a head; a reset may eat an answer that
was just written. What is carried on the connection is `protocol.py`'s business.
"""

import asyncio
from abc import abstractmethod
from typing import Any

import httptools
from typing_extensions import override

from app.errors import GatewayBusy, GatewayError, HeadTooLarge, InternalError, RequestTimedOut
from app.events import InternalFailure
from app.proxy.cycle import Cycle
from app.proxy.ending import EndingConnection
from app.proxy.pace import BodyPace
from app.proxy.parsing import unreadable

_FRAMING_PER_BYTE = 8
_APP_LANE_BYTES = 24_576  # what uvicorn and the framework take for a request whose body still comes


class ClientConnection(EndingConnection):
    """uvicorn's protocol with bounds: sizes and deadlines."""

    is_feeding = False
    _read = b""  # what is being parsed
    _in_head = False
    _first_bytes = 0  # of the read in which a head began
    _head_bytes = 0  # of that head, in the reads after it
    _body_bytes = 0  # of a body, in this read
    _framing_bytes = 0  # around it, over all reads
    _pace: BodyPace  # of a body of the app lane
    _is_half_open = True  # as far as the bounds know

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url, self.headers = b"", []

    def break_off(self, error: GatewayError) -> None:
        """Understand nothing more of what comes: answer once, in turn, and close."""
        if self.divert is None:
            self._no_more_requests = True
            self.divert = _drop
            self._give_up(error)

    def give_way(self) -> None:
        """End at once: others need what this connection holds."""
        self.break_off(GatewayBusy(reason="half-open for longest"))
        if self.flow.write_paused:
            self.transport.abort()
        else:
            self.transport.close()

    @abstractmethod
    def _answer_repeat(self, data: bytes) -> bool:
        """Answer a head that is known, without parsing it again. False: it is not."""

    @abstractmethod
    def _go_on(self) -> None:
        """Begin the next request, or wait for one."""

    @abstractmethod
    def _give_up(self, error: GatewayError) -> None:
        """Answer in turn, and close."""

    def adopt_rules(self) -> None:
        """Take the rules and bounds that the gateway has now, for the requests to come."""
        self.limits = self.gateway.limits
        address = self.client[0] if self.client else ""
        self.peer = self.gateway.admission.proxies.peer(address, self.scheme or "http")

    # asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.gateway.connections.add(self)
        self.adopt_rules()
        address = self.client[0] if self.client and not self.peer.trusted else ""
        if reason := self.gateway.bounds.enter(self, address, self.limits):
            self.break_off(GatewayBusy(reason=reason))

    @override
    def data_received(self, data: bytes) -> None:
        try:
            if self.divert is not None:
                self.divert(data)
            elif not (self._is_idle and self._answer_repeat(data)):
                self._parse(data)
            elif self._is_half_open:
                self._note_held()
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
            self._head_bytes += len(data)
        elif self._in_head:
            self._first_bytes = len(data)
        elif was_in_body and self.cycle.more_body:
            self._count_framing(len(data))
        self._read = b""  # or each idle connection keeps what it read last
        if self._is_half_open or self._in_head or (self.cycle is not None and self.cycle.more_body):
            self._note_held()
        if isinstance(self.current, Cycle):
            self.current.flush()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gateway.connections.discard(self)
        self.gateway.bounds.leave(self)
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
        self._note_held()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._note_held()
        if isinstance(self.current, Cycle):
            self.current.resume_answer()
        elif self.current is None and not self.transport.is_closing():
            self._go_on()

    def held_bytes(self) -> int:
        """How many bytes are kept for a client without a session: what it has not finished or not read."""
        current = self.current
        if isinstance(current, Cycle) and current.is_signed_in:
            return 0
        held = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if self._in_head:
            return held + self._first_bytes + self._head_bytes
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            return held
        return held + (cycle.held_bytes if isinstance(cycle, Cycle) else _APP_LANE_BYTES + self._pace.came)

    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick for each connection."""
        waited = now - self._since
        current = self.current
        self._probe_client()
        if self.transport.is_closing() or self._lingering_bytes >= 0:
            self._end_unread(waited)
        elif self._is_idle:
            self._end_idle(waited)
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

    # private

    def _note_held(self) -> None:
        """Tell the bounds what is held, and refuse a head that is too large already.

        A whole head is measured when it is complete; this is for one that never is. Small fields take many
        times their bytes.
        """
        limits = self.limits
        if self._in_head and (
            self._head_bytes > limits.head_bytes or len(self.headers) > limits.header_count
        ):
            self.break_off(HeadTooLarge())
            self.headers = []
        held = self.held_bytes() if self.divert is None else 0
        if held:
            self._is_half_open = True
            self.gateway.bounds.hold(self, held, limits)
        elif self._is_half_open:
            self._is_half_open = False
            self.gateway.bounds.release(self)

    def _end_defect(self, error: Exception) -> None:
        """Say that the gateway failed, if there is still something to say it to."""
        self.is_feeding = False
        self.divert = _drop
        self._no_more_requests = True
        current = self.current
        request_id = current.request_id if isinstance(current, Cycle) else b""
        self.gateway.observe(InternalFailure(request_id, error))
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

    def _check_app_body(self, now: float, waited: float) -> None:
        if self.flow.read_paused:
            self._since = now
        elif self._pace.is_late(self.clock.passed, self.limits) or waited > self.limits.body_stall_seconds:
            self.break_off(RequestTimedOut(reason="body"))


def _drop(data: bytes) -> None:
    """Bytes that nobody understands any more."""
