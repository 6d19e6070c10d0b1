"""A relayed response on its way to the client: its head, its framing, and what is counted of its exchange."""

from collections.abc import Sequence
from time import perf_counter

from app.core.http.heads import CHUNKED, LAST_CHUNK, PRIVATE, STATUS_LINES, chunk, response_framing
from app.core.http.routing import Route
from app.core.relay.client_lines import client_lines, keeps_cors
from app.core.relay.response_headers import ResponseHeaders, with_session
from app.core.requests import Admitted, Request
from app.events import RequestRelayed
from app.proxy.gateway import Gateway


class RelayedResponse:
    """One exchange's. It knows neither the client's connection nor the upstream's."""

    # Class attributes as defaults: each request makes one, and most of these are set late or never
    ends_by_closing = False
    is_event_stream = False
    request_bytes = 0  # of the body, once it is known
    _is_chunked = False
    _status = 0
    _written = 0
    _responded = 0.0  # when the response began

    def __init__(
        self,
        gateway: Gateway,
        request: Request,
        admitted: Admitted,
        route: Route,
        *,
        set_cookies: Sequence[bytes],
        began: float,
    ) -> None:
        """`set_cookies`: of a renewed session; `began`: the request, in seconds of perf_counter."""
        self._gateway = gateway
        self._request = request
        self._admitted = admitted
        self._route = route
        self._set_cookies = set_cookies
        self._pending: list[bytes] = []
        self._began = began
        self._asked = began

    def note_wait(self) -> None:
        """Note that the upstream can be asked only now: the time before is not the upstream's."""
        self._asked = perf_counter()

    def begin(self, status: int, headers: ResponseHeaders, *, keep_alive: bool) -> bool:
        """Take the upstream's head. Whether the client's connection can be kept alive."""
        self._responded = perf_counter()
        self._status = status
        self.is_event_stream = headers.is_event_stream
        request, route, admitted = self._request, self._route, self._admitted
        is_head, is_chunkable = request.method == b"HEAD", request.version == "1.1"
        framing = response_framing(status, headers.content_length, is_head=is_head, is_chunkable=is_chunkable)
        if framing is None:
            self.ends_by_closing = True
            keep_alive = False
        self._is_chunked = framing is CHUNKED
        rules = self._gateway.admission
        is_https = admitted.client.scheme == "https"
        lines = self._lines(headers)
        is_private = admitted.token is not None and not (headers.has_cache_control or self._set_cookies)
        self._pending = [
            STATUS_LINES[status],
            *lines,
            b"" if keeps_cors(route) else rules.origins.response_lines(admitted.origin),
            rules.protection.lines(headers.present, is_api=not route.identity, is_https=is_https),
            PRIVATE if is_private else b"",
            framing or b"",
            b"X-Request-Id: ",
            request.request_id,
            b"\r\n\r\n" if keep_alive else b"\r\nConnection: close\r\n\r\n",
        ]
        return keep_alive

    def switch(self, status: int, headers: ResponseHeaders, opening: Sequence[bytes], data: bytes) -> None:
        """Take a head that changes the protocol, and what came behind it. `opening`: its first lines."""
        self._responded = perf_counter()
        self._status = status
        self._pending = [*opening, *self._lines(headers), b"\r\n", data]

    def add(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._pending.append(chunk(data) if self._is_chunked else data)

    def end(self) -> None:
        """Take the end of the body."""
        if self._is_chunked:
            self._pending.append(LAST_CHUNK)

    def take(self) -> bytes:
        """The bytes to write now; they count as written."""
        pending = self._pending
        if not pending:
            return b""
        self._pending = []
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        self._written += len(data)
        return data

    def drop(self) -> None:
        """Write nothing of what is kept: the head was read together with what broke the response."""
        self._pending = []

    def count(self) -> None:
        """Count the exchange, and emit its event if an observer wants each one: it is over."""
        gateway, method = self._gateway, self._request.method
        took = perf_counter() - self._began
        gateway.count(self._route.name, method, self._status, took, self._upstream_seconds())
        if gateway.relayed is not None:
            gateway.relayed(self.so_far())

    def so_far(self) -> RequestRelayed:
        """The event of the exchange as it is now."""
        admitted = self._admitted
        token = admitted.token
        return RequestRelayed(
            self._request.request_id,
            self._route.name,
            self._request.method,
            self._status,
            token.role if token is not None else None,
            token.subject if token is not None else None,
            self._written,
            perf_counter() - self._began,
            admitted.client.address,
            admitted.path,
            token.session if token is not None else None,
            self.request_bytes,
            self._upstream_seconds(),
            admitted.trace,
            admitted.parent,
        )

    def _upstream_seconds(self) -> float:
        """How long the upstream took to begin its response."""
        return self._responded - self._asked if self._responded else 0.0

    def _lines(self, headers: ResponseHeaders) -> Sequence[bytes]:
        """The upstream's lines that the client gets, with the cookies of a session that was renewed."""
        lines: Sequence[bytes] = headers.lines
        if headers.depends_on_route:
            gateway, admitted = self._gateway, self._admitted
            names, host = gateway.admission.names(admitted.client), admitted.client.host
            secure = gateway.admission.secure(admitted.client)
            lines, left_out = client_lines(
                headers, self._route, names, path=admitted.path, host=host, secure=secure
            )
            if left_out:
                gateway.note_dropped(self._request.request_id, self._route.name, left_out)
        return with_session(lines, self._set_cookies) if self._set_cookies else lines
