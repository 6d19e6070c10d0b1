"""Answers that the gateway gives by itself in the proxy lane: refusals and preflights."""

from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.http.heads import whole_response
from app.core.http.targets import path_of
from app.core.http.traces import inbound
from app.core.requests import Admitted, Request
from app.errors import PROTECTION, GatewayError, Headers, render
from app.events import OptionsHandled, RequestRejected
from app.proxy.cycle import Cycle

if TYPE_CHECKING:
    from app.proxy.protocol import GatewayProtocol


class GatewayResponse(Cycle):
    """A complete answer that waits for its turn, and lets the rest of the request's body fall."""

    _started = False

    def __init__(
        self,
        protocol: "GatewayProtocol",
        status: int,
        headers: Headers,
        body: bytes,
        *,
        head_only: bool,
        keep_alive: bool,
    ) -> None:
        self.keep_alive = keep_alive
        self._protocol = protocol
        self._status = status
        self._headers = headers
        self._body = body
        self._head_only = head_only

    @override
    def start(self) -> None:
        self._started = True
        if not self._protocol.is_feeding:
            self.flush()

    @override
    def flush(self) -> None:
        """Write the answer once a read is parsed: with a small body in it, the connection can stay."""
        if not self._started or self.response_complete:
            return
        if self.more_body:
            self.keep_alive = False
        self.response_complete = True
        self._protocol.transport.write(self.as_bytes())
        self._protocol.finish(self)

    def as_bytes(self) -> bytes:
        return whole_response(
            self._status, self._headers, self._body, close=not self.keep_alive, head_only=self._head_only
        )

    @override
    def receive_body(self, data: bytes) -> None:
        """Dropped: it was refused."""

    @override
    def receive_end(self) -> None:
        self.more_body = False

    @override
    def break_off(self, error: GatewayError) -> None:
        self.keep_alive = False

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        self.response_complete = True

    @override
    def pause_answer(self) -> None:
        """It is in the transport's buffer already."""

    @override
    def resume_answer(self) -> None:
        """It is in the transport's buffer already."""

    @override
    def check_deadline(self, now: float) -> None:
        """It is written as soon as it is its turn."""


def options_response(
    protocol: "GatewayProtocol", request: Request, admitted: Admitted, headers: Headers, *, keep_alive: bool
) -> GatewayResponse:
    """The answer to an OPTIONS request that the gateway knows the answer to."""
    address = admitted.client.address
    protocol.observe(
        OptionsHandled(request.request_id, address, admitted.path, admitted.trace, admitted.parent)
    )
    protection = protocol.gateway.admission.protection
    headers = [
        *protocol.server_state.default_headers,
        *headers,
        *PROTECTION,
        *protection.transport(is_https=admitted.client.scheme == "https"),
    ]
    return GatewayResponse(protocol, 204, headers, b"", head_only=False, keep_alive=keep_alive)


def refused(
    protocol: "GatewayProtocol", request: Request, error: GatewayError, admitted: Admitted | None
) -> RequestRejected:
    """What there is to tell of a refusal."""
    if admitted is not None:
        client, path = admitted.client.address, admitted.path
        trace, parent = admitted.trace, admitted.parent
    else:
        client = protocol.gateway.admission.proxies.address_of(request.peer, request.headers)
        path, theirs = path_of(request.target), inbound(request.headers)
        trace, parent = (request.trace, theirs) if request.trace else (theirs, b"")
    return RequestRejected(
        request.request_id,
        request.method,
        error.status,
        error.code,
        error.reason,
        client,
        path,
        trace=trace,
        parent=parent,
    )


def _transport(protocol: "GatewayProtocol", request: Request, admitted: Admitted | None) -> Headers:
    rules = protocol.gateway.admission
    if admitted is not None:
        is_https = admitted.client.scheme == "https"
    else:
        is_https = rules.proxies.is_https(request.peer, request.headers)
    return rules.protection.transport(is_https=is_https)


def refusal(
    protocol: "GatewayProtocol",
    error: GatewayError,
    request: Request,
    *,
    keep_alive: bool,
    admitted: Admitted | None = None,
) -> GatewayResponse:
    """The answer that an error is rendered to. A trusted origin's scripts may read it, as any other."""
    status, headers, body = render(error, request.request_id)
    found = (value for name, value in request.headers if name == b"origin")
    origin = admitted.origin if admitted is not None else next(found, None)
    if origin is not None:
        headers += protocol.gateway.admission.origins.response_headers(origin)
    headers += _transport(protocol, request, admitted)
    return GatewayResponse(
        protocol,
        status,
        protocol.server_state.default_headers + headers,
        body,
        head_only=request.method == b"HEAD",
        keep_alive=keep_alive and not error.closes,
    )
