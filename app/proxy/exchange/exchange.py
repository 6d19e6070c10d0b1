"""One relayed request and its response, from the client's admitted head to the response's last byte.

The happy path is synchronous, with back-pressure on whichever side is ahead, and nothing is kept beyond the
transports' high-water marks. An incomplete message never becomes a complete one: a cut upload drops the
upstream, a cut response the client. Long because it is called from both sides, and each call is a few lines;
the bytes of either direction are in the files beside it.
"""

from collections.abc import Sequence
from time import perf_counter

from typing_extensions import override

from app.core.http.headers import Header
from app.core.http.heads import CONTINUE
from app.core.http.routing import Route
from app.core.relay.response_headers import ResponseHeaders
from app.core.requests import Admitted, Request
from app.errors import BodyTooLarge, GatewayError, RequestTimedOut, TokenRejected
from app.events import InternalFailure, RelayAborted
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.deadlines import overdue, why_over
from app.proxy.exchange.request_buffer import RequestBuffer
from app.proxy.exchange.response import RelayedResponse
from app.proxy.exchange.streams import cut, notice_dead_peers
from app.proxy.exchange.tunnel import Tunnel
from app.proxy.exchange.upgrade import Upgrade
from app.proxy.upstream.carried import CarriedExchange
from app.proxy.upstream.link import UpstreamLink
from app.proxy.upstream.pool import UpstreamPool

