"""One relayed request and its answer, from the client's admitted head to the answer's last byte.

The happy path is synchronous, with back-pressure on whichever side is ahead, and nothing is kept beyond the
transports' high-water marks. An incomplete message never becomes a complete one: a cut upload drops the
upstream, a cut answer the client.
"""

import socket
import struct
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.heads import CHUNKED, LAST_CHUNK, PRIVATE, STATUS_LINES, answer_framing, chunk
from app.core.requests import Admitted, Request
from app.core.response_headers import ResponseHeaders, with_prefix, with_session
from app.core.routing import Route
from app.errors import GatewayError, RequestTimedOut, UpstreamBusy, UpstreamTimedOut
from app.events import RelayAborted
from app.proxy.pool import UpstreamPool
from app.proxy.relayed import RelayedRequest

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Exchange(RelayedRequest):
    """A request of the proxy lane, once it is admitted, and its answer."""

    switches = False  # whether it may change protocols
    _writes_paused = False
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
        super().__init__(protocol, request, admitted, body_limit=route.body_bytes, keep_alive=keep_alive)
        self.is_head = request.method == b"HEAD"
        self._route = route
        self._pool = pool
        self._answer: list[bytes] = []

    # the client's side

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
        self._answered = perf_counter()
        self._status = status
        if self.more_body:
            self.keep_alive = False  # an early answer: what still comes of the body is not read as a request
        framing = answer_framing(
            status, headers.content_length, is_head=self.is_head, is_chunkable=self._request.version == "1.1"
        )
        self._answer_chunked = framing is CHUNKED
        if framing is None:
            self._answer_until_close = True
            self.keep_alive = False
        origin = self._admitted.origin
        renewed = self.set_cookies
        cors = self._protocol.gateway.admission.origins.answer_lines(origin)
        self._answer += (
            STATUS_LINES[status],
            *self._lines(headers),
            cors,
            PRIVATE if self._admitted.token is not None and not (headers.says_caching or renewed) else b"",
            framing or b"",
            b"X-Request-Id: ",
            self.request_id,
            b"\r\n\r\n" if self.keep_alive else b"\r\nConnection: close\r\n\r\n",
        )

    def _lines(self, headers: ResponseHeaders) -> Sequence[bytes]:
        """The upstream's lines as the client gets them, with the session's cookies."""
        lines: Sequence[bytes] = headers.lines
        names = self._protocol.gateway.admission.cookies
        if headers.sets_cookies and names.is_prefixed:
            lines = with_prefix(lines, names)
        return with_session(lines, self.set_cookies) if self.set_cookies else lines

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
        gateway, route = self._protocol.gateway, self._route.name
        took = perf_counter() - self._began
        gateway.count(route, self._request.method, self._status, took, self.upstream_seconds())
        if gateway.relayed is not None:
            gateway.relayed(self.so_far(route))
        self._protocol.finish(self)

    @override
    def check_deadline(self, now: float) -> None:
        limits = self._protocol.limits
        waited = now - self._touched
        if self.is_waiting:
            if waited > limits.upstream_queue_seconds:
                self.is_waiting = False
                self._fail(UpstreamBusy(reason="queued too long"))
        elif self.is_late():
            self.break_off(RequestTimedOut(reason="body too slow"))
        elif self._writes_paused:
            if self._protocol.progress.made(self._protocol.transport):
                self._touched = now
            elif waited > limits.write_stall_seconds:
                self._protocol.transport.abort()
        elif self.response_started:
            if waited > limits.upstream_stall_seconds:
                self.break_off(UpstreamTimedOut(reason="answer stalled"))
        else:
            self._check_unanswered(now, waited)

    def _check_unanswered(self, now: float, waited: float) -> None:
        limits = self._protocol.limits
        if self.more_body and not self._protocol.flow.read_paused:
            if waited > limits.body_stall_seconds:
                self.break_off(RequestTimedOut(reason="body stalled"))
        elif self._connection is not None and self._connection.drains():
            self._touched = now
        elif waited > limits.upstream_first_byte_seconds:
            self.break_off(UpstreamTimedOut(reason="no answer"))

    # private

    def _fail(self, error: GatewayError) -> None:
        """Answer with an error, or, when an answer has begun, end the connection so that it shows."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            error.headers += [(b"Set-Cookie", value) for value in self.set_cookies]
            self._answer = []  # a head that was read together with what broke it
            self._protocol.refuse_instead(self, self._request, self._admitted, error)
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
        route = self._route.name
        self._protocol.observe(RelayAborted(self.request_id, route, reason, self.so_far(route)))

    @override
    def _seek_connection(self, *, fresh: bool = False) -> None:
        self.is_waiting = True
        self._touched = self._protocol.clock.now
        self._pool.lend(self, fresh=fresh)
