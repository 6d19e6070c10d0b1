"""The bulk of the soak's load: kept connections that ask again as soon as they are answered.

As cheap as a client can be that still checks each answer: nonce, size and body, in one comparison.
"""

import asyncio
import time
from typing import cast

from typing_extensions import override

from bench.soak.asks import Ask, pattern
from bench.soak.tally import Tally

_SIZE = 1_000
_AGAIN_SECONDS = 0.01


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, tally: Tally, token: str, until: float) -> None:
        self._tally = tally
        self._token = token
        self._until = until
        self._received = b""
        self._ask: Ask | None = None
        self.closed = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or self._ask is None:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._refused(head, body)
        elif len(body) >= _SIZE:
            nonce = b"\r\nX-Nonce: %b\r\n" % self._ask.nonce.encode()
            token = b"\r\nX-Token: %b\r\n" % self._token[-16:].encode()
            if body == pattern(self._ask.nonce, _SIZE) and nonce in head and token in head:
                self._tally.counts["right"] += 1
            else:
                self._tally.note_wrong("another answer", self._received[:300])
            self._next()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._ask is not None:
            self._tally.judge_broken(self._ask, f"pressure: {exc!r}", self._began)
        self.closed.set_result(None)

    def _next(self) -> None:
        self._received = b""
        self._ask = None
        self._began = time.monotonic()
        if self._began > self._until:
            self.transport.close()
            return
        self._ask = Ask(size=_SIZE)
        self.transport.write(self._ask.head(self._token))

    def _refused(self, head: bytes, body: bytes) -> None:
        status = head[9:12]
        if status in {b"502", b"503"} and self._tally.excuses(self._began):
            self._tally.counts[f"refused {status.decode()}"] += 1
        else:
            self._tally.note_wrong(f"status {status.decode()}", (head[:200], body[:200]))
        self._ask = None
        asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._again)

    def _again(self) -> None:
        if not self.transport.is_closing():
            self._next()


async def press(port: int, tally: Tally, token: str, until: float) -> None:
    """Keep one connection busy until the time is over; open another when it breaks."""
    loop = asyncio.get_running_loop()
    while time.monotonic() < until:
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(tally, token, until), "127.0.0.1", port
            )
        except OSError as error:
            tally.note_wrong("no connection", repr(error))
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            await connection.closed
