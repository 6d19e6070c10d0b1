"""Responses that the gateway gives itself in the proxy lane: rejections and preflights."""

from typing_extensions import override

from app.core.http.heads import whole_response
from app.core.http.targets import path_of
from app.core.http.traces import inbound
from app.core.requests import Admitted, Request
from app.errors import PROTECTION, GatewayError, Headers, render
from app.events import OptionsHandled, RequestRejected
from app.proxy.cycle import Cycle
from app.proxy.exchange.client_side import ClientSide


class GatewayResponse(Cycle):
    """A complete response, written after the earlier ones. The rest of the request's body is dropped."""

    _started = False

    def __init__(
        self,
        client: ClientSide,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        head_only: bool,
        keep_alive: bool,
    ) -> None:
        self.keep_alive = keep_alive
        self._client = client
        self._status = status
        self._headers = headers
        self._body = body
        self._head_only = head_only

    @override
    def start(self) -> None:
        self._started = True
        if not self._client.is_feeding:
            self.flush()

    @override
    def flush(self) -> None:
        """Write the response once a read is parsed: with a small body in it, the connection can stay."""
        if not self._started or self.response_complete:
            return
        if self.more_body:
            self.keep_alive = False
        self.response_complete = True
        self._client.transport.write(self.as_bytes())
        self._client.finish(self)

    def as_bytes(self) -> bytes:
        return whole_response(
            self._status, self._headers, self._body, close=not self.keep_alive, head_only=self._head_only
        )

    @override
    def break_off(self, error: GatewayError) -> None:
        self.keep_alive = False

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        self.response_complete = True


def options_response(
    client: ClientSide, request: Request, admitted: Admitted, headers: Headers, *, keep_alive: bool
) -> GatewayResponse:
    """The response to an OPTIONS request to which the gateway itself responds."""
    address = admitted.client.address
    client.observe(
        OptionsHandled(request.request_id, address, admitted.path, admitted.trace, admitted.parent)
    )
    protection = client.gateway.admission.protection
    headers = [
        *client.server_state.default_headers,
        *headers,
        *PROTECTION,
        *protection.transport(is_https=admitted.client.scheme == "https"),
    ]
    return GatewayResponse(client, 204, headers, b"", head_only=False, keep_alive=keep_alive)


def rejection_event(
    client: ClientSide, request: Request, error: GatewayError, admitted: Admitted | None
) -> RequestRejected:
    """The event of a rejection."""
    if admitted is not None:
        address, path = admitted.client.address, admitted.path
        trace, parent = admitted.trace, admitted.parent
    else:
        address = client.gateway.admission.proxies.address_of(request.peer, request.headers)
        path, theirs = path_of(request.target), inbound(request.headers)
        trace, parent = (request.trace, theirs) if request.trace else (theirs, b"")
    return RequestRejected(
        request.request_id,
        request.method,
        error.status,
        error.code,
        error.reason,
        address,
        path,
        trace=trace,
        parent=parent,
    )


def _transport(client: ClientSide, request: Request, admitted: Admitted | None) -> Headers:
    rules = client.gateway.admission
    if admitted is not None:
        is_https = admitted.client.scheme == "https"
    else:
        is_https = rules.proxies.is_https(request.peer, request.headers)
    return rules.protection.transport(is_https=is_https)


def _rejection(
    client: ClientSide,
    error: GatewayError,
    request: Request,
    *,
    keep_alive: bool,
    admitted: Admitted | None,
) -> GatewayResponse:
    """The response that an error is rendered to. A trusted origin's scripts may read it, as any other."""
    status, headers, body = render(error, request.request_id)
    found = (value for name, value in request.headers if name == b"origin")
    origin = admitted.origin if admitted is not None else next(found, None)
    if origin is not None:
        headers += client.gateway.admission.origins.response_headers(origin)
    headers += _transport(client, request, admitted)
    return GatewayResponse(
        client,
        status,
        client.server_state.default_headers + headers,
        body,
        head_only=request.method == b"HEAD",
        keep_alive=keep_alive and not error.closes,
    )


def reject(
    client: ClientSide,
    request: Request,
    error: GatewayError,
    *,
    keep_alive: bool,
    admitted: Admitted | None = None,
) -> GatewayResponse:
    """Emit the event of a rejection. The response to it."""
    client.observe(rejection_event(client, request, error, admitted))
    return _rejection(client, error, request, keep_alive=keep_alive, admitted=admitted)