# RFC 9110 section 9.2.2: what may be sent again when it is unknown whether it was received.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class Exchange(CarriedExchange):
    """A request of the proxy lane, once it is admitted, and its response."""

    _link: UpstreamLink | None = None
    _is_started = False
    _is_paused = False  # the response: the client reads slower than the upstream writes
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
        upgrade: Upgrade | None = None,
        set_cookies: Sequence[bytes] = (),
        began: float = 0.0,
    ) -> None:
        """`set_cookies`: of a session that was renewed for this request, which then began at `began`."""
        self.request_id = request.request_id
        self.keep_alive = keep_alive
        self.is_head = request.method == b"HEAD"
        self._client = client
        self._request = request
        self._admitted = admitted
        self._route = route
        self._pool = pool
        self._upgrade = upgrade
        self._set_cookies = set_cookies
        self._touched = client.clock.now
        has_body = admitted.sized or admitted.chunked
        self._repeatable = request.method in _IDEMPOTENT and not has_body and upgrade is None
        self._awaits_body = admitted.expects_continue
        self._outgoing = RequestBuffer(admitted.head, is_chunked=admitted.chunked, limit=route.body_bytes)
        self._began = began or perf_counter()
        self._response = RelayedResponse(
            client.gateway, request, admitted, route, set_cookies=set_cookies, began=self._began
        )

    # the client's side

    @override
    def start(self) -> None:
        self._is_started = True
        self._touched = self._client.clock.now
        if self._awaits_body and self.more_body and self._outgoing.body_bytes == 0:
            # Admitted: ask for the body (RFC 9110 section 10.1.1), and take no connection before it comes.
            self._client.transport.write(CONTINUE)
        else:
            self._acquire()

    @override
    def receive_body(self, data: bytes) -> None:
        outgoing = self._outgoing
        try:
            outgoing.add(data)
        except BodyTooLarge as error:
            self.break_off(error)
            return
        if self._link is None:
            self._stop_awaiting_body()
            if outgoing.is_full:
                self._client.flow.pause_reading()

    @override
    def receive_end(self) -> None:
        self.more_body = False
        self._outgoing.end()
        if self._link is None and not self.is_waiting:
            self._stop_awaiting_body()

    @override
    def flush(self) -> None:
        link = self._link
        if link is None:
            return
        data = self._outgoing.take()
        if data:
            self._touched = self._client.clock.now
            link.write(data)
        self.is_request_sent = not self.more_body
        if self.is_request_sent:
            link.note_sent()

    @property
    @override
    def is_signed_in(self) -> bool:
        return self._admitted.token is not None

    @property
    @override
    def held_bytes(self) -> int:
        return self._outgoing.body_bytes if self._link is None else 0

    @override
    def break_off(self, error: GatewayError) -> None:
        self._drop_link()
        self._fail(error)

    @override
    def half_close(self) -> bool:
        """Continue, but for an event stream: while it is silent, a reading client looks like a lost one."""
        self._is_half_closed = True
        return not (self._response.is_event_stream and self.response_started)

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        self._drop_link()
        if not self.response_complete:
            self._abort("client gone")

    @override
    def pause_response(self) -> None:
        if self._link is not None:
            self._link.pause_response()
        self._is_paused = True
        self._touched = self._client.clock.now

    @override
    def resume_response(self) -> None:
        self._is_paused = False
        self._touched = self._client.clock.now
        if self._link is not None:
            self._link.resume_response()

    # the upstream's side

    @override
    def note_wait(self) -> None:
        self._response.note_wait()

    @override
    def connect(self, connection: UpstreamLink) -> None:
        self.is_waiting = False
        self._link = connection
        if not self._client.is_feeding:  # else head and small body leave together, when the read is parsed
            self.flush()
        self._client.resume_reading()

    @override
    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        """The upstream cannot be had, or failed before the response was whole.

        `stale`: a connection that was used before ended without one byte of a response. Most likely the
        upstream closed it before the request came, so the request is repeated once, where that is safe.
        """
        self._link = None
        self.is_waiting = False
        if stale and self._repeatable and not self.response_started:
            self._repeatable = False
            self._outgoing.restart(self._admitted.head)
            self._acquire(fresh=True)
            return
        self._fail(error)

    @override
    def begin_response(self, status: int, headers: ResponseHeaders) -> None:
        self._touched = self._client.clock.now
        if self.more_body:
            self.keep_alive = False  # an early response: the rest of the body is not read as a request
        self.keep_alive = self._response.begin(status, headers, keep_alive=self.keep_alive)
        if headers.is_event_stream:
            notice_dead_peers(self._client.transport, self._link)

    @override
    def switch(self, status: int, headers: Sequence[Header], data: bytes) -> CarriedExchange | None:
        upgrade, link = self._upgrade, self._link
        if upgrade is None or link is None or not upgrade.is_accepted(status, headers):
            return None
        self._link = None
        client, token = self._client, self._admitted.token
        route, request_id = self._route.name, self.request_id
        tunnel = Tunnel(client, link, self._response, token, route=route, request_id=request_id)
        client.replace(self, tunnel)
        tunnel.open(status, ResponseHeaders(headers), data, upgrade.take())
        return tunnel

    @override
    def relay_body(self, data: bytes) -> None:
        self._response.add(data)

    @override
    def end_response(self) -> None:
        self._response.end()

    @override
    def flush_response(self) -> None:
        data = self._response.take()
        if data:
            self.response_started = True
            self._touched = self._client.clock.now
            self._client.transport.write(data)

    @override
    def finish(self) -> None:
        self._link = None
        self.response_complete = True
        self._response.request_bytes = self._outgoing.body_bytes
        self._response.count()
        self._client.finish(self)

    @override
    def pause_request(self) -> None:
        self._client.flow.pause_reading()

    @override
    def resume_request(self) -> None:
        self._client.resume_reading()

    @override
    def report(self, error: Exception) -> None:
        self._client.observe(InternalFailure(self.request_id, error))

    # deadlines

    @override
    def check_deadline(self, now: float) -> None:
        client, link, is_started = self._client, self._link, self.response_started
        token = self._admitted.token
        verifier = client.gateway.admission.verifier
        waited = now - self._touched
        if is_started and token is not None and (reason := why_over(verifier, token, self._began)):
            self.break_off(TokenRejected(reason=reason))
        elif self._is_body_late():
            self.break_off(RequestTimedOut(reason="body too slow"))
        elif self._is_paused and not self.is_waiting:
            if client.progress.made(client.transport):
                self._touched = now
            elif waited > client.limits.write_stall_seconds:
                client.transport.abort()
        elif not is_started and link is not None and not self._reads_body() and link.drains():
            self._touched = now
        elif error := overdue(
            self._route,
            client.limits,
            waited,
            is_queued=self.is_waiting,
            is_started=is_started,
            is_endless=self._response.is_event_stream and not self._is_half_closed,
            reads_body=self._reads_body(),
        ):
            self.break_off(error)

    def _reads_body(self) -> bool:
        return self.more_body and not self._client.flow.read_paused

    def _is_body_late(self) -> bool:
        """Waiting for a connection does not count."""
        client = self._client
        if self._link is None or not self._reads_body():
            return False
        return self._outgoing.is_late(client.clock.passed, client.limits)

    # private

    def _stop_awaiting_body(self) -> None:
        if self._awaits_body and self._is_started:
            self._awaits_body = False
            self.note_wait()
            self._acquire()

    def _acquire(self, *, fresh: bool = False) -> None:
        """Ask the pool for a connection: it calls `connect` or `lose_upstream`."""
        self.is_waiting = True
        self._touched = self._client.clock.now
        self._pool.acquire(self, fresh=fresh)

    def _drop_link(self) -> None:
        self.is_waiting = False
        leave, self.leave_queue = self.leave_queue, None
        if leave is not None:
            leave()
        link, self._link = self._link, None
        if link is not None:
            link.abandon()

    def _fail(self, error: GatewayError) -> None:
        """Respond with an error, or, when a response has begun, end the connection so that it shows."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            error.headers += [(b"Set-Cookie", value) for value in self._set_cookies]
            self._response.drop()
            self._client.reject_instead(self, self._request, self._admitted, error)
            return
        self._abort(error.reason)
        cut(self._client.transport, ends_by_closing=self._response.ends_by_closing)

    def _abort(self, reason: str) -> None:
        self.response_complete = True
        self.keep_alive = False
        self._response.request_bytes = self._outgoing.body_bytes
        so_far = self._response.so_far()
        self._client.observe(RelayAborted(self.request_id, self._route.name, reason, so_far))
