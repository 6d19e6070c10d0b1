"""A WebSocket through to an upstream: once the upstream has agreed, bytes both ways.

It takes the place of the exchange whose response changed the protocol. Nothing of HTTP is left to come.
"""

import time
from collections.abc import Sequence

from typing_extensions import override

from app.core.http.headers import Header
from app.core.http.heads import SWITCHING, UPGRADE_LINES
from app.core.relay.response_headers import ResponseHeaders
from app.core.tokens.verify import VerifiedToken
from app.errors import GatewayError
from app.events import InternalFailure, RelayAborted
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.response import RelayedResponse
from app.proxy.exchange.streams import cut, notice_dead_peers
from app.proxy.upstream.carried import CarriedExchange
from app.proxy.upstream.link import UpstreamLink


class Tunnel(CarriedExchange):
    """One open tunnel. Its bytes to the client are the rest of the response."""

    def __init__(
        self,
        client: ClientSide,
        link: UpstreamLink,
        response: RelayedResponse,
        token: VerifiedToken | None,
        *,
        route: str,
        request_id: bytes,
    ) -> None:
        self.request_id = request_id
        self.keep_alive = self.more_body = False
        self.is_request_sent = True
        self._client = client
        self._link: UpstreamLink | None = link
        self._response = response
        self._token = token
        self._route = route

    def open(self, status: int, headers: ResponseHeaders, data: bytes, held: bytes) -> None:
        """Take the upstream's consent, what came behind it, and what the client has sent meanwhile."""
        client = self._client
        client.divert = self._send_up
        notice_dead_peers(client.transport, self._link)
        self._response.switch(status, headers, (SWITCHING, UPGRADE_LINES), data)
        self.flush_response()
        client.resume_reading()
        self._send_up(held)

    def _send_up(self, data: bytes) -> None:
        if data and self._link is not None:
            self._link.write(data)

    # the client's side

    @override
    def start(self) -> None:
        """Not called: its exchange was started."""

    @override
    def flush(self) -> None:
        """Bytes of the client are written at once."""

    @property
    @override
    def is_signed_in(self) -> bool:
        return self._token is not None

    @override
    def half_close(self) -> bool:
        """Deliver what the client said last, and end the tunnel with it."""
        link = self._link
        if link is not None:
            link.end()
        self.finish()
        return False

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        self._drop_link()
        if not self.response_complete:
            self.finish()

    @override
    def break_off(self, error: GatewayError) -> None:
        self._drop_link()
        if not self.response_complete:
            self._abort(error.reason)
            cut(self._client.transport, ends_by_closing=False)

    @override
    def pause_response(self) -> None:
        if self._link is not None:
            self._link.pause_response()

    @override
    def resume_response(self) -> None:
        if self._link is not None:
            self._link.resume_response()

    @override
    def check_deadline(self, now: float) -> None:
        """An open tunnel may be silent: its ends keep it alive or end it, or the end of its token does.

        It is cut: a close frame could only stand between two frames, and these are not read here.
        """
        token, verifier = self._token, self._client.gateway.admission.verifier
        if token is not None and (reason := verifier.why_over(token, time.time())):
            self._drop_link()
            self._abort(reason)
            self._client.transport.abort()

    # the upstream's side

    @override
    def note_wait(self) -> None:
        """Not called: it has its connection."""

    @override
    def connect(self, connection: UpstreamLink) -> None:
        """Not called: it has its connection."""

    @override
    def begin_response(self, status: int, headers: ResponseHeaders) -> None:
        """Not called: the protocol is another one."""

    @override
    def switch(self, status: int, headers: Sequence[Header], data: bytes) -> CarriedExchange | None:
        """Not called: the protocol is another one."""
        return None

    @override
    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        self.finish()

    @override
    def relay_body(self, data: bytes) -> None:
        self._response.add(data)

    @override
    def flush_response(self) -> None:
        self.response_started = True
        self._client.transport.write(self._response.take())

    @override
    def finish(self) -> None:
        self._link = None
        self.response_complete = True
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

    # private

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abandon()

    def _abort(self, reason: str) -> None:
        self.response_complete = True
        so_far = self._response.so_far()
        self._client.observe(RelayAborted(self.request_id, self._route, reason, so_far))
