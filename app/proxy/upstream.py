"""One connection to an upstream: writes requests, parses answers, and is only lent again when in step.

llhttp refuses what is ambiguous (both framings, folded lines, bare line feeds, bad chunks); this file refuses
the rest: surplus bytes, bytes of nobody's, a flood of interim answers, codes that no client would understand.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools
from typing_extensions import override

from app.core.headers import Header
from app.core.response_headers import ResponseHeaders
from app.errors import GatewayError, UpstreamBroken, UpstreamUnreachable
from app.proxy.parsing import unreadable_answer
from app.proxy.progress import Progress

if TYPE_CHECKING:
    from app.proxy.exchange import Exchange
    from app.proxy.pool import UpstreamPool

_MAX_INTERIM = 20
_MIN_STATUS = 100
_MAX_STATUS = 599
_FINAL = 200
_VERSIONS = ("1.1", "1.0")


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

    def carry(self, exchange: "Exchange") -> None:
        """Begin an exchange on this connection."""
        self.exchange = exchange
        self.answered = False  # a byte of the answer has been seen
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._in_head = True
        self._interim = 0
        self._until_close = False
        self._finished = False
        self._surplus = False

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
            self._read_answer(exchange, data)
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
            exchange.report(error)
            self._fail(UpstreamBroken(reason="defect"))

    def _read_answer(self, exchange: "Exchange", data: bytes) -> None:
        if self._is_tunnel:
            exchange.relay_answer(data)
            exchange.flush_answer()
            return
        if self._in_head and not self._admit_head_bytes(len(data)):
            self._fail(UpstreamBroken(reason="head too large"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not exchange.switches or self._parser.get_status_code() != HTTPStatus.SWITCHING_PROTOCOLS:
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
        if not _MIN_STATUS <= status <= _MAX_STATUS or self._parser.get_http_version() not in _VERSIONS:
            raise UpstreamBroken(reason="status or version out of range")
        if status < _FINAL:
            self._count_interim()
            return
        exchange = self.exchange
        if exchange is None:
            return
        headers = ResponseHeaders(self._headers)
        self._in_head = False
        self._bodiless = exchange.is_head
        if self._bodiless:  # the parser would wait for the end, and so not keep it alive
            self._keep_alive = not headers.closes and self._parser.get_http_version() == "1.1"
        else:
            self._keep_alive = self._parser.should_keep_alive()
        if headers.transfer_encoding not in {None, b"chunked"}:
            raise UpstreamBroken(reason="transfer coding")
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

    def _admit_head_bytes(self, count: int) -> bool:
        self._head_bytes += count
        # One read may hold a small head and the start of a large body: what counts is a head over many reads.
        return self._head_bytes == count or self._head_bytes <= self.pool.limits.head_bytes

    def _count_interim(self) -> None:
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            raise UpstreamBroken(reason="too many interim answers")

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
