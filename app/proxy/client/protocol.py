"""One client connection as uvicorn's protocol: requests go in, and responses come out in order.

uvicorn owns pipelining, keep-alive and graceful shutdown. This subclass puts a `Cycle` where uvicorn has its
ASGI cycle, for each request of the proxy lane. The app lane is uvicorn's, unchanged. How requests are read,
bounded and ended is in the files beside it. Long because uvicorn's protocol is one class, and each callback
of it is a few lines.
"""

import asyncio
from collections import deque
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.requests import Admitted, Request
from app.errors import GatewayBusy, GatewayError, InternalError
from app.events import Event, InternalFailure
from app.proxy.client.app_lane import AppRequest
from app.proxy.client.connection import ClientConnection
from app.proxy.client.ending import Ending
from app.proxy.client.lanes import served_by
from app.proxy.client.reader import RequestReader
from app.proxy.client.states import (
    BROKEN,
    CLOSED,
    HEAD,
    IDLE,
    LAST,
    LINGERING,
    RESPONDING,
    TUNNEL,
    State,
)
from app.proxy.client.watch import Watch
from app.proxy.cycle import Cycle
from app.proxy.exchange.known_heads import exchange_again, reject_again
from app.proxy.exchange.responses import reject
from app.proxy.gateway import Gateway
from app.proxy.head_cache import KnownRejection
from app.proxy.progress import Progress


