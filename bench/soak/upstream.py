"""The soak's upstream, `python -m bench.soak.upstream PORT SEED`: answers as each request asks it to.

It judges what reaches it too: a request that its client never finished, or a body that belongs to another
one, is written to standard output as a line, and fails the soak.
"""

import asyncio
import random
import socket
import struct
import sys
import zlib
from collections.abc import Callable
from typing import cast

import httptools
import uvloop
from typing_extensions import override

from bench.soak.asks import Ask, pattern, read_target

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_SOON = 0.02
_EARLY_HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\nX-Nonce: poison\r\n\r\n" + b"poison" * 5
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def complain(what: str) -> None:
    print(what, flush=True)


class Connection(asyncio.Protocol):
    """One connection from the gateway."""

    transport: asyncio.Transport

    def __init__(self, random_source: random.Random) -> None:
        self._random = random_source
        self._parser = httptools.HttpRequestParser(self)
        self._owes = False  # an answer
        self._is_tunnel = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_tunnel:
            self.transport.write(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._is_tunnel = True
            self.transport.write(_SWITCH + data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            complain(f"the gateway wrote what is not HTTP: {error} in {data[:200]!r}")
            self.transport.abort()

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._owes:
            complain("the gateway sent a request before the last one was answered")
        self._owes = True
        self._url = b""
        self._token = b""
        self._received = 0
        self._checksum = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._token = value[-16:]

    def on_headers_complete(self) -> None:
        self._ask = read_target(self._url.decode())
        self._switches = self._parser.should_upgrade()
        if self._ask.does == "early":
            self._answer()

    def on_body(self, data: bytes) -> None:
        self._received += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def on_message_complete(self) -> None:
        ask = self._ask
        if self._switches:
            return
        wanted = pattern(ask.nonce, max(ask.body, 0))
        if (self._received, self._checksum) != (len(wanted), zlib.crc32(wanted)):
            complain(
                f"{ask.nonce}: {self._received} of {len(wanted)} bytes came as a whole request, or others"
            )
        if self._owes:
            self._act()

    # private

    def _act(self) -> None:
        ask = self._ask
        deed = self._deeds().get(ask.does)
        if deed is not None:
            deed(ask)
        else:
            self._answer()
            if self._random.random() < 0.01:  # a stale connection, which nobody asked for
                self._close_soon()

    def _deeds(self) -> dict[str, Callable[[Ask], None]]:
        return {
            "reset": lambda _: self._reset(),
            "close": lambda _: self.transport.close(),
            "garbage": lambda _: self.transport.write(
                b"\x15\x03\x01\x00\x02\x02\x50 not HTTP at all\r\n\r\n"
            ),
            "reset in head": lambda ask: self._break(self._head(ask)[:-10], self._reset),
            "reset in body": lambda ask: self._break(self._half(ask), self._reset),
            "close in body": lambda ask: self._break(self._half(ask), self.transport.close),
            "reset at close": lambda ask: self._break(self._half(ask), self._reset),
            "flood of 1xx": lambda _: self.transport.write(_EARLY_HINT * 40),
            "stall": lambda _: None,
            "stall in body": lambda ask: self.transport.write(self._half(ask)),
            "1xx": lambda _: self._answer(_EARLY_HINT * self._random.randint(1, 5)),
            "surplus": lambda _: self._answer(behind=_POISON[: self._random.randint(1, len(_POISON))]),
            "slow": self._trickle,
            "close after": lambda _: self._answer(then=self.transport.close),
            "close soon after": lambda _: self._answer(then=self._close_soon),
        }

    def _answer(
        self, before: bytes = b"", *, behind: bytes = b"", then: Callable[[], None] | None = None
    ) -> None:
        ask = self._ask
        self._owes = False
        self.transport.write(before + self._head(ask) + self._body(ask) + behind)
        if ask.framing == "close":
            self.transport.close()
        elif then is not None:
            then()

    def _head(self, ask: Ask) -> bytes:
        framing = {
            "sized": f"Content-Length: {ask.size}\r\n",
            "chunked": "Transfer-Encoding: chunked\r\n",
            "close": "Connection: close\r\n",
        }[ask.framing]
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{framing}X-Nonce: {ask.nonce}\r\n"
            f"X-Token: {self._token.decode()}\r\nX-Received: {self._received}\r\n\r\n"
        ).encode()

    def _body(self, ask: Ask) -> bytes:
        if self._parser.get_method() == b"HEAD":
            return b""
        body = pattern(ask.nonce, ask.size)
        if ask.framing != "chunked":
            return body
        size = self._random.randint(1, 5_000) + len(body) // 50
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))

    def _half(self, ask: Ask) -> bytes:
        body = self._body(ask)
        return self._head(ask) + body[: len(body) // 2]

    def _break(self, data: bytes, how: Callable[[], None]) -> None:
        """Write and, when it has most likely been read, end the connection."""
        self.transport.write(data)
        self._later(self._random.random() * _SOON, how)

    def _trickle(self, ask: Ask) -> None:
        whole = self._head(ask) + self._body(ask)
        size = len(whole) // self._random.randint(2, 8) + 1
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        self._drip(pieces)

    def _drip(self, pieces: list[bytes]) -> None:
        if self.transport.is_closing():
            return
        if len(pieces) == 1:
            self._owes = False  # its last byte ends it, and the next request may come
        self.transport.write(pieces.pop(0))
        if pieces:
            self._later(self._random.random() * 4 * _SOON, lambda: self._drip(pieces))
        elif self._ask.framing == "close":
            self.transport.close()

    def _close_soon(self) -> None:
        """Tire of an idle connection, most likely when the gateway sends the next request."""
        self._later(self._random.random() * _SOON, lambda: None if self._owes else self.transport.close())

    def _reset(self) -> None:
        if not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    @staticmethod
    def _later(seconds: float, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, what)


async def serve(port: int, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311  faults, not secrets
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(source), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
