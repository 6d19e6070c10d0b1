"""One relayed request and its answer, from the client's admitted head to the answer's last byte.

The happy path is synchronous: the head is written as soon as it is admitted, bodies stream through with
back-pressure on whichever side is ahead, and nothing is kept beyond the transports' high-water marks. An
incomplete message never becomes a complete one: a cut upload drops the upstream, a cut answer the client.
"""

import socket
import struct
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.admission import Admitted, Request
from app.core.headers import ResponseHeaders
from app.core.heads import CONTINUE, LAST_CHUNK, STATUS_LINES, chunk
from app.core.routing import Route
from app.errors import BodyTooLarge, GatewayError, RequestTimedOut, UpstreamBusy, UpstreamTimedOut
from app.events import RelayAborted, RequestRelayed
from app.proxy.cycle import Cycle
from app.proxy.pool import UpstreamPool
from app.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol

# RFC 9110 section 9.2.2: what may be sent again when nobody knows whether it was received.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
_BUFFERED_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Exchange(Cycle):
    """A request of the proxy lane, once it is admitted."""

    switches = False  # whether it may change protocols
    is_request_sent = False
    is_waiting = False
    _connection: UpstreamConnection | None = None
    _started = False
    _body_bytes = 0
    _writes_paused = False
    _status = 0
    _answer_bytes = 0
    _answer_chunked = False
    _answer_until_close = False

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
        self.keep_alive = keep_alive
        self.is_head = request.method == b"HEAD"
        self._protocol = protocol
        self._request = request
        self._admitted = admitted
        self._route = route
        self._pool = pool
        self._began = perf_counter()
        self._touched = protocol.clock.now
        self._request_out: list[bytes] = [admitted.head]
        self._answer: list[bytes] = []
        self._repeatable = request.method in _IDEMPOTENT and not (admitted.sized or admitted.chunked)
        self._waits_for_body = admitted.expects_continue

    # the client's side

    @override
    def start(self) -> None:
        self._started = True
        self._touched = self._protocol.clock.now
        if self._waits_for_body and self.more_body and self._body_bytes == 0:
            # Admitted: ask for the body (RFC 9110 section 10.1.1), and take no connection before it comes.
            self._protocol.transport.write(CONTINUE)
            return
        self._seek_connection()

    @override
    def receive_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        limit = self._protocol.limits.body_bytes
        if limit and self._body_bytes > limit:
            self.break_off(BodyTooLarge())
            return
        self._request_out.append(chunk(data) if self._admitted.chunked else data)
        if self._connection is None:
            if self._waits_for_body and self._started:
                self._waits_for_body = False
                self._seek_connection()
            if self._body_bytes > _BUFFERED_BYTES:
                self._protocol.flow.pause_reading()

    @override
    def receive_end(self) -> None:
        self.more_body = False
        if self._admitted.chunked:
            self._request_out.append(LAST_CHUNK)
        if self._waits_for_body and self._started and self._connection is None and not self.is_waiting:
            self._waits_for_body = False
            self._seek_connection()

    @override
    def flush(self) -> None:
        if self._connection is None:
            return
        out = self._request_out
        if out:
            self._request_out = []
            self._touched = self._protocol.clock.now
            self._connection.write(out[0] if len(out) == 1 else b"".join(out))
        self.is_request_sent = not self.more_body

    @override
    def break_off(self, error: GatewayError) -> None:
        self._drop_connection()
        self._fail(error)

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        self._drop_connection()
        if not self.response_complete:
            self._abort("client gone")

    @override
    def pause_answer(self) -> None:
        if self._connection is not None:
            self._connection.pause_answer()
        self._writes_paused = True
        self._touched = self._protocol.clock.now

    @override
    def resume_answer(self) -> None:
        self._writes_paused = False
        self._touched = self._protocol.clock.now
        if self._connection is not None:
            self._connection.resume_answer()

    # the upstream's side

    def connect(self, connection: UpstreamConnection) -> None:
        """Go on with a connection of the pool's."""
        self.is_waiting = False
        self._connection = connection
        if not self._protocol.is_feeding:  # else head and small body leave together, when the read is parsed
            self.flush()
        self._protocol.resume_reading()

    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        """The upstream cannot be had, or failed before the answer was whole.

        `stale`: a connection lent a second time ended without one byte of an answer. The upstream most likely
        closed it before the request came, so the request is repeated once, where that is safe.
        """
        self._connection = None
        self.is_waiting = False
        if stale and self._repeatable and not self.response_started:
            self._repeatable = False
            self._request_out = [self._admitted.head]
            self._seek_connection(fresh=True)
            return
        self._fail(error)

    def begin_answer(self, status: int, headers: ResponseHeaders) -> None:
        """Take the head of the answer."""
        self._touched = self._protocol.clock.now
        self._status = status
        out = self._answer
        out.append(STATUS_LINES[status])
        out.extend(headers.lines)
        if self._admitted.origin is not None:
            out.append(self._protocol.gateway.admission.origins.answer_lines(self._admitted.origin))
        if self.more_body:
            self.keep_alive = False  # an early answer: what still comes of the body is not read as a request
        if self.is_head or status == HTTPStatus.NOT_MODIFIED:
            if headers.content_length is not None:
                out.append(b"Content-Length: %b\r\n" % headers.content_length)
        elif headers.content_length is not None and status != HTTPStatus.NO_CONTENT:
            out.append(b"Content-Length: %b\r\n" % headers.content_length)
        elif status != HTTPStatus.NO_CONTENT:
            if self._request.version == "1.1":
                self._answer_chunked = True
                out.append(b"Transfer-Encoding: chunked\r\n")
            else:
                self._answer_until_close = True
                self.keep_alive = False
        out.append(
            b"X-Request-Id: %b\r\n%b\r\n"
            % (self._request.request_id, b"" if self.keep_alive else b"Connection: close\r\n")
        )

    def switch(self, headers: ResponseHeaders, data: bytes) -> None:
        """Go on as a tunnel. Only asked of an exchange that `switches`."""

    def relay_answer(self, data: bytes) -> None:
        """Take a piece of the answer's body."""
        self._answer.append(chunk(data) if self._answer_chunked else data)

    def end_answer(self) -> None:
        """Take the end of the answer; `flush_answer` and `finish` follow."""
        if self._answer_chunked:
            self._answer.append(LAST_CHUNK)

    def flush_answer(self) -> None:
        """Write what one read of the upstream gave, in one go."""
        out = self._answer
        if out:
            self.response_started = True
            self._answer = []
            self._touched = self._protocol.clock.now
            data = out[0] if len(out) == 1 else b"".join(out)
            self._answer_bytes += len(data)
            self._protocol.transport.write(data)

    def finish(self) -> None:
        """The answer is whole."""
        self._connection = None
        self.response_complete = True
        token = self._admitted.token
        self._protocol.observe(
            RequestRelayed(
                self._request.request_id,
                self._route.name,
                self._request.method,
                self._status,
                token.role if token is not None else None,
                token.subject if token is not None else None,
                self._answer_bytes,
                perf_counter() - self._began,
            )
        )
        self._protocol.finish(self)

    def pause_request(self) -> None:
        """The upstream reads slower than the client writes."""
        self._protocol.flow.pause_reading()

    def resume_request(self) -> None:
        self._protocol.resume_reading()

    @override
    def check_deadline(self, now: float) -> None:
        limits = self._protocol.limits
        waited = now - self._touched
        if self.is_waiting:
            if waited > limits.upstream_queue_seconds:
                self.is_waiting = False
                self._fail(UpstreamBusy(reason="queued too long"))
        elif self._writes_paused:
            if waited > limits.write_stall_seconds:
                self._protocol.transport.abort()
        elif self.more_body and not self.response_started and not self._protocol.flow.read_paused:
            if waited > limits.body_stall_seconds:
                self.break_off(RequestTimedOut(reason="body stalled"))
        elif not self.response_started:
            if waited > limits.upstream_first_byte_seconds:
                self.break_off(UpstreamTimedOut(reason="no answer"))
        elif waited > limits.upstream_stall_seconds:
            self.break_off(UpstreamTimedOut(reason="answer stalled"))

    # private

    def _seek_connection(self, *, fresh: bool = False) -> None:
        self.is_waiting = True
        self._touched = self._protocol.clock.now
        self._pool.lend(self, fresh=fresh)

    def _drop_connection(self) -> None:
        self.is_waiting = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _fail(self, error: GatewayError) -> None:
        """Answer with an error, or, when an answer has begun, end the connection so that it shows."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            self._answer = []  # a head that was read together with what broke it
            self._protocol.refuse_instead(self, self._request, self._admitted.origin, error)
            return
        self._abort(error.reason)
        transport = self._protocol.transport
        if self._answer_until_close:
            # Closing is how such an answer ends: only a reset says that it did not.
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()

    def _abort(self, reason: str) -> None:
        self.response_complete = True
        self.keep_alive = False
        self._protocol.observe(RelayAborted(self._request.request_id, self._route.name, reason))