class GatewayProtocol(HttpToolsProtocol, ClientConnection):
    """One client connection, with its two lanes."""

    cycle: Any  # typed again: uvicorn knows its own cycles alone
    pipeline: deque[tuple[Any, Any]]

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        gateway: Gateway = app_state["gateway"]
        self.gateway = gateway
        self.limits = gateway.limits
        self.clock = gateway.clock
        self.progress = Progress()
        self.since = gateway.clock.now
        self._reader = RequestReader(self)
        self._ending = Ending(self)
        self._watch = Watch(self, self._reader, self._ending)
        self.parser = self._reader.parser

    # asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.gateway.drains:  # it came just before the listener closed
            self.shutdown()
        self.gateway.connections.add(self._watch)
        self.adopt_rules()
        address = self.client[0] if self.client and not self.peer.trusted else ""
        if reason := self.gateway.bounds.enter(self._watch, address, self.limits):
            self.break_off(GatewayBusy(reason=reason))

    @override
    def data_received(self, data: bytes) -> None:
        state = self.state
        try:
            if state is IDLE and self._serve_known_head(data):
                if self._watch.is_half_open:
                    self._watch.note_held()
            elif state is TUNNEL and self.divert is not None:
                self.divert(data)
            elif state is LINGERING:
                self._ending.linger_on(len(data))
            elif state is not LAST and state is not BROKEN:
                self._parse(data)
        except Exception as error:  # noqa: BLE001  a defect must not leave a client waiting
            self._end_defect(error)

    def _parse(self, data: bytes) -> None:
        self.is_feeding = True
        try:
            self._reader.feed(data)
        except GatewayError as error:
            self.break_off(error)
        self.is_feeding = False
        watch, cycle = self._watch, self.cycle
        if watch.is_half_open or self.state is HEAD or (cycle is not None and cycle.more_body):
            watch.note_held()
        if isinstance(self.current, Cycle):
            self.current.flush()

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the response's way open for a client that has only closed its own (RFC 9112 section 9.6)."""
        cycle = self.cycle
        if self.state is LINGERING or cycle is None or cycle.response_complete or cycle.more_body:
            return None
        if isinstance(cycle, Cycle) and not cycle.half_close():
            return None
        cycle.keep_alive = False
        if self.state is HEAD or self.state is RESPONDING:
            self.state = LAST
        self._ending.note_half_closed(is_old=self._reader.is_old)
        self._ending.probe(self.current)
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.state = CLOSED
        self.gateway.connections.discard(self._watch)
        self.gateway.bounds.leave(self._watch)
        current = self.current
        if isinstance(current, Cycle):
            current.lose_client()
        elif current is not None:  # uvicorn notifies the last one that it read; this one runs
            current.disconnected = True
            current.message_event.set()
        self.pipeline.clear()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self.current, Cycle):
            self.current.pause_response()
        self._watch.note_held()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch.note_held()
        if isinstance(self.current, Cycle):
            self.current.resume_response()
        elif self.current is None and not self.transport.is_closing():
            self._go_on()

    # for the reader

    @override
    def take_head(self) -> None:
        reader, new_trace = self._reader, self.gateway.new_trace
        request = reader.request(self.gateway.new_request_id())
        if new_trace is not None:
            request = request._replace(trace=new_trace(request.headers))
        # The parser stops at an upgrade and loses the body: such a connection is not in step any more.
        keep_alive = not (reader.is_old or request.upgrade or self.leaves) and self.parser.should_keep_alive()
        is_alone = not self.pipeline
        served = served_by(self, request, reader.read, is_alone=is_alone, keep_alive=keep_alive)
        if isinstance(served, Cycle):
            self._enter(served)
        else:
            self._enter_app_lane(served, request, keep_alive=keep_alive)

    @override
    def take_body(self, data: bytes) -> None:
        if isinstance(self.cycle, Cycle):
            self.cycle.receive_body(data)
        else:
            self.since = self.clock.now
            self.app_request.add(data)
            self.on_body(data)

    @override
    def take_end(self) -> State:
        cycle = self.cycle
        if isinstance(cycle, Cycle):
            cycle.receive_end()
        else:
            self.on_message_complete()
        return TUNNEL if self.divert is not None else RESPONDING if cycle.keep_alive else LAST

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
        """Continue with the next request. The sweep has the keep-alive deadline: no timer per request."""
        self.server_state.total_requests += 1
        current, self.current = self.current, None
        self.since = self.clock.now
        if self.transport.is_closing():
            return
        if current.more_body:
            self._ending.begin_lingering()  # an early response: what still comes is no request
        elif self.flow.write_paused:
            self.flow.pause_reading()  # the client has not read what it got: its next request waits
        else:
            self._go_on()

    @override
    def shutdown(self) -> None:
        """Let the next response be the last, and say so in it; without a request, close soon.

        A response that has begun has not said it, so that one is not the last.
        """
        self.leaves = True
        cycle = self.cycle
        if self.state is IDLE:
            self.since = self.clock.now
        elif cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    @override
    def adopt_rules(self) -> None:
        self.limits = self.gateway.limits
        address = self.client[0] if self.client else ""
        self.peer = self.gateway.admission.proxies.peer(address, self.scheme or "http")

    # for the cycles

    @override
    def observe(self, event: Event) -> None:
        self.gateway.observe(event)

    @override
    def resume_reading(self) -> None:
        if not self.pipeline:
            self.flow.resume_reading()

    @override
    def finish(self, cycle: Cycle) -> None:
        if not cycle.keep_alive and not cycle.more_body:
            self.transport.close()
        self.on_response_complete()

    @override
    def replace(self, old: Any, new: Cycle) -> None:
        if self.cycle is old:
            self.cycle = new
        if self.current is old:
            self.current = new
        else:
            self.pipeline = deque((new if entry is old else entry, app) for entry, app in self.pipeline)

    @override
    def reject_instead(
        self, cycle: Any, request: Request, admitted: Admitted | None, error: GatewayError
    ) -> None:
        response = reject(self, request, error, keep_alive=cycle.keep_alive, admitted=admitted)
        response.more_body = cycle.more_body
        cycle.response_complete = True
        is_current = self.current is cycle
        self.replace(cycle, response)
        if is_current:
            response.start()

    # requests

    def _serve_known_head(self, data: bytes) -> bool:
        """Respond to a head that the cache knows, without parsing it. False: it does not know it."""
        if self.leaves or self.flow.write_paused:
            return False
        known = self.gateway.head_cache.find(data, self.peer, now=self.clock.now)
        if known is None:
            return False
        if isinstance(known, KnownRejection):
            self.since = self.clock.now
            self.server_state.total_requests += 1
            reject_again(self, known)
            return True
        cycle = exchange_again(self, known, data)
        if cycle is None:
            return False
        self.state = RESPONDING
        self.since = self.clock.now
        self.cycle = self.current = cycle
        cycle.start()
        return True

    def _enter(self, cycle: Cycle) -> None:
        """Take a cycle in, as uvicorn does with its own: at once, or behind those before it."""
        existing = self.cycle
        self.cycle = cycle
        if len(self.pipeline) >= self.limits.pipelined_requests:
            cycle.keep_alive = False
        if existing is None or existing.response_complete:
            self._start_asgi_task(cycle, None)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))

    def _enter_app_lane(self, admitted: Admitted, request: Request, *, keep_alive: bool) -> None:
        """Make what uvicorn would have made of this head, and let it have it."""
        self.since, self.app_request = self.clock.now, AppRequest(request)
        super().on_message_begin()
        self.url = self._reader.url
        self.headers.extend(self._reader.headers)
        self.expect_100_continue = admitted.expects_continue
        self.scope["scheme"] = "https" if admitted.client.scheme == "https" else "http"
        self.scope["state"]["admitted"] = admitted
        self.scope["state"]["request_id"] = request.request_id
        super().on_headers_complete()
        self.cycle.keep_alive = keep_alive

    def _go_on(self) -> None:
        """Begin the next request, or wait for one."""
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.state is RESPONDING:
            self.state = IDLE

    # ends

    @override
    def break_off(self, error: GatewayError) -> None:
        if self.state in {TUNNEL, BROKEN, LINGERING, CLOSED}:
            return
        self.state = BROKEN
        cycle = self.cycle
        if cycle is None or not cycle.more_body or cycle.response_complete:
            request = self._reader.unreadable_request(self.gateway.new_request_id())
            self._enter(reject(self, request, error, keep_alive=False))
            return
        cycle.keep_alive = False
        if isinstance(cycle, Cycle):
            cycle.break_off(error)
            return
        cycle.disconnected = True  # the app learns it from its receive, and writes nothing any more
        cycle.message_event.set()
        if cycle.response_started:
            self.transport.close()
        else:
            self.reject_instead(cycle, self.app_request.request, None, error)

    def _end_defect(self, error: Exception) -> None:
        """Say that the gateway failed, if there is still something to say it to."""
        self.is_feeding = False
        if self.state is not CLOSED:
            self.state = BROKEN
        current = self.current
        request_id = current.request_id if isinstance(current, Cycle) else b""
        self.gateway.observe(InternalFailure(request_id, error))
        if isinstance(current, Cycle) and not current.response_started:
            current.keep_alive = False
            current.break_off(InternalError())
        else:
            self.transport.abort()
