"""The request of an exchange: what the client sends, on its way to the upstream.

The head is written as soon as it is admitted, together with a body that came in the same read; the rest is
streamed. What cannot be written yet is kept up to a bound, and then the client is not read.
"""

import time
from abc import abstractmethod
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.http.heads import CONTINUE, LAST_CHUNK, chunk
from app.core.requests import Admitted, Renewed, Request
from app.core.session.cookie_rules import cookie_context
from app.core.session.cookies import finish
from app.errors import BodyTooLarge
from app.events import Event, InternalFailure, RequestRelayed
from app.proxy.cycle import Cycle
from app.proxy.pace import BodyPace
from app.proxy.renewing import begin_renewal
from app.proxy.upstream import UpstreamConnection
from app.proxy.waiting import WaitingLine

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol

# RFC 9110 section 9.2.2: what may be sent again when nobody knows whether it was received.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
_BUFFERED_BYTES = 65_536


class RelayedRequest(Cycle):
    """The client's half of an exchange."""

    is_request_sent = False
    is_waiting = False
    line: WaitingLine | None = None  # the pool's line that it stands in
    needs_fresh = False  # it met a stale connection, and must not meet another
    _connection: UpstreamConnection | None = None
    _started = False
    _body_bytes = 0
    _status = 0
    _answer_bytes = 0
    _asked = 0.0  # when the upstream could be asked, if not at once
    _answered = 0.0  # when its answer began
    _pace: BodyPace | None = None  # once a tick finds that the body still comes
    _renewal: object = None  # while it runs
    set_cookies: Sequence[bytes] = ()  # of a session that was renewed for this request

    def __init__(
        self,
        protocol: "GatewayProtocol",
        request: Request,
        admitted: Admitted,
        *,
        body_limit: int,
        keep_alive: bool,
    ) -> None:
        self.request_id = request.request_id
        self.keep_alive = keep_alive
        self._began = perf_counter()
        self._protocol = protocol
        self._request = request
        self._admitted = admitted
        self._body_limit = body_limit
        self._touched = protocol.clock.now
        self._request_out: list[bytes] = [admitted.head]
        self._repeatable = request.method in _IDEMPOTENT and not (admitted.sized or admitted.chunked)
        self._waits_for_body = admitted.expects_continue

    @override
    def start(self) -> None:
        renew = self._protocol.gateway.renew
        if renew is not None and self._admitted.refresh is not None:
            self._renewal = begin_renewal(self, renew, self._request, self._admitted)
        else:
            self._begin()

    def go_on(self, renewed: Renewed | None) -> None:
        """Take the session that was renewed, or the word that it is over, and have the request decided anew.

        Raises GatewayError.
        """
        if self.disconnected or self.response_complete:
            return
        admission = self._protocol.gateway.admission
        if renewed is not None:
            client = self._admitted.client
            names, secure = admission.names(client), admission.secure(client)
            context = cookie_context(self._request.headers, client.host)
            self.set_cookies = finish(renewed.set_cookies, names, secure=secure, context=context)
        access = renewed.access if renewed is not None else b""
        self._admitted = admission.decide(self._request, time.time(), access)
        self._request_out[0] = self._admitted.head
        self.note_wait()
        self._begin()

    def _begin(self) -> None:
        self._started = True
        self._touched = self._protocol.clock.now
        if self._waits_for_body and self.more_body and self._body_bytes == 0:
            # Admitted: ask for the body (RFC 9110 section 10.1.1), and take no connection before it comes.
            self._protocol.transport.write(CONTINUE)
            return
        self._seek_connection()

    def _begin_with_body(self) -> None:
        self._waits_for_body = False
        self.note_wait()
        self._seek_connection()

    @override
    def receive_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        limit = self._body_limit
        if limit and self._body_bytes > limit:
            self.break_off(BodyTooLarge())
            return
        self._request_out.append(chunk(data) if self._admitted.chunked else data)
        if self._connection is None:
            if self._waits_for_body and self._started:
                self._begin_with_body()
            if self._body_bytes > _BUFFERED_BYTES:
                self._protocol.flow.pause_reading()

    @override
    def receive_end(self) -> None:
        self.more_body = False
        if self._admitted.chunked:
            self._request_out.append(LAST_CHUNK)
        if self._waits_for_body and self._started and self._connection is None and not self.is_waiting:
            self._begin_with_body()

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
        if self.is_request_sent:
            self._connection.pool.begin_turn(self._connection)

    @property
    @override
    def is_signed_in(self) -> bool:
        return self._admitted.token is not None

    @property
    @override
    def held_bytes(self) -> int:
        return self._body_bytes if self._connection is None else 0

    def note_wait(self) -> None:
        """Only now can the upstream be asked: what came before was not its time."""
        self._asked = perf_counter()

    def connect(self, connection: UpstreamConnection) -> None:
        """Go on with a connection of the pool's."""
        self.is_waiting = False
        self._connection = connection
        if not self._protocol.is_feeding:  # else head and small body leave together, when the read is parsed
            self.flush()
        self._protocol.resume_reading()

    def upstream_seconds(self) -> float:
        """How long the upstream took to begin its answer."""
        return self._answered - (self._asked or self._began) if self._answered else 0.0

    def so_far(self, route: str) -> RequestRelayed:
        """What has become of the request; all there is to say of it, when it is over."""
        admitted = self._admitted
        token = admitted.token
        return RequestRelayed(
            self.request_id,
            route,
            self._request.method,
            self._status,
            token.role if token is not None else None,
            token.subject if token is not None else None,
            self._answer_bytes,
            perf_counter() - self._began,
            admitted.client.address,
            admitted.path,
            token.session if token is not None else None,
            self._body_bytes,
            self.upstream_seconds(),
            admitted.trace,
            admitted.parent,
        )

    def observe(self, event: Event) -> None:
        """Tell what happened."""
        self._protocol.observe(event)

    def report(self, error: Exception) -> None:
        """Note a defect of the gateway's own."""
        self._protocol.observe(InternalFailure(self.request_id, error))

    def is_late(self) -> bool:
        """Whether the body comes too slowly. Asked each tick; waiting for a connection does not count."""
        protocol = self._protocol
        if not self.more_body or self._connection is None or protocol.flow.read_paused:
            return False
        pace = self._pace = self._pace or BodyPace()
        pace.came = self._body_bytes
        return pace.is_late(protocol.clock.passed, protocol.limits)

    def pause_request(self) -> None:
        """The upstream reads slower than the client writes."""
        self._protocol.flow.pause_reading()

    def resume_request(self) -> None:
        self._protocol.resume_reading()

    # private

    @abstractmethod
    def _seek_connection(self, *, fresh: bool = False) -> None:
        """Ask the pool; it answers with `connect`, or with the loss of the upstream."""

    def _stop_waiting(self) -> None:
        self.is_waiting = False
        line, self.line = self.line, None
        if line is not None:
            line.leave()

    def _drop_connection(self) -> None:
        self._stop_waiting()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
