"""One connection to an upstream: writes requests, parses answers, and is only lent again when in step.

llhttp refuses what is ambiguous (both framings, folded lines, bare line feeds, bad chunks); this file refuses
the rest: surplus bytes, bytes of nobody's, a flood of interim answers, codes that no client would understand.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools
from typing_extensions import override

from app.core.http.headers import Header
from app.core.http.response_headers import ResponseHeaders
from app.core.http.response_heads import check_framing, check_status, opens_http
from app.errors import GatewayError, UpstreamBroken, UpstreamUnreachable
from app.proxy.answer_bounds import AnswerBounds
from app.proxy.parsing import unreadable_answer
from app.proxy.progress import Progress

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange
    from app.proxy.pool import UpstreamPool

_FINAL = 200


class UpstreamConnection(asyncio.Protocol):
    """A connection of a pool's, carrying one exchange at a time."""

    transport: asyncio.Transport | None = None
    exchange: "Exchange | None" = None
    used = False  # it carried an exchange before this one
    idle_since = 0.0
    _writes_paused = False
    _reads_paused = False
    _is_tunnel = False

    def __init__(self, pool: "UpstreamPool") -> None:
        self.pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._progress = Progress()
        self._bounds = AnswerBounds()

    def carry(self, exchange: "Exchange") -> None:
        """Begin an exchange on this connection."""
        self.exchange = exchange
        self.answered = False  # a byte of the answer has been seen
        self._headers: list[Header] = []
        self._in_head = True
        self._until_close = False
        self._finished = False
        self._surplus = False
        self._is_chunked = False
        self._bounds.begin()

    @property
    def is_usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        assert self.transport is not None  # noqa: S101  connected
        self.transport.write(data)

    def drains(self) -> bool:
        """Whether the upstream took something of the request since it was last asked."""
        return self.transport is not None and self._progress.made(self.transport)

    def pause_answer(self) -> None:
        if self.transport is not None and not self._reads_paused and not self.transport.is_closing():
            self._reads_paused = True
            self.transport.pause_reading()

    def resume_answer(self) -> None:
        if self.transport is not None and self._reads_paused and not self.transport.is_closing():
            self._reads_paused = False
            self.transport.resume_reading()

    def end(self) -> None:
        """Let go of the exchange and close once everything is written."""
        self.exchange = None
        if self.transport is not None:
            self.transport.close()

    def abandon(self) -> None:
        """Drop the exchange and the connection with it: half a message has made it useless."""
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
            self.abandon()  # bytes that answer nothing would be the next client's answer
            return
        try:
            if not self.answered:
                self.answered = True
                self.pool.end_turn(self)
                if not opens_http(data):
                    self._fail(UpstreamBroken(reason="no HTTP"))
                    return
            self._read_answer(exchange, data)
        except GatewayError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
            exchange.report(error)
            self._fail(UpstreamBroken(reason="defect"))

    def _read_answer(self, exchange: "Exchange", data: bytes) -> None:
        if self._is_tunnel:
            exchange.relay_answer(data)
            exchange.flush_answer()
            return
        bounds, was_in_head = self._bounds, self._in_head
        bounds.begin_read(len(data), in_head=was_in_head)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not exchange.agrees(self._parser.get_status_code(), self._headers):
                self._fail(UpstreamBroken(reason="switched protocols unasked"))
                return
            self._is_tunnel = True
            exchange.switch(ResponseHeaders(self._headers), data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if not self._finished:
                self._fail(unreadable_answer(error))
                return
            self._surplus = True
        if self._in_head:  # all that was read so far is of the head
            bounds.check_unfinished_head(self._headers, self.pool.limits)
        elif self._is_chunked and not was_in_head:
            bounds.check_framing(len(data), self.pool.limits)
        if self.exchange is exchange:
            exchange.flush_answer()
            if self._finished:
                self._finish()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self.pool.forget(self)
        if exchange is None:
            return
        if self._until_close and exc is None and not self._in_head:
            exchange.end_answer()
            exchange.flush_answer()
            exchange.finish()
        elif self.answered:
            exchange.lose_upstream(UpstreamBroken(reason="answer cut short"))
        else:
            exchange.lose_upstream(
                UpstreamUnreachable(reason="connection lost before an answer"), stale=self.used
            )

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
        self._until_close = not self._bodiless and (
            headers.content_length is None
            and headers.transfer_encoding is None
            and status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        )
        exchange.begin_answer(status, headers)
        if self._bodiless:
            # The parser does not know that it was HEAD and would wait for a body (RFC 9110 section 9.3.2).
            self._finished = True
            exchange.end_answer()

    def on_body(self, data: bytes) -> None:
        self._bounds.body_bytes += len(data)
        if self._finished:
            self._surplus = True
        elif self.exchange is not None:
            self.exchange.relay_answer(data)

    def on_message_complete(self) -> None:
        if self._in_head:  # an interim answer (RFC 9110 section 15.2)
            if self._parser.get_status_code() != HTTPStatus.SWITCHING_PROTOCOLS:
                self._headers = []
        elif not self._finished and self.exchange is not None:
            self._finished = True
            self.exchange.end_answer()

    # private

    def _fail(self, error: GatewayError) -> None:
        exchange = self.exchange
        self.abandon()
        if exchange is not None:
            exchange.lose_upstream(error)

    def _finish(self) -> None:
        """The answer is whole: let the exchange end, then lend the connection on or drop it."""
        exchange, self.exchange = self.exchange, None
        assert exchange is not None and self.transport is not None  # noqa: S101, PT018
        in_step = (
            self._keep_alive and not self._surplus and exchange.is_request_sent and not self._writes_paused
        )
        if self._bodiless:
            self._parser = httptools.HttpResponseParser(self)
        self.used = True
        if in_step and self.is_usable:
            self.resume_answer()
            self.pool.give_back(self)  # before the exchange ends: the client's next may want it
        else:
            self.transport.abort()
        exchange.finish()
