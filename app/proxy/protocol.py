"""uvicorn's HTTP protocol with a second lane: each request head goes to the ASGI app or to the relay.

uvicorn keeps the connection: parsing, pipelining order, keep-alive, graceful shutdown. This subclass decides
the lane on each head, bounds what the parser does not bound, and puts an object of ours where uvicorn has its
ASGI cycle. In the app lane nothing of uvicorn's is changed.
"""

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.admission import Admitted, Options, Request
from app.core.heads import PROCESSING
from app.core.routing import AuthFunction
from app.errors import (
    GatewayBusy,
    GatewayError,
    HeadTooLarge,
    InternalError,
    RequestTimedOut,
)
from app.events import Event, InternalFailed, RequestRefused
from app.proxy.answers import OwnAnswer, refusal, unreadable
from app.proxy.cycle import Cycle
from app.proxy.exchange import Exchange

if TYPE_CHECKING:
    import asyncio

    from app.proxy.gateway import Gateway


class GatewayProtocol(HttpToolsProtocol):
    """One client connection."""

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
        self._read_bytes = 0
        self._is_broken = False
        self._is_idle = True
        self._since = gateway.clock.now
        self._no_more_requests = False
        self._lingering_bytes = -1
        self._is_half_closed = False
        self._current: Any = None  # the cycle whose turn it is; self.cycle is the one being read

    # asyncio.Protocol

    @override
    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.gateway.connections.add(self)
        address = self.client[0] if self.client else ""
        self._peer = self.gateway.admission.proxies.peer(address, self.scheme or "http")
        if len(self.connections) > self.limits.connections:
            self._break_off(GatewayBusy(reason="too many connections"))

    @override
    def data_received(self, data: bytes) -> None:
        if self._lingering_bytes >= 0:
            self._linger_on(len(data))
            return
        if self._is_broken:
            return
        if self._is_idle:
            self._is_idle = False
            self._since = self.clock.now
        self._read_bytes = len(data)
        was_in_head = self._in_head
        self.is_feeding = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # refused when its head was complete
        except httptools.HttpParserError as error:
            self._break_off(unreadable(error, data, in_head=self._in_head))
        self.is_feeding = False
        if self._in_head and was_in_head:
            # A whole head is measured when it is complete; this is for one that never is.
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._break_off(HeadTooLarge())
        if isinstance(self._current, Cycle):
            self._current.flush()

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the answer's way open for a client that has only closed its own (RFC 9112 section 9.6)."""
        cycle = self.cycle
        if self._lingering_bytes >= 0 or cycle is None or cycle.response_complete or cycle.more_body:
            return None
        cycle.keep_alive = False
        self._no_more_requests = True
        self._is_half_closed = True
        self._probe_client()
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gateway.connections.discard(self)
        current = self._current
        if isinstance(current, Cycle):
            current.lose_client()
        elif current is not None:  # uvicorn tells the last one it read; this one runs
            current.disconnected = True
            current.message_event.set()
        self.pipeline.clear()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self._current, Cycle):
            self._current.pause_answer()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self._current, Cycle):
            self._current.resume_answer()

    # httptools callbacks

    @override
    def on_message_begin(self) -> None:
        """Note the start of a head. The ASGI scope is only made for the app lane."""
        self._in_head = True
        self._head_bytes = 0
        self._since = self.clock.now
        self.url = b""
        self.headers = []

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are dropped (RFC 9110 section 6.5.1)
            self.headers.append((name.lower(), value))

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._no_more_requests:
            return
        parser = self.parser
        version = parser.get_http_version()
        # The parser stops at an upgrade and loses the body: such a connection is not in step any more.
        upgrade = parser.should_upgrade()
        keep_alive = version == "1.1" and not upgrade and parser.should_keep_alive()
        request = Request(
            parser.get_method(),
            self.url,
            version,
            self.headers,
            self._head_bytes + self._read_bytes,
            upgrade,
            self._peer,
            self.gateway.new_request_id(),
        )
        try:
            admitted = self.gateway.admission.decide(request, time.time())
        except GatewayError as error:
            self._enter(self._refusal(error, request, keep_alive=keep_alive))
        except Exception as error:  # noqa: BLE001  fail closed: what cannot be decided is not relayed
            self.observe(InternalFailed(request.request_id, error))
            self._enter(self._refusal(InternalError(), request, keep_alive=False))
        else:
            self._admit(request, admitted, keep_alive=keep_alive)

    @override
    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            return  # of a request after the last one
        if isinstance(cycle, Cycle):
            cycle.receive_body(body)
        else:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            return
        if isinstance(cycle, Cycle):
            cycle.receive_end()
        else:
            super().on_message_complete()
        if not cycle.keep_alive:
            self._no_more_requests = True

    # uvicorn's protocol

    @override
    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._current = cycle
        if isinstance(cycle, Cycle):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    @override
    def on_response_complete(self) -> None:
        """Go on to the next request. The keep-alive deadline is the sweep's: no timer for each request."""
        self.server_state.total_requests += 1
        self._current = None
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._is_idle = not self._in_head
            self._since = self.clock.now

    # for the cycles

    def observe(self, event: Event) -> None:
        self.gateway.observe(event)

    def finish(self, cycle: Cycle) -> None:
        """An answer of the proxy lane is written, whole."""
        if not cycle.keep_alive:
            self._no_more_requests = True
            if cycle.more_body:
                self._begin_lingering()
            else:
                self.transport.close()
        self.on_response_complete()

    def refuse_instead(
        self, cycle: Cycle, request: Request, origin: bytes | None, error: GatewayError
    ) -> None:
        """Answer with an error in the place of an exchange that has not begun to answer."""
        answer = self._refusal(error, request, keep_alive=cycle.keep_alive, origin=origin)
        answer.more_body = cycle.more_body
        cycle.response_complete = True
        if self.cycle is cycle:
            self.cycle = answer
        if self._current is cycle:
            self._current = answer
            answer.start()
        else:
            self.pipeline = deque((answer if entry is cycle else entry, app) for entry, app in self.pipeline)

    def resume_reading(self) -> None:
        """Read on, unless requests are waiting for their turn."""
        if not self.pipeline:
            self.flow.resume_reading()

    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick for each connection."""
        waited = now - self._since
        current = self._current
        if self._is_half_closed:
            self._probe_client()
        if self.transport.is_closing():
            if waited > self.limits.write_stall_seconds:
                self.transport.abort()  # the rest of an answer that nobody reads
        elif self._lingering_bytes >= 0:
            if waited > self.limits.linger_seconds:
                self.transport.abort()
        elif self._is_idle:
            if waited > self.limits.idle_seconds:
                self.transport.close()
        elif self._in_head and waited > self.limits.head_seconds:
            self._break_off(RequestTimedOut(reason="head"))
        elif isinstance(current, Cycle):
            current.check_deadline(now)
        elif current is not None and current.more_body and waited > self.limits.body_stall_seconds:
            self._break_off(RequestTimedOut(reason="body"))

    # private

    def _admit(self, request: Request, admitted: Admitted, *, keep_alive: bool) -> None:
        lane = admitted.lane
        if isinstance(lane, AuthFunction):
            self._enter_app_lane(admitted, request)
        elif isinstance(lane, Options):
            headers = self.server_state.default_headers + lane.headers
            self._enter(OwnAnswer(self, 204, headers, b"", head_only=False, keep_alive=keep_alive))
        else:
            pool = self.gateway.upstreams[lane.upstream]
            self._enter(Exchange(self, request, admitted, route=lane, pool=pool, keep_alive=keep_alive))

    def _enter(self, cycle: Cycle) -> None:
        """Take a cycle in, as uvicorn does with its own: at once, or behind those before it."""
        existing = self.cycle
        self.cycle = cycle
        if len(self.pipeline) >= self.limits.pipelined_requests:
            cycle.keep_alive = False
            self._no_more_requests = True
        if existing is None or existing.response_complete:
            self._start_asgi_task(cycle, None)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))

    def _enter_app_lane(self, admitted: Admitted, request: Request) -> None:
        """Make what uvicorn would have made of this head, and hand it over."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = admitted.expects_continue
        self.scope["scheme"] = "https" if admitted.client.scheme == "https" else "http"
        self.scope["state"]["admitted"] = admitted
        self.scope["state"]["request_id"] = request.request_id
        super().on_headers_complete()

    def _refusal(
        self, error: GatewayError, request: Request, *, keep_alive: bool, origin: bytes | None = None
    ) -> OwnAnswer:
        self.observe(
            RequestRefused(request.request_id, request.method, error.status, error.code, error.reason)
        )
        return refusal(self, error, request, keep_alive=keep_alive, origin=origin)

    def _break_off(self, error: GatewayError) -> None:
        """What still comes on this connection cannot be understood: answer once, in turn, and close."""
        if self._is_broken:
            return
        self._is_broken = True
        self._no_more_requests = True
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            if isinstance(cycle, Cycle):
                cycle.keep_alive = False
                cycle.break_off(error)
            else:
                cycle.disconnected = True  # the app's receive tells; nothing is written over its answer
                cycle.message_event.set()
                self.transport.close()
            return
        self._in_head = False
        request = Request(b"", self.url, "1.1", [], 0, False, self._peer, self.gateway.new_request_id())  # noqa: FBT003
        self._enter(self._refusal(error, request, keep_alive=False))

    def _probe_client(self) -> None:
        """Tell a client that has only closed its own side from one that is gone.

        Both look alike until something is written: the one reads over an interim answer (RFC 9110 section
        15.2), the other resets the connection.
        """
        current = self._current
        if current is not None and not current.response_started and not self.transport.is_closing():
            self.transport.write(PROCESSING)

    def _begin_lingering(self) -> None:
        """Close in two steps, so that the answer is not lost to a reset (RFC 9112 section 9.6)."""
        self._lingering_bytes = 0
        self._since = self.clock.now
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _linger_on(self, count: int) -> None:
        self._lingering_bytes += count
        if self._lingering_bytes > self.limits.linger_bytes:
            self.transport.abort()
