"""One relayed request and its response, from the client's admitted head to the response's last byte.

The happy path is synchronous, with back-pressure on whichever side is ahead, and nothing is kept beyond the
transports' high-water marks. An incomplete message never becomes a complete one: a cut upload drops the
upstream, a cut response the client.
"""

import time
from collections.abc import Sequence
from time import perf_counter

from typing_extensions import override

from app.core.http.client_lines import keeps_cors
from app.core.http.headers import Header
from app.core.http.heads import CHUNKED, LAST_CHUNK, PRIVATE, STATUS_LINES, answer_framing, chunk
from app.core.http.response_headers import ResponseHeaders
from app.core.http.routing import Route
from app.core.requests import Admitted, Request
from app.core.tokens.verify import EXPIRED
from app.errors import GatewayError, RequestTimedOut, TokenRefused, UpstreamBusy, UpstreamTimedOut
from app.events import RelayAborted
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.request import RelayedRequest
from app.proxy.exchange.response_lines import response_lines
from app.proxy.exchange.streams import (
    GRACE_SECONDS,
    cut,
    first_byte_seconds,
    notice_dead_peers,
    stall_seconds,
)
from app.proxy.upstream.pool import UpstreamPool


class Exchange(RelayedRequest):
    """A request of the proxy lane, once it is admitted, and its response."""

    _writes_paused = False
    _response_chunked = False
    _response_until_close = False
    _is_event_stream = False
    _is_half_closed = False  # by the client: it may be gone

    def __init__(
        self,
        client: ClientSide,
        request: Request,
        admitted: Admitted,
        *,
        route: Route,
        pool: UpstreamPool,
        keep_alive: bool,
    ) -> None:
        super().__init__(client, request, admitted, body_limit=route.body_bytes, keep_alive=keep_alive)
        self.is_head = request.method == b"HEAD"
        self._route = route
        self._pool = pool
        self._response: list[bytes] = []

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
    def pause_response(self) -> None:
        if self._connection is not None:
            self._connection.pause_response()
        self._writes_paused = True
        self._touched = self._client.clock.now

    @override
    def resume_response(self) -> None:
        self._writes_paused = False
        self._touched = self._client.clock.now
        if self._connection is not None:
            self._connection.resume_response()

    # the upstream's side

    @override
    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        """The upstream cannot be had, or failed before the response was whole.

        `stale`: a connection that was used before ended without one byte of a response. Most likely the
        upstream closed it before the request came, so the request is repeated once, where that is safe.
        """
        self._connection = None
        self.is_waiting = False
        if stale and self._repeatable and not self.response_started:
            self._repeatable = False
            self._request_out = [self._admitted.head]
            self._seek_connection(fresh=True)
            return
        self._fail(error)

    @override
    def begin_response(self, status: int, headers: ResponseHeaders) -> None:
        self._touched = self._client.clock.now
        self._responded = perf_counter()
        self._status = status
        if self.more_body:
            self.keep_alive = False  # an early response: the rest of the body is not read as a request
        self._is_event_stream = headers.is_event_stream
        if headers.is_event_stream:
            notice_dead_peers(self._client.transport, self._connection)
        framing = answer_framing(
            status, headers.content_length, is_head=self.is_head, is_chunkable=self._request.version == "1.1"
        )
        self._response_chunked = framing is CHUNKED
        if framing is None:
            self._response_until_close = True
            self.keep_alive = False
        admission, admitted, route = self._client.gateway.admission, self._admitted, self._route
        renewed = self.set_cookies
        is_https = admitted.client.scheme == "https"
        self._response += (
            STATUS_LINES[status],
            *self._lines(headers),
            b"" if keeps_cors(route) else admission.origins.answer_lines(admitted.origin),
            admission.protection.lines(headers.present, is_api=not route.identity, is_https=is_https),
            PRIVATE if admitted.token is not None and not (headers.says_caching or renewed) else b"",
            framing or b"",
            b"X-Request-Id: ",
            self.request_id,
            b"\r\n\r\n" if self.keep_alive else b"\r\nConnection: close\r\n\r\n",
        )

    def _lines(self, headers: ResponseHeaders) -> Sequence[bytes]:
        gateway, route = self._client.gateway, self._route
        cookies, request_id = self.set_cookies, self.request_id
        return response_lines(
            gateway, route, self._admitted, headers, set_cookies=cookies, request_id=request_id
        )

    @override
    def agrees(self, status: int, headers: Sequence[Header]) -> bool:
        return False

    @override
    def switch(self, headers: ResponseHeaders, data: bytes) -> None:
        """Not called: an exchange that is no tunnel does not agree."""

    @override
    def relay_body(self, data: bytes) -> None:
        self._response.append(chunk(data) if self._response_chunked else data)

    @override
    def end_response(self) -> None:
        if self._response_chunked:
            self._response.append(LAST_CHUNK)

    @override
    def flush_response(self) -> None:
        out = self._response
        if out:
            self.response_started = True
            self._response = []
            self._touched = self._client.clock.now
            data = out[0] if len(out) == 1 else b"".join(out)
            self._response_bytes += len(data)
            self._client.transport.write(data)

    @override
    def finish(self) -> None:
        self._connection = None
        self.response_complete = True
        gateway, route = self._client.gateway, self._route.name
        took = perf_counter() - self._began
        gateway.count(route, self._request.method, self._status, took, self.upstream_seconds())
        if gateway.relayed is not None:
            gateway.relayed(self.so_far(route))
        self._client.finish(self)

    @override
    def check_deadline(self, now: float) -> None:
        limits = self._client.limits
        waited = now - self._touched
        if self.response_started and (reason := self._why_over(GRACE_SECONDS)):
            self.break_off(TokenRefused(reason=reason))
        elif self.is_waiting:
            if waited > limits.upstream_queue_seconds:
                self._stop_waiting()
                self._fail(UpstreamBusy(reason="queued too long"))
        elif self.is_late():
            self.break_off(RequestTimedOut(reason="body too slow"))
        elif self._writes_paused:
            if self._client.progress.made(self._client.transport):
                self._touched = now
            elif waited > limits.write_stall_seconds:
                self._client.transport.abort()
        elif self.response_started:
            is_endless = self._is_event_stream and not self._is_half_closed
            most = stall_seconds(self._route, limits, is_endless=is_endless)
            if most and waited > most:
                self.break_off(UpstreamTimedOut(reason="answer stalled"))
        else:
            self._check_unanswered(now, waited)

    def _check_unanswered(self, now: float, waited: float) -> None:
        limits = self._client.limits
        if self.more_body and not self._client.flow.read_paused:
            if waited > limits.body_stall_seconds:
                self.break_off(RequestTimedOut(reason="body stalled"))
        elif self._connection is not None and self._connection.drains():
            self._touched = now
        elif 0 < first_byte_seconds(self._route, limits) < waited:
            self.break_off(UpstreamTimedOut(reason="no answer"))

    # private

    def _why_over(self, grace: float) -> str:
        """Why the response must end before it is whole: with its session at once, or with its token."""
        token = self._admitted.token
        if token is None:
            return ""
        now = time.time()
        reason = self._client.gateway.admission.verifier.why_over(token, now)
        # What a token's last moment has admitted is no stream yet
        return "" if reason == EXPIRED and perf_counter() - self._began < grace else reason

    def _fail(self, error: GatewayError) -> None:
        """Respond with an error, or, when a response has begun, end the connection so that it shows."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            error.headers += [(b"Set-Cookie", value) for value in self.set_cookies]
            self._response = []  # a head that was read together with what broke it
            self._client.refuse_instead(self, self._request, self._admitted, error)
            return
        self._abort(error.reason)
        cut(self._client.transport, ends_by_closing=self._response_until_close)

    def _abort(self, reason: str) -> None:
        self.response_complete = True
        self.keep_alive = False
        route = self._route.name
        self._client.observe(RelayAborted(self.request_id, route, reason, self.so_far(route)))

    @override
    def _seek_connection(self, *, fresh: bool = False) -> None:
        self.is_waiting = True
        self._touched = self._client.clock.now
        self._pool.acquire(self, fresh=fresh)
