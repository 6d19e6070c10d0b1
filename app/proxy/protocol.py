"""uvicorn's HTTP protocol with a second lane: each request head goes to the ASGI app or to the relay.

uvicorn keeps the connection: parsing, pipelining order, keep-alive, graceful shutdown. This subclass decides
the lane on each head and, in the proxy lane, puts an object of ours where uvicorn has its ASGI cycle. In the
app lane nothing of uvicorn's is changed.
"""

import time
from collections import deque
from typing import Any

from typing_extensions import override

from app.core.http.routing import AuthFunction, OwnDocument
from app.core.requests import Admitted, Options, Request
from app.errors import GatewayError, InternalError
from app.events import Event, InternalFailure
from app.proxy.answers import GatewayResponse, options_response, refusal, refused
from app.proxy.client import ClientConnection
from app.proxy.cycle import Cycle
from app.proxy.exchange import Exchange
from app.proxy.pace import BodyPace
from app.proxy.tunnel import Tunnel


class GatewayProtocol(ClientConnection):
    """One client connection, with its two lanes."""

    _app_request: Request  # the last one of the app lane

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._new_trace = self.gateway.new_trace

    # httptools callbacks

    @override
    def on_message_begin(self) -> None:
        """Note the start of a head. The ASGI scope is only made for the app lane."""
        self._in_head = True
        self._is_idle = False
        self._head_bytes = self._first_bytes = 0
        self._framing_bytes = 0
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
        self._is_old = version != "1.1"
        # The parser stops at an upgrade and loses the body: such a connection is not in step any more.
        upgrade = parser.should_upgrade()
        keep_alive = version == "1.1" and not upgrade and not self.leaves and parser.should_keep_alive()
        request = Request(
            parser.get_method(),
            self.url,
            version,
            self.headers,
            self._first_bytes + self._head_bytes + len(self._read),
            upgrade,
            self.peer,
            self.gateway.new_request_id(),
            self._new_trace(self.headers) if self._new_trace is not None else b"",
        )
        try:
            admitted = self.gateway.admission.decide(request, time.time())
        except GatewayError as error:
            answer = self._refusal(error, request, keep_alive=keep_alive)
            self.gateway.heads.keep_refused(self, request, error, answer, data=self._read)
            self._enter(answer)
        except Exception as error:  # noqa: BLE001  fail closed: what cannot be decided is not relayed
            self.observe(InternalFailure(request.request_id, error))
            self._enter(self._refusal(InternalError(), request, keep_alive=False))
        else:
            self._admit(request, admitted, keep_alive=keep_alive)

    @override
    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            return  # of a request after the last one
        self._body_bytes += len(body)
        if isinstance(cycle, Cycle):
            cycle.receive_body(body)
        else:
            self._since = self.clock.now
            self._pace.came += len(body)
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
        self._no_more_requests = self._no_more_requests or not cycle.keep_alive

    # uvicorn's protocol

    @override
    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.current = cycle
        if isinstance(cycle, Cycle):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    @override
    def on_response_complete(self) -> None:
        """Go on to the next request. The keep-alive deadline is the sweep's: no timer for each request."""
        self.server_state.total_requests += 1
        current, self.current = self.current, None
        self._since = self.clock.now
        if self.transport.is_closing():
            return
        if current.more_body:
            self.begin_lingering()  # an early answer, of either lane: what still comes is no request
        elif self.flow.write_paused:
            self.flow.pause_reading()  # the client has not read what it got: its next request waits
        else:
            self._go_on()

    @override
    def _go_on(self) -> None:
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._is_idle = not self._in_head

    # for the cycles

    def observe(self, event: Event) -> None:
        self.gateway.observe(event)

    def finish(self, cycle: Cycle) -> None:
        """An answer of the proxy lane is written, whole."""
        if not cycle.keep_alive:
            self._no_more_requests = True
            if not cycle.more_body:
                self.transport.close()
        self.on_response_complete()

    def refuse_instead(
        self, cycle: Any, request: Request, admitted: Admitted | None, error: GatewayError
    ) -> None:
        """Answer with an error in the place of an exchange that has not begun to answer."""
        answer = self._refusal(error, request, keep_alive=cycle.keep_alive, admitted=admitted)
        answer.more_body = cycle.more_body
        cycle.response_complete = True
        if self.cycle is cycle:
            self.cycle = answer
        if self.current is cycle:
            self.current = answer
            answer.start()
        else:
            self.pipeline = deque((answer if entry is cycle else entry, app) for entry, app in self.pipeline)

    # private

    def _admit(self, request: Request, admitted: Admitted, *, keep_alive: bool) -> None:
        lane = admitted.lane
        if isinstance(lane, (AuthFunction, OwnDocument)):
            self._enter_app_lane(admitted, request, keep_alive=keep_alive)
        elif isinstance(lane, Options):
            self._enter(options_response(self, request, admitted, lane.headers, keep_alive=keep_alive))
        else:
            pool = self.gateway.upstreams[lane.upstream]
            kind = Tunnel if admitted.upgrades else Exchange
            self._enter(kind(self, request, admitted, route=lane, pool=pool, keep_alive=keep_alive))
            if keep_alive:
                self.gateway.heads.keep_admitted(request, admitted, self._read)

    @override
    def _answer_repeat(self, data: bytes) -> bool:
        if self._no_more_requests or self.leaves or self.flow.write_paused:
            return False
        return self.gateway.heads.answer(self, data)

    def take_repeat(self, cycle: Exchange) -> None:
        """Start an exchange whose head was not parsed, on a connection that was idle."""
        self._is_idle = False
        self._since = self.clock.now
        cycle.more_body = False
        self.cycle = self.current = cycle
        cycle.start()

    def write_repeat(self, answer: bytes) -> None:
        """Give an answer of the gateway's own again, on a connection that was idle."""
        self._since = self.clock.now
        self.server_state.total_requests += 1
        self.transport.write(answer)

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

    def _enter_app_lane(self, admitted: Admitted, request: Request, *, keep_alive: bool) -> None:
        """Make what uvicorn would have made of this head, and hand it over."""
        self._since, self._app_request, self._pace = self.clock.now, request, BodyPace()
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = admitted.expects_continue
        self.scope["scheme"] = "https" if admitted.client.scheme == "https" else "http"
        self.scope["state"]["admitted"] = admitted
        self.scope["state"]["request_id"] = request.request_id
        super().on_headers_complete()
        self.cycle.keep_alive = keep_alive

    def _refusal(
        self, error: GatewayError, request: Request, *, keep_alive: bool, admitted: Admitted | None = None
    ) -> GatewayResponse:
        self.observe(refused(self, request, error, admitted))
        return refusal(self, error, request, keep_alive=keep_alive, admitted=admitted)

    @override
    def _give_up(self, error: GatewayError) -> None:
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            cycle.keep_alive = False
            if isinstance(cycle, Cycle):
                cycle.break_off(error)
                return
            cycle.disconnected = True  # the app learns it from its receive, and writes nothing any more
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
            else:
                self.refuse_instead(cycle, self._app_request, None, error)
            return
        self._in_head = False
        request = Request(b"", self.url, "1.1", [], 0, False, self.peer, self.gateway.new_request_id())  # noqa: FBT003
        self._enter(self._refusal(error, request, keep_alive=False))
