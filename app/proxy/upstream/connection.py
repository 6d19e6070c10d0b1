"""One connection to an upstream: writes requests, parses responses, and is reused only when it is in step.

llhttp refuses what is ambiguous (both framings, folded lines, bare line feeds, bad chunks); this file refuses
the rest: surplus bytes, bytes without a request, a flood of interim responses, codes that no client knows.
"""

import asyncio
from http import HTTPStatus
from typing import cast

import httptools
from typing_extensions import override

from app.core.http.headers import Header
from app.core.http.response_heads import check_framing, check_status, opens_http
from app.core.relay.response_headers import ResponseHeaders
from app.errors import GatewayError, UpstreamBroken, UpstreamUnreachable
from app.proxy.progress import Progress
from app.proxy.upstream.carried import CarriedExchange
from app.proxy.upstream.link import UpstreamLink
from app.proxy.upstream.owner import ConnectionOwner
from app.proxy.upstream.response_bounds import ResponseBounds, ends_by_closing
from app.proxy.upstream.unreadable import unreadable_response

_FINAL = 200


class UpstreamConnection(UpstreamLink):
    """A connection of a pool's, carrying one exchange at a time."""

    exchange: CarriedExchange | None = None
    used = False  # it carried an exchange before this one
    idle_since = 0.0
    _writes_paused = False
    _reads_paused = False
    _is_tunnel = False

    def __init__(self, pool: "ConnectionOwner[UpstreamConnection]") -> None:
        self.pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._progress = Progress()
        self._bounds = ResponseBounds()

    def carry(self, exchange: CarriedExchange) -> None:
        """Begin an exchange on this connection."""
        self.exchange = exchange
        self.responded = False  # a byte of the response has been seen
        self._headers: list[Header] = []
        self._in_head = True
        self._until_close = self._finished = self._surplus = self._is_chunked = False
        self._bounds.begin()

    @property
    def is_usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    @override
    def write(self, data: bytes) -> None:
        assert self.transport is not None  # noqa: S101  connected
        self.transport.write(data)

    @override
    def note_sent(self) -> None:
        self.pool.take_slot(self)

    @override
    def drains(self) -> bool:
        return self.transport is not None and self._progress.made(self.transport)

    @override
    def pause_response(self) -> None:
        if self.transport is not None and not self._reads_paused and not self.transport.is_closing():
            self._reads_paused = True
            self.transport.pause_reading()

    @override
    def resume_response(self) -> None:
        if self.transport is not None and self._reads_paused and not self.transport.is_closing():
            self._reads_paused = False
            self.transport.resume_reading()

    @override
    def end(self) -> None:
        self.exchange = None
        if self.transport is not None:
            self.transport.close()

    @override
    def abandon(self) -> None:
        self.exchange = None
        if self.transport is not None:
            self.transport.abort()

    # asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abandon()  # bytes without a request would be the next client's response
            return
        try:
            if not self.responded:
                self.responded = True
                self.pool.free_slot(self)
                if not opens_http(data):
                    self._fail(UpstreamBroken(reason="no HTTP"))
                    return
            self._read_response(exchange, data)
        except GatewayError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  a defect must not leave a client waiting
            exchange.report(error)
            self._fail(UpstreamBroken(reason="defect"))

    def _switch(self, exchange: CarriedExchange, data: bytes) -> None:
        """Carry what the exchange becomes with a change of protocols."""
        self._is_tunnel = True
        tunnel = exchange.switch(self._parser.get_status_code(), self._headers, data)
        if tunnel is None:
            raise UpstreamBroken(reason="switched protocols unasked")
        if self.exchange is exchange:
            self.exchange = tunnel

    def _read_response(self, exchange: CarriedExchange, data: bytes) -> None:
        if self._is_tunnel:
            exchange.relay_body(data)
            exchange.flush_response()
            return
        bounds, was_in_head = self._bounds, self._in_head
        bounds.begin_read(len(data), in_head=was_in_head)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(exchange, data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if not self._finished:
                raise unreadable_response(error) from None
            self._surplus = True
        if self._in_head:  # all that was read so far is of the head
            bounds.check_unfinished_head(self._headers, self.pool.limits)
        elif self._is_chunked and not was_in_head:
            bounds.check_framing(len(data), self.pool.limits)
        if self.exchange is exchange:
            exchange.flush_response()
            if self._finished:
                self._finish()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self.pool.discard(self)
        if exchange is None:
            return
        if self._until_close and exc is None and not self._in_head:
            exchange.end_response()
            exchange.flush_response()
            exchange.finish()
        elif self.responded:
            exchange.lose_upstream(UpstreamBroken(reason="response cut short"))
        else:
            error = UpstreamUnreachable(reason="connection lost before a response")
            exchange.lose_upstream(error, stale=self.used)

    @override
    def pause_writing(self) -> None:
        self._writes_paused = True
        if self.exchange is not None:
            self.exchange.pause_request()

    @override
    def resume_writing(self) -> None:
        self._writes_paused = False
        if self.exchange is not None:
            self.exchange.resume_request()

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._finished:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are dropped (RFC 9110 section 6.5.1)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._finished:
            return
        status: int = self._parser.get_status_code()
        version = self._parser.get_http_version()
        check_status(status, version)
        self._bounds.check_head(self._headers, self.pool.limits)
        if status < _FINAL:
            self._bounds.count_interim()
            return
        exchange = self.exchange
        if exchange is None:
            return
        headers = ResponseHeaders(self._headers)
        self._in_head = False
        self._bodiless = exchange.is_head
        if self._bodiless:  # the parser would wait for the end, and so not keep it alive
            self._keep_alive = not headers.closes and version == "1.1"
        else:
            self._keep_alive = self._parser.should_keep_alive()
        check_framing(headers.transfer_encoding, version)
        self._is_chunked = headers.transfer_encoding is not None
        self._until_close = not self._bodiless and ends_by_closing(status, headers)
        exchange.begin_response(status, headers)
        if self._bodiless:
            # The parser does not know that it was HEAD and would wait for a body (RFC 9110 section 9.3.2).
            self._finished = True
            exchange.end_response()

    def on_body(self, data: bytes) -> None:
        self._bounds.body_bytes += len(data)
        if self._finished:
            self._surplus = True
        elif self.exchange is not None:
            self.exchange.relay_body(data)

    def on_message_complete(self) -> None:
        if self._in_head:  # an interim response (RFC 9110 section 15.2)
            if self._parser.get_status_code() != HTTPStatus.SWITCHING_PROTOCOLS:
                self._headers = []
        elif not self._finished and self.exchange is not None:
            self._finished = True
            self.exchange.end_response()

    # private

    def _fail(self, error: GatewayError) -> None:
        exchange = self.exchange
        self.abandon()
        if exchange is not None:
            exchange.lose_upstream(error)

    def _finish(self) -> None:
        """The response is whole: let the exchange end, then release the connection or drop it."""
        exchange, self.exchange = self.exchange, None
        assert exchange is not None and self.transport is not None  # noqa: S101, PT018
        in_step = (
            self._keep_alive and not self._surplus and exchange.is_request_sent and not self._writes_paused
        )
        if self._bodiless:
            self._parser = httptools.HttpResponseParser(self)
        self.used = True
        if in_step and self.is_usable:
            self.resume_response()
            self.pool.release(self)  # before the exchange ends: the client's next may want it
        else:
            self.transport.abort()
        exchange.finish()
