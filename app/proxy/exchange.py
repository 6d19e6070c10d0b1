"""One relayed request and its answer, from the client's admitted head to the answer's last byte.

The happy path is synchronous, with back-pressure on whichever side is ahead, and nothing is kept beyond the
transports' high-water marks. An incomplete message never becomes a complete one: a cut upload drops the
upstream, a cut answer the client.
"""

import time
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.http.client_lines import client_lines, keeps_cors
from app.core.http.headers import Header
from app.core.http.heads import CHUNKED, LAST_CHUNK, PRIVATE, STATUS_LINES, chunk, response_framing
from app.core.http.response_headers import ResponseHeaders, with_session
from app.core.http.routing import Route
from app.core.requests import Admitted, Request
from app.core.tokens.verify import EXPIRED
from app.errors import GatewayError, RequestTimedOut, TokenRejected, UpstreamBusy, UpstreamTimedOut
from app.events import RelayAborted
from app.proxy.pool import UpstreamPool
from app.proxy.relayed import RelayedRequest
from app.proxy.streams import GRACE_SECONDS, cut, first_byte_seconds, notice_dead_peers, stall_seconds

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol


class Exchange(RelayedRequest):
    """A request of the proxy lane, once it is admitted, and its answer."""

    _writes_paused = False
    _answer_chunked = False
    _answer_until_close = False
    _is_event_stream = False
    _is_half_closed = False  # by the client: it may be gone

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
    def half_close(self) -> bool:
        """Go on, but for an event stream: while it is quiet, a reading client looks like one that is gone."""
        self._is_half_closed = True
        return not (self._is_event_stream and self.response_started)

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
        self._is_event_stream = headers.is_event_stream
        if headers.is_event_stream:
            notice_dead_peers(self._protocol.transport, self._connection)
        framing = response_framing(
            status, headers.content_length, is_head=self.is_head, is_chunkable=self._request.version == "1.1"
        )
        self._answer_chunked = framing is CHUNKED
        if framing is None:
            self._answer_until_close = True
            self.keep_alive = False
        admission, admitted, route = self._protocol.gateway.admission, self._admitted, self._route
        renewed = self.set_cookies
        is_https = admitted.client.scheme == "https"
        self._answer += (
            STATUS_LINES[status],
            *self._lines(headers),
            b"" if keeps_cors(route) else admission.origins.response_lines(admitted.origin),
            admission.protection.lines(headers.present, is_api=not route.identity, is_https=is_https),
            PRIVATE if admitted.token is not None and not (headers.has_cache_control or renewed) else b"",
            framing or b"",
            b"X-Request-Id: ",
            self.request_id,
            b"\r\n\r\n" if self.keep_alive else b"\r\nConnection: close\r\n\r\n",
        )

    def _lines(self, headers: ResponseHeaders) -> Sequence[bytes]:
        """The upstream's lines as the client gets them, with the session's cookies."""
        lines: Sequence[bytes] = headers.lines
        if headers.depends_on_route:
            gateway, admitted, route = self._protocol.gateway, self._admitted, self._route
            names, host = gateway.admission.names(admitted.client), admitted.client.host
            lines, left_out = client_lines(headers, route, names, path=admitted.path, host=host)
            if left_out:
                gateway.note_dropped(self.request_id, route.name, left_out)
        return with_session(lines, self.set_cookies) if self.set_cookies else lines

    def agrees(self, status: int, headers: Sequence[Header]) -> bool:  # noqa: ARG002
        """Whether this is the change of protocols that the client asked for."""
        return False

    def switch(self, headers: ResponseHeaders, data: bytes) -> None:
        """Go on as a tunnel. Only asked of an exchange that `agrees`."""

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
        if self.response_started and (reason := self._why_over(GRACE_SECONDS)):
            self.break_off(TokenRejected(reason=reason))
        elif self.is_waiting:
            if waited > limits.upstream_queue_seconds:
                self._stop_waiting()
                self._fail(UpstreamBusy(reason="queued too long"))
        elif self.is_late():
            self.break_off(RequestTimedOut(reason="body too slow"))
        elif self._writes_paused:
            if self._protocol.progress.made(self._protocol.transport):
                self._touched = now
            elif waited > limits.write_stall_seconds:
                self._protocol.transport.abort()
        elif self.response_started:
            is_endless = self._is_event_stream and not self._is_half_closed
            most = stall_seconds(self._route, limits, is_endless=is_endless)
            if most and waited > most:
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
        elif 0 < first_byte_seconds(self._route, limits) < waited:
            self.break_off(UpstreamTimedOut(reason="no answer"))

    # private

    def _why_over(self, grace: float) -> str:
        """Why the answer must end before it is whole: with its session at once, or with its token."""
        token = self._admitted.token
        if token is None:
            return ""
        now = time.time()
        reason = self._protocol.gateway.admission.verifier.why_over(token, now)
        # What a token's last moment has admitted is no stream yet
        return "" if reason == EXPIRED and perf_counter() - self._began < grace else reason

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
        cut(self._protocol.transport, ends_by_closing=self._answer_until_close)

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
